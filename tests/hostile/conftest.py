"""What commands that are to be disturbed find beforehand."""

from pathlib import Path

import pytest
import victims
from commands import once


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network, a BadNet, an empty store and a finished sweep. Copy what you need."""
    victims.warm()
    return once(tmp_path_factory, "given", victims.give)
