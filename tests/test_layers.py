"""Imports go down only, rooms on one floor stay apart, nothing goes in a circle, and files stay small."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "intercom"

#: From the ground up: the rooms of a floor, and what they are for.
FLOORS = (
    (("core",), "What everything else is said in: errors, messages, contracts, settings, fixed words."),
    (("system", "format"), "What operating systems differ in; and the grammar of the log: bytes in, entries out."),
    (("store",), "What a bus keeps on disk, one resource a package: log, index, state, sources of the index."),
    (("repair",), "What people and programs did to the log: pure rules, and taking it in."),
    (("bus",), "The API: send, read, wait, search, receipts, names, status; what every edge calls."),
    (("fleet",), "Agents at work: their programs and sessions, the clients they sit in, waking, workers, worktrees."),
    (("server", "hooks", "doctor"), "Edges: MCP tools for agents, hooks of their programs, a check-up for people."),
    (("cli",), "The command line, by which people and scripts reach the bus, and which starts the other edges."),
)
LEVEL = {room: level for level, (rooms, _) in enumerate(FLOORS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))
#: Doors behind which it gets heavy: their `__init__` may import.
OPEN = {"format", "store.index", "repair.rules", "fleet.workers", "server", "hooks", "doctor", "cli"}


def module(path: Path) -> str:
    """The name of a file's module, without `intercom.`; "" for the package's own `__init__`."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """Every module of ours that a file imports, inside functions and for types too."""
    found = set()
    package = ("intercom", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] == "intercom":
                found.add(_module_in(name.partition(".")[2]))
    return found - {module(path)}


def _module_in(name: str) -> str:
    """The module that a dotted name begins with: `core.errors` for `core.errors.Refused`."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def room(name: str) -> str:
    """The room that a module is in."""
    return name.partition(".")[0]


def test_the_house() -> None:
    """At most twelve rooms on eight floors, and no module outside of them but the package's own two."""
    assert len(FLOORS) <= 8
    assert len(LEVEL) <= 12
    assert {room(name) for name in MODULES} == {*LEVEL, "", "__main__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """A file imports only from rooms of lower floors, and from its own."""
    name = module(path)
    if room(name) not in LEVEL:
        return  # the public names, imported lazily, and `python -m intercom`
    for other in imported(path):
        if room(other) != room(name):
            assert other, f"{name} must not import the package itself"
            assert LEVEL[room(other)] < LEVEL[room(name)], f"{name} must not import {other}"


def in_circles(below: dict[str, set[str]]) -> set[str]:
    """What is left once all that needs nothing of the rest is taken off, again and again."""
    while free := {name for name, needs in below.items() if not needs & set(below)}:
        below = {name: needs for name, needs in below.items() if name not in free}
    return set(below)


def test_no_circles() -> None:
    """No module needs itself, however far round; nor does a folder, by way of what stands beside it."""
    needs = {name: imported(path) for name, path in MODULES.items()}
    assert not in_circles(needs)
    for folder in (module(path) for path in FILES if path.name == "__init__.py"):
        inside = f"{folder}." if folder else ""

        def child(name: str, inside: str = inside) -> str:
            return name.removeprefix(inside).partition(".")[0] if name.startswith(inside) and name != "" else ""

        below: dict[str, set[str]] = {}
        for name, others in needs.items():
            if child(name):
                below.setdefault(child(name), set()).update({child(other) for other in others} - {"", child(name)})
        assert not in_circles(below), folder


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=module)
def test_doors_are_light(path: Path) -> None:
    """A package's `__init__` imports nothing: whoever needs one module of it does not pay for the others."""
    if module(path) in OPEN:
        return
    tree = ast.parse(path.read_bytes())
    inside = {inner for node in tree.body if isinstance(node, ast.FunctionDef | ast.If) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in inside:
            assert isinstance(node, ast.ImportFrom)
            assert node.module in {"__future__", "typing"}, f"{module(path)} imports {node.module}"


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
