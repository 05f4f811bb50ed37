"""The channel sweep: every channel of the last convolution before the last pooling, one after the other.

python -m benchmarks.sweep [--weights FILE] [--images N]
"""

from __future__ import annotations

from benchmarks.comparison import compare
from benchmarks.subject import options, subject
from fineprune.strategies.rankings.channel_activation import ChannelActivation

if __name__ == "__main__":
    settings = options("Measure the sweep over channels.").parse_args()
    with subject(settings.images, settings.weights) as (network, splits):
        steps = list(ChannelActivation().steps(network, splits["clean_valid"]))
        compare("Sweep by channel activation", network, steps, splits)
