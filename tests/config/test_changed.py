"""Which settings of a method are not its defaults, as a run says in its tags."""

import pytest
from hydra.core.hydra_config import HydraConfig
from settings import CHOICES, compose

from fineprune.config.setup import _changed

pytestmark = pytest.mark.slow


def changed(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> list[str]:
    hydra = compose(*overrides, hydra_too=True).hydra
    monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: hydra))
    return list(_changed(compose(*overrides)))


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice.startswith(("strategy=", "finetune="))])
def test_nothing_is_changed_where_nothing_is_set(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert changed(monkeypatch, choice, "seed=3") == []


def test_what_is_set_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["strategy=anp", "strategy.epsilon=0.8", "strategy.alpha=0.20", "finetune=clean", "finetune.epochs=5"]
    assert changed(monkeypatch, *settings) == ["strategy.epsilon", "finetune.epochs"]
