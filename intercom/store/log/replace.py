"""Owns replacing a file that other programs write to, without losing what they still write into the old one.

A program that has the old file open continues to write into it, although it no longer has a name. So the old file
keeps a name in `.intercom/replaced` while somebody may write to it. What was written by the time we are done is
carried over at once; later writes at the next look: an addition is added, and from a rewritten text the messages
that nobody knows. The file's name there records how much of it was carried over, and whether somebody began to carry
over more, so a process that dies midway leaves a record of how far it got. Once nobody has it open for writing, it
is removed. On systems that do not tell who has a file open, only the first moment counts.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from intercom.core.digests import blake2b
from intercom.core.errors import StorageError
from intercom.format import MESSAGE, digest, parse
from intercom.store.log.in_place import write_in_place
from intercom.system import host
from intercom.system.files import (
    append,
    being_written,
    holds,
    joined,
    make_folder,
    open_regular,
    put,
    read_from,
    whole,
    write_all,
    write_pieces,
)

_LINGER = 0.25  #: seconds to wait for programs to finish with a replaced file
_STEP = 0.001
_PRIVATE, REPLACED = ".intercom", "replaced"


class Replaced(NamedTuple):
    """A replaced file that somebody may still write to, from its name: `TURN [SIZE DIGEST [END]]`."""

    path: Path
    size: int = -1  #: bytes that need not be carried over any more; -1 if that is not known
    digest: str = ""  #: digest of those bytes
    end: int | None = -1  #: length of the log when somebody began to add later writes; None: nobody did

    def holds(self, data: bytes) -> bool:
        """Whether `data` begins with what was carried over."""
        return len(data) >= self.size >= 0 and _digest(data[: self.size]) == self.digest

    def named(self, data: bytes, end: int | None = None) -> Path:
        """Its name once `data` has been carried over."""
        turn = self.path.name.partition(" ")[0]
        return self.path.with_name(f"{turn} {len(data)} {_digest(data)}{'' if end is None else f' {end}'}")


def swap(path: Path, before: bytes, after: bytes, *, sync: bool = False) -> bool:
    """Atomically replace a file that others write to; False if it no longer was `before`.

    What an editor or a shell wrote into the old file during the replacement is carried over. It need not be synced
    if there is a base. The caller holds the writer lock, so the other writers are not our tools. A symbolic link
    stays, and its target is replaced; for hard links see `shared`. If the file is open in a way that prevents
    replacement, it is written in place. OSError.
    """
    link, path = path, Path(os.path.realpath(path))
    try:
        handle = open_regular(path)
    except FileNotFoundError:
        if before:
            return False
        handle = -1
    try:
        temporary = write_pieces(path, (after,), sync=sync)
        if handle >= 0 and not (_same(handle, path) and holds(handle, before)):
            temporary.unlink()
            return False
        kept = _keep(link, path, before, len(after)) if handle >= 0 else None
        try:
            put(temporary, path)  # not synced: if the old one comes back, it is recognised
        except PermissionError:  # an open file cannot be replaced on this system
            for name in (temporary, kept):
                with suppress(PermissionError):  # the name of an open file cannot be removed yet: a later look does it
                    if name is not None:
                        os.unlink(name)
            return write_in_place(link, path, before, after)
        if handle >= 0:
            carried = _carry_over(handle, path, before, after)
            if kept is not None:
                _let_go(Replaced(kept), carried)
    finally:
        if handle >= 0:
            os.close(handle)
    return True


def shared(log: Path) -> bool:
    """Whether the log's file has another hard link that is not ours, which replacing the log would detach.

    Writing it in place would keep them one file, but a kill midway would leave a mixture of two texts that counts as
    somebody's edit, and concurrent appends would be lost.
    """
    try:
        found = os.stat(log)
    except FileNotFoundError:
        return False
    return found.st_nlink > 1 and found.st_nlink > 1 + sum(_is(one.path, found) for one in _replaced(log))


def check_names(log: Path, outcome: str) -> None:
    """StorageError if the log's file has another hard link: a change that can wait is not worth detaching it."""
    if shared(log):
        raise StorageError(
            f"{log} has another name somewhere (a hard link), which this would leave behind; {outcome}. "
            f"Find that name (find DIR -inum {os.stat(log).st_ino}) and remove it, or make it a symbolic link."
        )


def _is(path: Path, found: os.stat_result) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), found)
    return False


def news(log: Path) -> bool:
    """Whether there may be something to `gather` for this log; a file about to be replaced is still the log itself."""
    for one in _replaced(log):
        with suppress(FileNotFoundError):
            found = one.path.stat()
            if os.path.samestat(found, log.stat()):
                continue
            if found.st_size != one.size or not being_written(one.path):
                return True
    return False


def gather(log: Path, known: Callable[[], Container[str]]) -> None:
    """Add to the log what was written into files that it replaced; `known` returns digests of known messages.

    The caller holds the writer lock. StorageError, OSError.
    """
    for one in _replaced(log):
        # Checked before reading: a program that is gone by now has written everything.
        writing = being_written(one.path)
        data = read_from(one.path)
        if data is None or not log.exists():
            continue
        ours = os.path.samestat(one.path.stat(), log.stat())  # we died before replacing it
        more = not ours and not (len(data) == one.size and one.holds(data))
        _let_go(_add(log, one, data, known) if more else one, data if writing and not ours else None)


