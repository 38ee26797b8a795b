"""Owns compaction: the oldest messages leave the page. All of them are in the ledger already.

It happens under the writer lock, on a page that agrees with the ledger: first a record, synced, says what stays;
then the page is replaced by itself without the other messages, with the marker line in their place (front matter,
preamble, loose text and copies stay); then the base is written. After a kill behind the record, the next command
recognises the old page and trims it.
"""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

from intercom.core.message import local_stamp
from intercom.core.patterns import lazy
from intercom.format.record import PAGE, control, idents
from intercom.store.log.base import Base
from intercom.store.log.log import Log
from intercom.store.log.replace import check_names, news, swap
from intercom.store.log.unfinished import Read, trimmed
from intercom.system.files import begins, opened, storage

_ADDED = lazy(rb"\s*#{1,3} *\[")  #: start of an appended message, as opposed to a continuation of the last one
_TRIES = 5
_COUNT = lazy(rb"^### COMPACTED: (\d{1,18}) ", re.MULTILINE)


class Compaction(NamedTuple):
    """The result of a compaction. `segment` is relative to `.claude/local`, None if there was nothing to do."""

    archived: int
    kept: int
    segment: str | None


def compact(log: Log, keep: int) -> Compaction | None:
    """Remove all but the newest `keep` messages from the page; the caller holds the lock.

    None if the page is not as the ledger has it, or anything else is to be taken in: sync, and try again. StorageError
    says what could not be written; in any case every message is in the ledger.
    """
    base, end = log.base.read(log.ledger.id), log.ledger.end()
    if base is None or end is None or end < base.head.seen or log.has_journal() or news(log.live):
        return None
    tail = log.ledger.tail(base.head.at)
    page = _agreed(log, base, tail)
    if page is None:
        return None
    arrived, read = [*base.arrived, *idents(tail)], Read(base.roster, base.marks)
    del base  # frees its copy of the page, which may be long
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
    """The content that page and ledger agree on; None if somebody wrote into it."""
    size = len(base.page) + len(tail)
    with _reading(log), suppress(FileNotFoundError), opened(log.live) as file:
        page = file.read(size)
        whole = len(page) == size and page.startswith(base.page) and page.endswith(tail)
        return page if whole and _since(log, page) is not None else None
    return None


def _reading(log: Log) -> AbstractContextManager[None]:
    return storage(f"read {log.live}", "nothing was compacted")


def _swapped(log: Log, page: bytes, after: bytes) -> bool:
    """Replace the page, keeping what somebody appends meanwhile; returns whether that was done. OSError."""
    for _ in range(_TRIES):
        since = _since(log, page)
        if since is None:
            return False
        if swap(log.live, page + since, after + since):
            return True
    return False


def _since(log: Log, page: bytes) -> bytes | None:
    """What somebody appended to the page since; None if it changed otherwise, or its last message was continued."""
    with _reading(log), suppress(FileNotFoundError), opened(log.live) as file:
        if begins(file.fileno(), page):
            file.seek(len(page))
            since = file.read()
            return since if not since or _ADDED.match(since) else None
    return None
