"""Owns how this very Intercom is called again: by another program, or by a person in a shell."""

from __future__ import annotations

import os
import sys

from intercom.system.resources import SOURCE


def own_command() -> list[str]:
    """For a program: from anywhere, with this interpreter, whatever lies in the folder that it is called in."""
    source = os.path.realpath(SOURCE)
    if os.path.basename(source) in ("site-packages", "dist-packages"):
        return [sys.executable, "-P", "-m", "intercom"]
    code = f"import sys; sys.path.insert(0, {source!r}); from intercom.cli import main; sys.exit(main())"
    return [sys.executable, "-P", "-c", code]


def shell_command() -> list[str]:
    """For a person: by name where a shell finds it, else by path."""
    import shutil

    if shutil.which("intercom"):
        return ["intercom"]
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "intercom" and os.access(script, os.X_OK):
        return [script]
    return [sys.executable, "-m", "intercom"]
