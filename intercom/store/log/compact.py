"""Owns compaction: the oldest messages leave the page. Everything stands in the ledger already.

Under the writer lock, on a page that agrees with the ledger: a record says what stays, and is synced; then the page is
replaced by itself without the others (front matter, preamble, loose text and copies stay), with the marker line in
their place; then the base is written. Killed after the record, the old page is known and trimmed by the next command.
"""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

from intercom.core.message import local_stamp
from intercom.format.record import PAGE, control, idents
from intercom.store.log.base import Base
from intercom.store.log.log import Log
from intercom.store.log.replace import check_names, swap
from intercom.store.log.unfinished import Read, trimmed
from intercom.system.files import begins, opened, storage

_ADDED = re.compile(rb"\s*#{1,3} *\[")  #: begins what somebody appended, unless it goes on with the last message
_TRIES = 5
_COUNT = re.compile(rb"^### COMPACTED: (\d{1,18}) ", re.MULTILINE)


class Compaction(NamedTuple):
    """What a compaction did. `segment` is relative to `.claude/local`, None if nothing was to do."""

    archived: int
    kept: int
    segment: str | None


def compact(log: Log, keep: int) -> Compaction | None:
    """Take all but the newest `keep` messages off the page; the caller holds the lock.

    None if the page is not as the ledger has it: sync, and try again. StorageError says what could not be written;
    whatever happens, every message is in the ledger.
    """
    base = log.base.read(log.ledger.id)
    if base is None:
        return None
    tail = log.ledger.tail(base.head.at)
    page = _agreed(log, base, tail)
    if page is None:
        return None
    arrived, read = [*base.arrived, *idents(tail)], Read(base.roster, base.marks)
    del base  # its copy of the page may be long
    kept = arrived[max(0, len(arrived) - keep) :] if keep else []
    going = frozenset(arrived[: len(arrived) - len(kept)])
    if not going:
        return Compaction(0, len(kept), None)
    check_names(log.live, "nothing was compacted")
    now, earlier = time.time(), _COUNT.search(page)
    count = len(going) + (int(earlier[1]) if earlier else 0)
    log.learn([control(PAGE, [f"{count} left", *kept], now)], "nothing was compacted")
    after, marks = trimmed(page, read, going, count, local_stamp(now))
    with storage(f"write {log.live}", "its older messages stay there for now, too"):
        if not _swapped(log, page, after):
            return None
    end = log.ledger.end()
    assert end is not None, "there is a record"
    log.base.write(log.ledger.id, end, after, marks, kept, names=read.roster.names)
    return Compaction(len(going), len(kept), f"archive/{log.ledger.segments()[-1].name}")


def _agreed(log: Log, base: Base, tail: bytes) -> bytes | None:
    """What page and ledger agree on; None where somebody wrote into that."""
    size = len(base.page) + len(tail)
    with _reading(log), suppress(FileNotFoundError), opened(log.live) as file:
        page = file.read(size)
        whole = len(page) == size and page.startswith(base.page) and page.endswith(tail)
        return page if whole and _since(log, page) is not None else None
    return None


def _reading(log: Log) -> AbstractContextManager[None]:
    return storage(f"read {log.live}", "nothing was compacted")


def _swapped(log: Log, page: bytes, after: bytes) -> bool:
    """Replace the page, and keep behind it what somebody appends meanwhile; whether that was done. OSError."""
    for _ in range(_TRIES):
        since = _since(log, page)
        if since is None:
            return False
        if swap(log.live, page + since, after + since):
            return True
    return False


def _since(log: Log, page: bytes) -> bytes | None:
    """What somebody appended to the page since; None where it was changed otherwise, or its last message goes on."""
    with _reading(log), suppress(FileNotFoundError), opened(log.live) as file:
        if begins(file.fileno(), page):
            file.seek(len(page))
            since = file.read()
            return since if not since or _ADDED.match(since) else None
    return None
