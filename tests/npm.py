"""Owns installing what tests and demos drive from npm: it says what comes, once, and what to do where it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def install(package: str, place: Path) -> None:
    """Install this package, with its version, into a folder. SystemExit, in words, where npm cannot."""
    print(f"Installing {package} into {place} (npm, once) ...", flush=True)
    line = ["npm", "install", "--no-audit", "--no-fund", "--save-exact", "--loglevel", "error", "--prefix", str(place)]
    try:
        status = subprocess.run([*line, package], check=False).returncode
    except FileNotFoundError:
        status = 127
    if status:
        why = "there is no npm here" if status == 127 else "npm could not, see above; is the network there?"
        sys.exit(f"{package} was not installed: {why}")
