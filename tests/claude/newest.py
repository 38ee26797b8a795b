"""Owns `make claude-newest`: which of what Intercom knows about Claude Code still holds on the newest version.

    python -m tests.claude.newest [VERSION]

Installs that version (default: the newest that npm gives), drives its doors, dialogs, hooks and wakes, and prints a
table. Where all holds, `NEWEST` in `intercom/fleet/programs/claude/versions.py` may name it, with screens of it
from `tests.claude.capture`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.claude.lab import ROOT, install

PARTS = {
    "doors": ("test_dialogs_claude.py", "test_doors"),
    "dialogs": ("test_dialogs_claude.py", "not test_doors"),
    "hooks": ("test_hooks_claude.py", ""),
    "wakes": ("test_wake_claude.py", ""),
    "workers": ("test_fleet_claude.py", ""),
}


def newest() -> str:
    """The newest version that npm gives."""
    line = ["npm", "view", "@anthropic-ai/claude-code", "version"]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def run(version: str, part: str) -> list[tuple[str, str]]:
    """(what was tried, "" or what went wrong) for each test of a part."""
    file, chosen = PARTS[part]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        line = [sys.executable, "-m", "pytest", "-q", f"tests/claude/{file}", f"--junitxml={report}"]
        line += ["-k", chosen] if chosen else []
        done = subprocess.run(
            line, cwd=ROOT, env={**os.environ, "INTERCOM_CLAUDE": version}, capture_output=True, text=True, check=False
        )
        if not report.exists():
            return [(part, (done.stdout + done.stderr).strip().splitlines()[-1])]
        found = []
        for case in ET.parse(report).iter("testcase"):  # our own
            wrong = next((one for kind in ("failure", "error") for one in case.iter(kind)), None)
            words = str(wrong.get("message") or "it failed").strip() if wrong is not None else ""
            said = next((line for line in words.splitlines() if line.strip()), "")
            found.append((str(case.get("name")).removeprefix("test_").replace("_", " "), said))
        return found


def main() -> int:
    """Install it, try it, print what holds; 1 where anything does not."""
    version = sys.argv[1] if sys.argv[1:] else newest()
    install(version)
    print(f"Claude Code {version}\n")
    broken = 0
    for part in PARTS:
        found = run(version, part)
        bad = [one for one in found if one[1]]
        broken += len(bad)
        print(f"{part:8}  {len(found) - len(bad)} of {len(found)} hold", flush=True)
        for name, said in bad:
            print(f"          FAILS  {name}: {said[:160]}", flush=True)
    print(f"\n{'All of it holds.' if not broken else f'{broken} of it does not hold: see above.'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
