"""Imports go down only, siblings on one floor do not import each other, and files stay small."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "intercom"

#: From the ground up. A name stands for a module, or for a package with all that is in it.
FLOORS = (
    ("display",),
    ("errors",),
    ("model", "words"),
    ("arguments",),
    ("config",),
    ("format", "contract", "screen", "reconcile"),
    ("files", "folders", "boot", "alive", "resources", "tracked"),
    ("lock", "proc", "sessionfile", "swap"),
    ("git",),
    ("unsaved",),
    ("ledger", "index", "state", "watch", "tmux", "worktree"),
    ("base", "listing"),
    ("log", "unfinished"),
    ("checkpoint", "setup", "sides", "compact", "adopt"),
    ("becomes", "sources", "takeover", "redact"),
    ("heal", "segments"),
    ("rebuild",),
    ("sync", "registry", "delivery", "sessions", "worktrees"),
    ("upkeep", "glance"),
    ("bus",),
    ("hooks",),
    ("crew", "agents"),
    ("sight",),
    ("wake", "approve"),
    ("fleet",),
    ("checkup",),
    ("server",),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, floor in enumerate(FLOORS) for name in floor}
FILES = sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The top-level part of the package that a file belongs to; `__init__` for the package's own."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imported(path: Path) -> set[str]:
    """Every part of the package that a file imports, inside functions and for types too."""
    found = set()
    package = ("intercom", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names] if stem == "intercom" else [stem]
        found |= {name.split(".")[1] for name in names if name.startswith("intercom.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """A file imports only parts of lower floors, and its own part."""
    own = part(path)
    if own == "__init__":
        return  # the public names; it imports lazily, for users only
    assert own in LEVEL, f"{own} stands on no floor: give it one in FLOORS"
    for other in imported(path) - {own}:
        assert other in LEVEL, f"{path.name} imports intercom.{other}, which stands on no floor"
        assert LEVEL[other] < LEVEL[own], f"{path.name} ({own}) must not import intercom.{other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """At most 400 lines a file and 50 a function, and every module says what it owns."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree), f"{path.name} does not say what it owns"
    assert len(source.splitlines()) <= 400, f"{path.name} is too long"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, f"{path.name}: {node.name} is too long"


def test_median_module() -> None:
    """The median module has at most 120 lines."""
    assert statistics.median(len(path.read_text(encoding="utf-8").splitlines()) for path in FILES) <= 120
