"""One place for what operating systems differ in: both files offer the same, and nothing else needs one of them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "intercom"
SYSTEM = PACKAGE / "system"
#: What only one of the systems has.
ONE_SIDED = {
    *("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"),
    *("_winapi", "_winreg", "msvcrt", "winreg", "winsound"),
}
POSIX = ("posix.py", "posix_bell.py", "posix_processes.py", "posix_terminal.py")
WINDOWS = ("windows.py", "windows_lines.py", "win32.py")
OWNERS = {*POSIX, *WINDOWS, "macos.py"}
FILES = [path for path in PACKAGE.rglob("*.py") if path.name not in OWNERS or path.parent != SYSTEM]


def _offered(*names: str) -> dict[str, str]:
    """What these files have: functions with their arguments, and constants."""
    found = {}
    for node in (one for name in names for one in ast.parse((SYSTEM / name).read_bytes()).body):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = ast.unparse(node.args)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = ""
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ""
    return found


def test_both_offer_the_same() -> None:
    """The same names, each with the same arguments."""
    from intercom.system import host

    posix, windows = _offered(*POSIX), _offered(*WINDOWS)
    assert {name: posix[name] for name in host.__all__} == {name: windows[name] for name in host.__all__}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_else_needs_one_of_them(path: Path) -> None:
    """No module of one system's own is imported, and nobody asks which system it is: `host` answers that."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            assert not ONE_SIDED & {alias.name for alias in node.names}, f"line {node.lineno}"
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in ONE_SIDED, f"line {node.lineno}"
        elif isinstance(node, ast.Attribute) and path != SYSTEM / "host.py":
            asks = ast.unparse(node) in {"sys.platform", "os.name", "platform.system"}
            assert not asks, f"line {node.lineno} asks which system it is"


def test_this_system_has_its_own() -> None:
    """What `host` gives here is what the file for this system has."""
    from intercom.system import host

    own = "intercom.system.win32" if sys.platform == "win32" else "intercom.system.posix_processes"
    assert host.started.__module__ == own
