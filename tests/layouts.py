"""Owns the folders that the version with a journal left behind: what they held, and how one is put in place.

Each folder in `cases/layouts` is a `.claude/local` as that version left it (`local`); `facts.json` says what it held.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from intercom.system import host

LAYOUTS = Path(__file__).parent / "cases" / "layouts"

FACTS: dict[str, dict[str, Any]] = {
    path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(LAYOUTS.glob("*/facts.json"))
}


def having(key: str) -> list[str]:
    """The layouts whose facts have something under this key."""
    return [name for name, facts in FACTS.items() if facts[key]]


def put(layout: str, root: Path, *, moved: bool = False) -> Path:
    """A project with this layout, made here; not `moved`, what it noted of inodes and links still holds."""
    folder = root / ".claude" / "local"
    shutil.copytree(LAYOUTS / layout / "local", folder)
    with closing(sqlite3.connect(folder / ".intercom" / "state.db", isolation_level=None)) as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES ('machine-id', ?)", (host.machine_id(),))
    if not moved:
        private = folder / ".intercom"
        renumber(private, agreed(private).partition(" ")[0])
        for kept in private.glob("replaced/*"):  # a second name of the page that was about to be replaced
            kept.unlink()
            os.link(folder / "INTERCOM-box.md", kept)
    return root


def agreed(private: Path) -> str:
    """What that version noted of its journal: the inode, and how much of it the page holds; "" if nothing."""
    with closing(sqlite3.connect(private / "state.db")) as db:
        found = db.execute("SELECT value FROM meta WHERE key = 'agreed'").fetchone()
    return found[0] if found else ""


def renumber(private: Path, inode: str) -> None:
    """Where that version noted this inode of its journal, have it be that of the journal that is there now."""
    now = str(os.stat(private / "journal.md").st_ino)
    noted, _, rest = agreed(private).partition(" ")
    if noted == inode:
        with closing(sqlite3.connect(private / "state.db", isolation_level=None)) as db:
            db.execute("UPDATE meta SET value = ? WHERE key = 'agreed'", (f"{now} {rest}",))
    note = private / "journal.next"
    if note.exists() and note.read_bytes().split(b" ", 1)[0] == inode.encode():
        times = note.stat().st_mtime
        note.write_bytes(now.encode().ljust(20) + note.read_bytes()[20:])
        os.utime(note, (times, times))
