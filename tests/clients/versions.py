"""Owns the clients that tests drive: which versions, from npm, and where they are installed.

`python -m tests.clients.versions [NAME … | driven]` installs those named, those that tests drive, or all, into
`.venv/clients`, which git ignores. `INTERCOM_CLIENTS` names those that tests drive; `turn`: one more than usual,
another each day.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests import npm


class Package(NamedTuple):
    """A client's package."""

    package: str
    version: str
    program: str


VERSIONS = {
    "codex": Package("@openai/codex", "0.171.0", "codex"),
    "opencode": Package("opencode-ai", "1.18.33", "opencode"),
    "kilo": Package("@kilocode/cli", "7.7.7", "kilo"),  # 7.8.1 has no package for Linux
    "gemini": Package("@google/gemini-cli", "0.61.0", "gemini"),
    "qwen": Package("@qwen-code/qwen-code", "0.24.4", "qwen"),
    "cline": Package("cline", "3.0.65", "cline"),
    "continue": Package("@continuedev/cli", "1.5.47", "cn"),
}
FEW = ("codex", "opencode")  #: those that `make test` drives: programs that need no newer node
NODE = 20  #: what those want that are written for it


def driven() -> tuple[str, ...]:
    """Those that tests drive: by name, one more than a few, all of them in a soak, else a few."""
    chosen = tuple(os.environ.get("INTERCOM_CLIENTS", "").split())
    if chosen == ("turn",):
        said = subprocess.run(
            ["node", "-p", "parseInt(process.versions.node)"], capture_output=True, check=False
        ).stdout
        others = [
            name for name in VERSIONS if name not in (*FEW, "kilo") and (name == "cline" or int(said or 0) >= NODE)
        ]
        return (*FEW, others[int(time.time() / 86_400) % len(others)])
    return chosen or (tuple(VERSIONS) if os.environ.get("INTERCOM_SOAK") else FEW)


DRIVEN = driven()
HOME = Path(os.environ.get("INTERCOM_CLIENTS_HOME") or Path(__file__).parents[2] / ".venv" / "clients")


def folder(name: str) -> Path:
    """Where the programs of a client are. RuntimeError, which says how to install it, where it is missing."""
    wanted = VERSIONS[name]
    modules = HOME / name / "node_modules"
    try:
        found = json.loads((modules / wanted.package / "package.json").read_bytes())["version"]
    except (OSError, ValueError, KeyError):
        found = None
    if found != wanted.version or not (modules / ".bin" / wanted.program).exists():
        advice = f"install it with: python -m tests.clients.versions {name}"
        raise RuntimeError(f"{name} {wanted.version} is needed; {advice}")
    return modules / ".bin"


def install(name: str) -> None:
    """Install it, unless it is there."""
    try:
        folder(name)
    except RuntimeError:
        wanted, place = VERSIONS[name], HOME / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        npm.install(f"{wanted.package}@{wanted.version}", place)
        folder(name)


if __name__ == "__main__":
    for asked in sys.argv[1:] or VERSIONS:
        for each in DRIVEN if asked == "driven" else [asked]:
            install(each)