def overwrite(kept: Path, before: bytes, after: bytes) -> None:
    """Put a text of the same length over a replaced file's, for programs that append to it. OSError."""
    one = _named(kept)
    handle = open_regular(kept, os.O_WRONLY)
    try:
        write_all(handle, after, 0)
        host.sync(handle)
    finally:
        os.close(handle)
    if one.holds(before):
        host.rename(kept, one.named(after[: one.size], one.end))


def _add(log: Path, one: Replaced, data: bytes, known: Callable[[], Container[str]]) -> Replaced:
    """Add late writes to the log; returns the file as renamed since."""
    if one.holds(data):
        late, lead = [data[one.size :]], data[max(0, one.size - _STEP_BACK) : one.size]
    else:
        marks = known()
        found = [entry for entry in parse(data) if entry.kind == MESSAGE and digest(entry) not in marks]
        found = [entry for entry in found if b"\0" not in entry.raw]  # nobody wrote what a power cut left
        late, lead = [entry.raw for entry in found], b""
    text = read_from(log) or b""
    end = len(text) if one.end is None else one.end
    news, since = _fitted(text[: max(0, end)], lead, late), text[max(0, end) :]
    if 0 <= end <= len(text) and news.startswith(since):
        news = news[len(since) :]  # whoever began it may have added nothing, part of it, or all
    else:
        news = _fitted(text, b"", [part for part in late if part.strip() not in text])
    if not news.strip():
        return one
    if one.end is None:
        begun = one.path.with_name(f"{one.path.name} {end}")
        host.rename(one.path, begun)
        one = one._replace(path=begun, end=end)
    append(log, news)
    return one


def _fitted(text: bytes, lead: bytes, late: list[bytes]) -> bytes:
    """Late text as it must be appended: directly where it was interrupted, otherwise after a blank line."""
    end = text[-_STEP_BACK:]
    return b"".join(late) if lead and end.endswith(lead) else joined([end, *late])[len(end) :]


_STEP_BACK = 256  #: bytes compared to see that nothing came in between


def _replaced(log: Path) -> list[Replaced]:
    """The replaced files of this log, oldest first."""
    folder = f"{os.path.dirname(log)}/{_PRIVATE}/{REPLACED}"
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [_named(Path(folder, name)) for name in names if _is_file(f"{folder}/{name}")]


def _is_file(path: str) -> bool:
    """Whether it can have been a log of ours: no folder, pipe or link that somebody put there."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _named(path: Path) -> Replaced:
    """Parse the name of a replaced file."""
    match path.name.split(" "):
        case [_, size, digest, *end] if size.isdigit():
            return Replaced(path, int(size), digest, int(end[0]) if end and end[0].isdigit() else None)
    return Replaced(path)


def _keep(log: Path, path: Path, before: bytes, end: int) -> Path | None:
    """Give the log's file, which holds `before`, a second name; None where that cannot be, as without a private folder.

    It says from the start what need not be carried over, and how long the new log is: we may die at any moment.
    """
    folder = log.parent / _PRIVATE / REPLACED
    kept = Replaced(folder / f"{time.time_ns()}").named(before, end)
    for _ in range(2):
        try:
            os.link(path, kept)
        except FileNotFoundError:
            with suppress(OSError):
                make_folder(folder, 0o700)
        except OSError:
            return None
        else:
            return kept
    return None


def _let_go(one: Replaced, carried: bytes | None) -> None:
    """Record how much of a replaced file was carried over; None: nobody will write to it again, so remove it."""
    if carried is not None:
        host.rename(one.path, one.named(carried))
        return
    with suppress(PermissionError):  # an open file cannot be renamed on this system: a later look does it
        host.remove(one.path)
    with suppress(OSError):
        one.path.parent.rmdir()  # every look lists the folder: faster without one


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _same(handle: int, path: Path) -> bool:
    """Whether the open file is the current one: an editor may have renamed another over it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _carry_over(handle: int, path: Path, before: bytes, after: bytes) -> bytes | None:
    """Copy what others still write into the replaced file, open as `handle`, to the file in its place.

    Returns what was carried over so far, or None if nothing more will come.
    """
    writing = _wait_for_writers(handle)
    if holds(handle, before):
        return before if writing else None
    late = whole(handle)
    if late.startswith(before):
        append(path, late[len(before) :])
    elif late and read_from(path) == after:
        # Somebody saved the whole file: treat it as saved a moment later.
        put(write_pieces(path, (late,), sync=False), path)
    elif late or writing:
        return before  # look at it again later
    return late if writing else None


def _wait_for_writers(handle: int) -> bool:
    """Wait briefly until nobody has the file open for writing; returns whether somebody still has."""
    deadline = time.monotonic() + _LINGER
    while host.has_writer(handle):
        if time.monotonic() > deadline:
            return True
        time.sleep(_STEP)
    return False
