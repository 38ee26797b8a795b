"""Owns the pinned prettier that the tests let loose on a log: installed by npm into `.venv`, which git ignores.

`make test` sees to it by `python -m tests.prettier install`. It need not be on PATH, and one that is there is not used.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests import npm

VERSION = "3.6.2"
HOME = Path(__file__).parents[1] / ".venv" / "prettier"
_PACKAGE = HOME / "node_modules" / "prettier"
ADVICE = "install it with: python -m tests.prettier install"


def binary() -> Path:
    """The pinned prettier. RuntimeError, which says how to install it, where it is missing or another version."""
    try:
        found = json.loads((_PACKAGE / "package.json").read_bytes())["version"]
    except (OSError, ValueError, KeyError):
        raise RuntimeError(f"prettier is needed and is not in {HOME}; {ADVICE}") from None
    if found != VERSION:
        raise RuntimeError(f"the prettier in {HOME} is {found}, not {VERSION}; {ADVICE}")
    return HOME / "node_modules" / ".bin" / "prettier"


def install() -> None:
    """Install it, unless it is there."""
    try:
        binary()
    except RuntimeError:
        HOME.mkdir(parents=True, exist_ok=True)
        npm.install(f"prettier@{VERSION}", HOME)
        binary()


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit("usage: python -m tests.prettier install")
    install()
