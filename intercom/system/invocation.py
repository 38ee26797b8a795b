"""Owns the command lines that start this same Intercom again, for another program or for a person in a shell."""

from __future__ import annotations

import os
import sys

from intercom.system import host
from intercom.system.resources import SOURCE


def own_command() -> list[str]:
    """For immediate use by a program: this interpreter by path, so that it works from any folder."""
    source = os.path.realpath(SOURCE)
    if os.path.basename(source) in ("site-packages", "dist-packages"):
        return [sys.executable, "-P", "-m", "intercom"]
    code = f"import sys; sys.path.insert(0, {source!r}); from intercom.cli import main; sys.exit(main())"
    return [sys.executable, "-P", "-c", code]


def lasting_command() -> list[str]:
    """For a file that is read later: by name only if the name is found without this shell's environment.

    The cache of a runner such as uvx or `pipx run` may be gone by then, so the runner itself is called again.
    """
    import shutil

    found, script = shutil.which("intercom"), os.path.abspath(sys.argv[0])
    inside = sys.prefix != sys.base_prefix and found is not None and os.path.dirname(found).startswith(sys.prefix)
    if found and not inside:
        return host.named("intercom")
    path = found or (script if os.path.basename(script) == "intercom" and os.access(script, os.X_OK) else "")
    parts = os.path.realpath(path or sys.executable).split(os.sep) + sys.prefix.split(os.sep)
    if "uv" in parts and any(part.startswith(("archive-v", "environments-v")) for part in parts):
        return ["uvx", "--from", "intercom-md", "intercom"]
    if "pipx" in parts and {".cache", "cache", "Cache"} & set(parts):
        return ["pipx", "run", "--spec", "intercom-md", "intercom"]
    return [path] if path else own_command()


def shell_command() -> list[str]:
    """For a person to type: by name if a shell finds it, else by path."""
    import shutil

    if shutil.which("intercom"):
        return ["intercom"]
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "intercom" and os.access(script, os.X_OK):
        return [script]
    return [sys.executable, "-m", "intercom"]
