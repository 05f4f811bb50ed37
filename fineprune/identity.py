"""What makes two results the same: the code that decides them, and which settings do."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from importlib.util import find_spec, resolve_name

# Of fineprune, what decides results, not how settings are read, files are opened or results are reported.
DECIDING = (
    "aftermath",
    "attacks",
    "badnets",
    "data",
    "evaluation",
    "goodnet",
    "network",
    "strategies",
    "strategy",
    "sweeping",
    "training",
)
PLACES = ("badnet.cache", "data.cache", "data.root", "grid", "tracking")
OUTPUT = ("quiet",)

Source = Callable[[str], str | None]


def decides(setting: str) -> bool:
    """Whether `setting`, as `strategy.chunk`, can change a result.

    Those that say where files are, or what is printed, cannot.
    """
    return not any(f"{setting}.".startswith(f"{place}.") for place in PLACES + OUTPUT)


@cache
def installed(module: str) -> str | None:
    """The source of `module`; None where it has none, or there is no such module."""
    try:
        spec = find_spec(module)
        return spec.loader.get_source(module) if spec and spec.loader else None  # type: ignore[attr-defined]
    except (ImportError, AttributeError, ValueError):  # no package, a loader without sources, a module without a spec
        return None


def code(*roots: str, within: Collection[str] = DECIDING, source: Source = installed) -> str:
    """A hash of the modules `roots` and of what they import, at any depth; comments and docstrings do not count.

    Imports are followed within the packages of `roots` and, of fineprune, within the parts that `within` names.
    """
    own = {root.split(".")[0] for root in roots} - {"fineprune"}
    bare: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        first, _, rest = module.partition(".")
        follows = first in own or (first == "fineprune" and rest.split(".")[0] in within)
        if follows and _named(module) not in bare and (read := _read(module, source)) is not None:
            bare[_named(module)], imported = read
            waiting += imported
    return hashlib.sha256(repr(sorted(bare.items())).encode()).hexdigest()[:16]


def _named(module: str) -> str:
    """`module`, of strategies as they are called in the checkout, where they can be imported by either name."""
    return module.removeprefix("fineprune.") if module.startswith("fineprune.strategies.") else module


def code_of(parts: Iterable[object], within: Collection[str] = DECIDING) -> str:
    """The hash of the code that the classes of `parts` consist of; see `code`."""
    return code(*{type(part).__module__ for part in parts}, within=within)


@cache
def _read(module: str, source: Source) -> tuple[str, list[str]] | None:
    """The code of `module` without comments and docstrings, and the modules that it imports; None without a source."""
    if (text := source(module)) is None:
        return None
    tree = ast.parse(text)
    imported = list(_imported(tree, module, source))
    return _without_docstrings(tree), imported


def _imported(tree: ast.Module, module: str, source: Source) -> Iterator[str]:
    """The modules that `tree` imports anywhere, for type checkers too: an annotation names whose methods are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for base in _bases(node, module):
                parts = [f"{base}.{alias.name}" for alias in node.names]
                yield from (part if source(part) is not None else base for part in parts)


def _bases(node: ast.ImportFrom, module: str) -> Iterator[str]:
    """What `node` imports from; where that is relative, what it means in a module and in a package: one is there."""
    if not node.level:
        yield str(node.module)
        return
    for package in (module, module.rpartition(".")[0]):
        try:
            yield resolve_name("." * node.level + (node.module or ""), package)
        except ImportError:  # beyond the top
            continue


def _without_docstrings(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
