"""Owns reading a transcript as it grows: files of lines that a program adds to while we look."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from intercom.system.files import opened

_PIECE = 8 << 20  #: bytes that are read at once
_LINE = 64 << 20  #: a line that is longer is given up


class Tail:
    """Remembers how far each file was read."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[int, int]] = {}  # the file's inode, and how far it was read

    def more(self, path: Path, take: Callable[[bytes], None]) -> bool:
        """Hand over each whole line that was added since, all where the file is another; whether it is there."""
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
    """A count of tokens as a transcript has it; 0 for what is none."""
    found = where.get(name) if isinstance(where, dict) else None
    return found if type(found) is int and 0 <= found <= most else 0
