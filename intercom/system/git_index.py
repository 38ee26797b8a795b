"""Owns one question: does git track a log? Real logs have been pushed to shared repositories by accident.

Every command asks, so the answer must be cheap: the index is mapped and searched for `INTERCOM-`, and its entries
are parsed only if that occurs (gitformat-index(5), versions 2 to 4). Git itself is started only for an index that
shares its entries with another file (`core.splitIndex`).
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from intercom.core.errors import IntercomError
from intercom.core.patterns import lazy
from intercom.core.root import git_dir
from intercom.system.files import opened

_LOG = lazy(rb"\.claude/local/(?:archive/)?INTERCOM-[^/]*\.md\Z", re.IGNORECASE)
_CONFIG = 1024 * 1024  # bytes of git's settings
_HINT = b"INTERCOM-"
_STAT = 40  #: bytes of an index entry before its object id
_EXTENDED = 0x4000
_SHARED = "sharedindex."
_UNREADABLE = OSError, ValueError, IndexError, struct.error, IntercomError


def tracked(root: Path) -> list[str]:
    """Logs of the bus at `root` that git tracks, as paths relative to the repository. Never raises."""
    for folder in (root, *root.parents):
        git = folder / ".git"
        if git.exists():
            break
    else:
        return []
    inside = os.path.relpath(root, folder)
    prefix = b"" if inside == "." else _as_git(inside) + b"/"
    try:
        return [
            os.fsdecode(path) for path in _entries(folder) if path.startswith(prefix) and _LOG.match(path, len(prefix))
        ]
    except _UNREADABLE:
        return []  # no index yet, or a format that we do not know


def tracked_in(folder: Path) -> set[str]:
    """What git tracks below a folder, links followed, relative to that folder. Never raises.

    The folder may itself be a repository, brought as a submodule.
    """
    real = Path(os.path.realpath(folder))
    for above in (real, *real.parents):
        git = above / ".git"
        if git.exists():
            inside = os.path.relpath(real, above)
            prefix = b"" if inside == "." else _as_git(inside) + b"/"
            hint = prefix and os.fsencode(real.name) + b"/"
            flags = re.IGNORECASE if _any_case(real) else re.NOFLAG
            below = re.compile(re.escape(prefix), flags)
            try:
                return {os.fsdecode(path[len(prefix) :]) for path in _entries(above, hint, flags) if below.match(path)}
            except _UNREADABLE:
                break  # no index yet, or a format that we do not know
    return set()


def _any_case(folder: Path) -> bool:
    """Whether the folder is found under a name in other letters, too: git may have created it under such a name."""
    try:
        return os.path.samefile(folder, folder.with_name(folder.name.swapcase()))
    except OSError:
        return False


def _as_git(path: str) -> bytes:
    """A relative path in git's form, on every system."""
    return os.fsencode(path.replace(os.sep, "/"))


def _entries(root: Path, hint: bytes = _HINT, flags: re.RegexFlag = re.NOFLAG) -> Iterator[bytes]:
    """All paths that the repository at `root` tracks if any could contain `hint`; version 4 stores paths compressed."""
    own = git_dir(root)
    if any(name.startswith(_SHARED) for name in os.listdir(own)):
        from intercom.system.git import git

        yield from (os.fsencode(path) for path in git(root, "ls-files", "-z").out.split("\0") if path)
        return
    with opened(own / "index") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as index:
        found = re.search(re.escape(hint), index, flags) if flags else index.find(hint) >= 0
        if found or index[4:8] == b"\0\0\0\4":
            yield from _paths(index, _id_size(own))


def _id_size(own: Path) -> int:
    """Size of an object id in bytes: 20 for SHA-1, 32 for SHA-256."""
    try:
        with opened(own / "config") as file:
            return 32 if b"sha256" in file.read(_CONFIG).lower() else 20
    except OSError:
        return 20


def _paths(index: mmap.mmap, id_size: int) -> Iterator[bytes]:
    """Walk the entries: a fixed part, flags, the path, NUL padding to a multiple of eight (none in version 4)."""
    signature, version, count = struct.unpack_from(">4sII", index, 0)
    if signature != b"DIRC" or not 2 <= version <= 4:
        return
    at, path = 12, b""
    for _ in range(count):
        start, at = at, at + _STAT + id_size + 2
        if version > 2 and struct.unpack_from(">H", index, at - 2)[0] & _EXTENDED:
            at += 2
        if version == 4:
            strip, at = _varint(index, at)
            path = path[: len(path) - strip]
        else:
            path = b""
        end = index.find(b"\0", at)
        path += index[at:end]
        at = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8
        yield path


def _varint(index: mmap.mmap, at: int) -> tuple[int, int]:
    """Decode git's offset encoding at `at`: the value, and the index behind it."""
    byte = index[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = index[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1
