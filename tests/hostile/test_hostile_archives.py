"""Every archive that attacks is refused in one line, in little time, and leaves nothing beside it."""

import time
from pathlib import Path

import pytest
from archives.hostile import ARCHIVES

from fineprune.errors import ModelError
from fineprune.untrusted.network_files import load_model


@pytest.mark.parametrize("name", ARCHIVES)
def test_is_refused_in_one_line_and_leaves_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, said = ARCHIVES[name]
    folder = tmp_path / "inside"
    folder.mkdir()
    make(folder / "FILE")
    monkeypatch.chdir(folder)
    start = time.monotonic()
    with pytest.raises(ModelError) as error:
        load_model(folder / "FILE")
    message = str(error.value).replace(str(folder / "FILE"), "FILE")
    assert message.startswith(said)
    assert "\n" not in message and len(message) < 700
    assert time.monotonic() - start < 60
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "FILE"]
    assert not Path("/tmp/MARKER").exists()  # noqa: S108
