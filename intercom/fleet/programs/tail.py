"""Owns reading a growing transcript: files to which a program appends lines meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from intercom.system.files import opened

_PIECE = 8 << 20  #: bytes per read
_LINE = 64 << 20  #: bytes; longer lines are skipped


class Tail:
    """Remembers how far each file was read."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[int, int]] = {}  # by file: its inode, and the offset read to

    def more(self, path: Path, take: Callable[[bytes], None]) -> bool:
        """Pass on each complete new line (all lines if the file was replaced); returns whether the file exists."""
        try:
            with opened(path) as file:
                found = os.fstat(file.fileno())
                known, at = self._read.get(path, (found.st_ino, 0))
                at = at if known == found.st_ino and at <= found.st_size else 0
                file.seek(at)
                rest = b""
                while piece := file.read(_PIECE):
                    whole, _, rest = (rest + piece).rpartition(b"\n")
                    at += len(whole) + bool(whole)
                    for line in whole.split(b"\n"):
                        take(line)
                    if len(rest) > _LINE:
                        break
                self._read[path] = found.st_ino, at
        except OSError:
            return False
        return True


def count(where: object, name: str, most: int = 10**12) -> int:
    """A token count from a transcript; 0 if it is not one."""
    found = where.get(name) if isinstance(where, dict) else None
    return found if type(found) is int and 0 <= found <= most else 0
