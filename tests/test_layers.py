"""The architecture: which package may import which, and nothing goes round."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From what everything may know to what knows everything.
LAYERS = """
    errors plugins checks files progress identity names untrusted data network strategy goodnet attacks training
    aftermath evaluation testing badnets sweeping report tracking comparison launchers config search
""".split()
MOST_MODULES, MOST_FILES = 10, 13


def imports() -> dict[str, set[str]]:
    """What each module of fineprune takes from which others, functions' own imports included."""
    modules = {_name(path): path for path in (ROOT / "fineprune").rglob("*.py")}
    taken: dict[str, set[str]] = {}
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fineprune"):
                parts = {f"{node.module}.{alias.name}" for alias in node.names}
                taken.setdefault(module, set()).update(part if part in modules else node.module for part in parts)
    return taken


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as reason:
        pytest.fail(f"a circle of imports: {' → '.join(reason.args[1])}")


def test_each_package_knows_only_those_below_it() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if module != "fineprune" and other.count(".") and _layer(other) > _layer(module)
    ]
    assert not wrong


def _layer(module: str) -> int:
    return LAYERS.index(module.split(".")[1])


def test_every_package_and_module_has_its_layer() -> None:
    names = {path.stem for path in (ROOT / "fineprune").iterdir() if path.stem not in ("__init__", "__pycache__")}
    assert names == set(LAYERS)


@pytest.mark.parametrize("folder", ["fineprune", "strategies", "runners", "tests"])
def test_a_listing_fits_one_look(folder: str) -> None:
    for path in (ROOT / folder, *(part for part in (ROOT / folder).rglob("*") if part.is_dir())):
        most = MOST_MODULES if path == ROOT / "fineprune" else MOST_FILES
        assert len(list(path.glob("*.py"))) <= most, path


def test_mlflow_is_known_to_tracking_alone() -> None:
    for path in (ROOT / "fineprune").rglob("*.py"):
        names = [
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        ]
        if any((name or "").split(".")[0] == "mlflow" for name in names):
            assert path.parent.name == "tracking", path
