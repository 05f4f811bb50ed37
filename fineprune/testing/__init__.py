"""What is demanded of a strategy, an attack and a data set, as one call for its author.

>>> from fineprune.testing import check_attack, check_data, check_strategy
>>> check_strategy(MyStrategy)
"""

from fineprune.testing.images import check_attack, check_data
from fineprune.testing.networks import NETWORKS
from fineprune.testing.strategies import RULES, Case, check_strategy

__all__ = ["NETWORKS", "RULES", "Case", "check_attack", "check_data", "check_strategy"]
