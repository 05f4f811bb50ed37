"""Every file of PyTorch's that attacks is refused in one line, and nothing that its pickle asks for is run."""

import pickle
import time
from pathlib import Path

import pytest
from pytorch.hostile import MARKER, PICKLES, PROGRAMS

from fineprune.errors import ModelError
from fineprune.untrusted.network_files import opened


@pytest.mark.parametrize("name", PICKLES)
def test_is_refused_in_one_line_and_runs_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, said = PICKLES[name]
    make(tmp_path / "FILE")
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    with pytest.raises(ModelError) as error:
        opened(tmp_path / "FILE", "weights")
    message = str(error.value).replace(str(tmp_path / "FILE"), "FILE")
    assert message.startswith(said or "expected FILE to be readable ")
    assert "\n" not in message and len(message) < 700
    assert time.monotonic() - start < 60
    assert not (tmp_path / MARKER).exists()


def test_the_attack_works_where_a_pickle_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(PROGRAMS["system_by_reduce"][0])  # noqa: S301  our own
    assert (tmp_path / MARKER).exists()
