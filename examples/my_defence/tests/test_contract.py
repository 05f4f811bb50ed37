"""The strategy, the attack and the data set keep what fineprune demands of its own."""

from fineprune.testing import check_attack, check_data, check_strategy
from my_defence.attack import MyAttack
from my_defence.data import my_data
from my_defence.strategy import MyDefence


def test_the_strategy_keeps_its_contract() -> None:
    check_strategy(MyDefence)


def test_the_attack_keeps_its_contract() -> None:
    check_attack(MyAttack)


def test_the_data_set_keeps_its_contract() -> None:
    check_data(lambda: my_data("my_data", 3, 4, 4, 4, 0, 1 / 255))
