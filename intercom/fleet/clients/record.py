"""Owns the record of what `init` added: a small file beside the bus, and one of the user's for files in the home.

It holds only our own pieces, no others' text. If it is lost, our pieces are recognised by their form.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core import document, xdg
from intercom.fleet.clients.edit.splice import Insert
from intercom.system.files import make_private_folder, replace


class Recorded(NamedTuple):
    """The record of one file."""

    after: str  #: checksum of the text as we left it
    inserts: tuple[Insert, ...]  #: our pieces in that text; empty if others wrote in between
    created: bool  #: whether we created the file
    made: tuple[str, ...] = ()  #: folders created for it, innermost first
    root: str = ""  #: the project for which a file in the home was changed
    user: bool = False  #: whether it was set up for all projects of the user


class Way(NamedTuple):
    """How what we put into the files calls Intercom."""

    entry: dict[str, Any]  #: of the server
    call: list[str]  #: in a shell


_WAYS = 20  #: so many are remembered


def sum_of(text: str) -> str:
    """A checksum of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class Record:
    """The record at one path; read at once, written by `save`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, Recorded]
        self._files, self.ways = _read(path)
        self._changed = False

    def files(self) -> list[str]:
        """The recorded files."""
        return list(self._files)

    def get(self, file: Path) -> Recorded | None:
        """The record of a file."""
        return self._files.get(str(file))

    def put(self, file: Path, kept: Recorded | None) -> None:
        """Record a file, or forget it."""
        self._changed = self._changed or self._files.get(str(file)) != kept
        if kept is None:
            self._files.pop(str(file), None)
        else:
            self._files[str(file)] = kept

    def add_way(self, way: Way) -> None:
        """Remember a way, the newest last."""
        if way not in self.ways:
            self.ways = [*self.ways, way][-_WAYS:]
            self._changed = True

    def save(self) -> None:
        """Write it if it changed; an empty one is deleted. StorageError."""
        if not self._changed:
            return
        if not self._files:
            self.path.unlink(missing_ok=True)
            return
        make_private_folder(self.path.parent)
        raw = {
            name: {**kept._asdict(), "inserts": [list(one) for one in kept.inserts]}
            for name, kept in self._files.items()
        }
        whole = {"files": raw, "ways": [way._asdict() for way in self.ways]}
        replace(self.path, json.dumps(whole, indent=1).encode())


def user_record(home: Path, environ: Mapping[str, str]) -> Path:
    """Path of the record for the user's own files."""
    folder = xdg.base(xdg.STATE, {**environ, "HOME": str(home)})
    return (folder or home / ".local" / "state") / "intercom" / "clients.json"


def _read(path: Path) -> tuple[dict[str, Recorded], list[Way]]:
    try:
        raw: Any = document.json(document.text_of(path))
        ways = [Way(dict(one["entry"]), [str(word) for word in one["call"]]) for one in raw.get("ways", ())]
        return {
            str(name): Recorded(
                str(one["after"]),
                tuple(Insert(int(at), str(piece)) for at, piece in one["inserts"]),
                bool(one["created"]),
                tuple(str(folder) for folder in one["made"] if os.path.isabs(folder)),
                str(one["root"]),
                bool(one["user"]),
            )
            for name, one in raw["files"].items()
        }, ways
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, []
