"""Owns what a ledger record adds to its message: a seal that proves it complete, and control records.

A *record* is a message as `render` writes it, with `size=` (bytes of the whole record) and `sum=` (a digest of it
without these two) as the last keys of its meta line. A record that was torn by a crash or changed by somebody does
not fit its seal. On the page a seal proves nothing about the present text: people may edit there.

A *control record* says something about other messages (REMOVED, RETURNED ...) or about the ledger (OPEN, PAGE). It
goes from `system` to `system` with `type=control`, has one line per message, and never quotes a text. Nothing that a
tool or a person writes can become one: no tool can send as `system`, and `by_hand` removes the type.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from intercom.core.digests import blake2b
from intercom.core.message import SYSTEM, Message, local_stamp, new_id, utc, utc_of_stamp
from intercom.core.patterns import lazy
from intercom.format.grammar import Entry
from intercom.format.render import render, rendered

END: Final = b"\n---\n\n"  #: how every record ends
START: Final = b"## ["  #: how every record begins; never at the start of a line within a body
META: Final = b"\n<!-- intercom id="  #: begins the second line of every record

OPEN = "OPEN"  #: first record of a segment: its ledger, its number, its predecessor
PAGE = "PAGE"  #: a compaction: how many messages have left the page so far, and the ids of those that stay
REMOVED = "REMOVED"  #: a person deleted these messages from the page
RETURNED = "RETURNED"  #: these were put back
LEFT = "LEFT"  #: these are missing from the page and stay so; they are still delivered
REDACTED = "REDACTED"  #: the texts of these must be destroyed everywhere
PURGED = "PURGED"  #: the texts of these have been destroyed
CONTROLS = frozenset({OPEN, PAGE, REMOVED, RETURNED, LEFT, REDACTED, PURGED})

_CONTROL = "control"
_SEAL = lazy(rb" size=([0-9]{1,12}) sum=([0-9a-f]{10})\Z")
_LONGEST_SEAL = 40  # bytes
_SHORT = 4 * 1024  # bytes; longer records are not cached
_META_END = b" -->\n"
_IDS = lazy(META + rb"([0-9a-z]{1,12})")


def seal(block: bytes) -> bytes:
    """Turn a rendered message into a record."""
    at = block.index(_META_END)
    size = len(block) + len(b" size= sum=0123456789")
    size += len(str(size + len(str(size))))
    return b"%s size=%d sum=%s%s" % (block[:at], size, _sum(block[:at], block[at:]), block[at:])


def extent(raw: bytes) -> int:
    """Size in bytes of the record at the start of `raw`; 0 if it is torn or changed, or has no seal."""
    at = raw.find(_META_END)
    found = _SEAL.search(raw, max(0, at - _LONGEST_SEAL), at) if at > 0 else None
    if found is None:
        return 0
    size = int(found[1])
    whole = size <= len(raw) and _sum(raw[: found.start()], memoryview(raw)[at:size]) == found[2]
    return size if whole else 0


def sealed(text: bytes) -> list[bytes] | None:
    """Split a text into its records; None if it contains anything else, or a record that does not fit its seal."""
    found, begin = [], 0
    while begin < len(text):
        end = text.find(END + START, begin) + len(END)
        record = text[begin : end if end >= len(END) else len(text)]
        if not (_fits(record) if len(record) <= _SHORT else _fits.__wrapped__(record)):
            return None
        found.append(record)
        begin += len(record)
    return found


@lru_cache(maxsize=256)  # a page is looked at again with each message, and most of it is as it was
def _fits(record: bytes) -> bool:
    """Whether it is one record and fits its seal."""
    return extent(record) == len(record)


def ident(block: bytes) -> str:
    """The id in a record's meta line; "" if there is none."""
    start = block.find(META)
    return block[start + len(META) : start + len(META) + 64].split(maxsplit=1)[0].decode("ascii") if start > 0 else ""


def idents(text: bytes) -> list[str]:
    """The ids in all meta lines of a text of records, in order."""
    return [found.decode("ascii") for found in _IDS.findall(text)]


def _sum(head: bytes, rest: bytes | memoryview) -> bytes:
    found = blake2b(head, digest_size=5)
    found.update(rest)
    return found.hexdigest().encode()


def time_of(entry: Entry) -> str:
    """When a message was written, UTC, if it says so; otherwise now. Its ledger record fixes that time."""
    return entry.at or utc_of_stamp(entry.stamp) or utc()


def by_hand(entry: Entry, id: str, at: str) -> bytes:
    """The record for a message written into the page. Whatever its meta line claims, it counts as hand-written."""
    declared = None if entry.declared == _CONTROL else entry.declared
    return seal(rendered(entry._replace(declared=declared), id, "hand", at))


def as_is(entry: Entry) -> bytes:
    """The record for a message that already has an id, a time and an origin."""
    return seal(rendered(entry, entry.id or new_id(), entry.via or "tool", entry.at or utc()))


def control(tag: str, lines: Iterable[str], epoch: float, *, id: str | None = None) -> bytes:
    """A control record of this time (seconds since 1970)."""
    body = "\n".join(lines)
    message = Message(id or new_id(), None, utc(epoch), SYSTEM, SYSTEM, tag, _CONTROL, body)
    return seal(render(message, local_stamp(epoch)))


def is_control(entry: Entry) -> bool:
    """Whether an entry is a control record. It has an effect only in a segment of our own ledger."""
    return entry.declared == _CONTROL and entry.sender == entry.to == SYSTEM and entry.tag in CONTROLS


def is_systems_own(entry: Entry) -> bool:
    """Whether an entry is from `system` to `system`, here or on another machine: a message for nobody."""
    return entry.to == SYSTEM and entry.sender == SYSTEM
