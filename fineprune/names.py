"""What things are called in every table, log and file: methods, and what is measured."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")

WEAK = 0.9  # a BadNet with a smaller ASR is a weak one: there is less to remove

FINE_TUNING = "fine-tuning"  # on clean images, as it is
NO_PRUNING = "none"  # the strategy that prunes nothing
UNTOUCHED = "untouched"  # the BadNet as it was handed over, as a method
GIVEN = "given"  # the attack of a BadNet that came from a file: nobody knows which

BADNET, PRUNED, GOODNET = "badnet", "pruned", "goodnet"
TUNED = {PRUNED: "finetuned", GOODNET: "finetuned_goodnet"}  # what the nets are called once they are fine-tuned
ACCURACY, FALSE_POSITIVE_RATE = "accuracy", "false_positive_rate"
ASR, DETECTION_RATE, ROBUST_ACCURACY, DER = "asr", "detection_rate", "robust_accuracy", "der"

COUNTS = ("step", "pruned", "total")  # of a step, comparable between strategies only as fractions
FRACTION_PRUNED = "fraction_pruned"
AMOUNT = "amount"  # the tag that names what a strategy's steps go by
TUNING = "tuning"  # the tag that names a fine-tuning, as tables do
COMPARISON = "comparison"  # the tag of a run that compares others
CHANGED = "changed"  # the tag that lists the settings of a method that are not its defaults
REACHED = "reached"  # whether a budget was, 1 or 0
SECONDS, FORWARD_PASSES, BACKWARD_PASSES = COSTS = "seconds", "forward_passes", "backward_passes"


def titled(name: str, variant: str) -> str:
    """An attack or a strategy with its variant, as `patch (all-to-all)`."""
    return f"{name} ({variant})" if variant else name


def subject(attack: str, badnet: str) -> str:
    """What is examined: by its attack where that is known, else by the BadNet's name."""
    return badnet if attack == GIVEN else attack


def method(strategy: str, tuning: str = "") -> str:
    """A strategy, or the same followed by a fine-tuning; without either the network is untouched."""
    if tuning:
        return f"{strategy} + {tuning}"
    return UNTOUCHED if strategy == NO_PRUNING else strategy


def run(method: str, subject: str, seed: int, data: str) -> str:
    """What a run is called in the log: what differs comes first, since lists cut names short."""
    return " · ".join((method, subject, str(seed), data))


def tunes(method: str) -> bool:
    """Whether `method` ends in fine-tuning; settings that set it apart may follow in brackets."""
    return " + " in method


def untuned(method: str) -> str:
    """`method` without its fine-tuning; one that is more than that, as FT-SAM, makes another method and stays."""
    return re.sub(rf" \+ {FINE_TUNING}(?= \(|$)", "", method)


def column(net: str, rate: str) -> str:
    """A rate of a net where split and point stand elsewhere, as `goodnet_asr`."""
    return f"{net}_{rate}"


def net_at(net: str, point: str) -> str:
    """The net of one point, as its file is called: `pruned_2_percent`."""
    return f"{net}_{point}"


def at(point: str, name: str) -> str:
    """What is called `name` in a table of steps, at one point of a sweep: `at_2_percent/fraction_pruned`."""
    return f"at_{point}/{name}"


def headline(rate: str, point: str) -> str:
    """A rate at a point, whatever the attack, as `asr_at_2_percent`: no `Rate`, which is one of a split."""
    return f"{rate}_at_{point}"


def cost(of: str, part: str) -> str:
    """One of COSTS of a part of a sweep, as `seconds/strategy`."""
    return f"{of}/{part}"


@dataclass(frozen=True)
class Rate:
    """A `rate` of a `net` on a `split`: at each step, or at the `point` that is named.

    As text `clean_test/goodnet_accuracy`, `at_2_percent/clean_test/goodnet_accuracy`, and, of the untouched BadNet,
    which has no steps, `badnet/clean_test/accuracy`.
    """

    split: str
    net: str
    rate: str
    point: str = ""

    def __str__(self) -> str:
        if self.net == BADNET:
            return f"{BADNET}/{self.split}/{self.rate}"
        name = f"{self.split}/{column(self.net, self.rate)}"
        return at(self.point, name) if self.point else name

    @classmethod
    def parse(cls, name: Any) -> Rate | None:
        """The rate that is called `name`; None where that is something else."""
        if match := _RATE.fullmatch(str(name)):
            return cls(match["split"], match["net"], match["rate"], match["point"] or "")
        if match := _BADNET_RATE.fullmatch(str(name)):
            return cls(match["split"], BADNET, match["rate"])
        return None

    def tuned(self) -> Rate:
        """The same of the net that fine-tuning made."""
        return replace(self, net=TUNED[self.net])


def rates(names: Collection[Any]) -> dict[str, Rate]:
    """Those of `names` that are rates, as they are called."""
    parsed = {str(name): Rate.parse(name) for name in names}
    return {name: rate for name, rate in parsed.items() if rate}


def tuned(rates_of: Mapping[str, T]) -> dict[str, T]:
    """`sunglasses/goodnet_asr` as `sunglasses/finetuned_goodnet_asr`, `sunglasses/pruned_asr` as `…/finetuned_asr`."""
    return {str(rate.tuned()): rates_of[key] for key, rate in rates(rates_of).items()}


# Splits may be called anything, in a log that a stranger has written even with slashes and line breaks.
_RATES = "|".join((ACCURACY, FALSE_POSITIVE_RATE, ASR, DETECTION_RATE, ROBUST_ACCURACY, DER))
_NETS = "|".join((*TUNED, *TUNED.values()))
_RATE = re.compile(rf"(?:at_(?P<point>[^/]+)/)?(?P<split>.+)/(?P<net>{_NETS})_(?P<rate>{_RATES})", re.DOTALL)
_BADNET_RATE = re.compile(rf"{BADNET}/(?P<split>.+)/(?P<rate>{_RATES})", re.DOTALL)
