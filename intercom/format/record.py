"""Owns what a record of the ledger has beside its message: a seal that proves it whole, and control records.

A *record* is a message as `render` writes it with `size=` (bytes of the whole record) and `sum=` (a digest of it
without these two) as the last keys of its meta line. A record that a crash tore, or that somebody changed, does not
fit its seal. On the page a seal means nothing: people may edit there.

A *control record* says something about other messages (REMOVED, RETURNED ...) or about the ledger (OPEN, PAGE). It is
from `system` to `system` with `type=control`, has one line for each message, and never quotes a text. Nothing that a
tool or a person writes becomes one: no tool can send as `system`, and `by_hand` takes the type away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from intercom.core.digests import blake2b
from intercom.core.message import SYSTEM, Message, local_stamp, new_id, utc, utc_of_stamp
from intercom.format.grammar import Entry
from intercom.format.render import render, rendered

END: Final = b"\n---\n\n"  #: how every record ends
START: Final = b"## ["  #: how every record begins; no body holds it at the start of a line
META: Final = b"\n<!-- intercom id="  #: begins the second line of every record

OPEN = "OPEN"  #: first in a segment: which ledger, which number, what it follows
PAGE = "PAGE"  #: a compaction: how many messages left the page so far, and the ids of those that stay
REMOVED = "REMOVED"  #: a person deleted these messages from the page
RETURNED = "RETURNED"  #: these were put back
LEFT = "LEFT"  #: these are missing from the page and stay so; they are delivered all the same
REDACTED = "REDACTED"  #: the texts of these are to be destroyed wherever they stand
PURGED = "PURGED"  #: that was done
CONTROLS = frozenset({OPEN, PAGE, REMOVED, RETURNED, LEFT, REDACTED, PURGED})

_CONTROL = "control"
_SEAL = re.compile(rb" size=([0-9]{1,12}) sum=([0-9a-f]{10})\Z")
_LONGEST_SEAL = 40  # bytes
_META_END = b" -->\n"
_IDS = re.compile(META + rb"([0-9a-z]{1,12})")


def seal(block: bytes) -> bytes:
    """A rendered message as a record."""
    at = block.index(_META_END)
    size = len(block) + len(b" size= sum=0123456789")
    size += len(str(size + len(str(size))))
    return b"%s size=%d sum=%s%s" % (block[:at], size, _sum(block[:at], block[at:]), block[at:])


def extent(raw: bytes) -> int:
    """How many bytes of `raw` are the record that it begins with; 0 if it is torn or changed, or has no seal."""
    at = raw.find(_META_END)
    found = _SEAL.search(raw, max(0, at - _LONGEST_SEAL), at) if at > 0 else None
    if found is None:
        return 0
    size = int(found[1])
    whole = size <= len(raw) and _sum(raw[: found.start()], memoryview(raw)[at:size]) == found[2]
    return size if whole else 0


def sealed(text: bytes) -> list[bytes] | None:
    """The records of a text that has nothing else; None if one of them does not fit its seal."""
    found, begin = [], 0
    while begin < len(text):
        end = text.find(END + START, begin) + len(END)
        record = text[begin : end if end >= len(END) else len(text)]
        if extent(record) != len(record):
            return None
        found.append(record)
        begin += len(record)
    return found


def ident(block: bytes) -> str:
    """The id in a record's meta line; "" where there is none."""
    start = block.find(META)
    return block[start + len(META) : start + len(META) + 64].split(maxsplit=1)[0].decode("ascii") if start > 0 else ""


def idents(text: bytes) -> list[str]:
    """The ids in all meta lines of a text of records, in its order."""
    return [found.decode("ascii") for found in _IDS.findall(text)]


def _sum(head: bytes, rest: bytes | memoryview) -> bytes:
    found = blake2b(head, digest_size=5)
    found.update(rest)
    return found.hexdigest().encode()


def time_of(entry: Entry) -> str:
    """When a message was written, UTC: what it says, else now. Once it is in the ledger, that stands in its record."""
    return entry.at or utc_of_stamp(entry.stamp) or utc()


def by_hand(entry: Entry, id: str, at: str) -> bytes:
    """The record of what somebody wrote into the page. Whatever its meta line claims, it is by hand, and a message."""
    declared = None if entry.declared == _CONTROL else entry.declared
    return seal(rendered(entry._replace(declared=declared), id, "hand", at))


def as_is(entry: Entry) -> bytes:
    """The record of a message that has an id, a time and an origin already."""
    return seal(rendered(entry, entry.id or new_id(), entry.via or "tool", entry.at or utc()))


def control(tag: str, lines: Iterable[str], epoch: float, *, id: str | None = None) -> bytes:
    """A control record of that moment (seconds since 1970)."""
    body = "\n".join(lines)
    message = Message(id or new_id(), None, utc(epoch), SYSTEM, SYSTEM, tag, _CONTROL, body)
    return seal(render(message, local_stamp(epoch)))


def is_control(entry: Entry) -> bool:
    """Whether an entry is a control record. It counts in a segment of our own ledger alone."""
    return entry.declared == _CONTROL and entry.sender == entry.to == SYSTEM and entry.tag in CONTROLS


def is_systems_own(entry: Entry) -> bool:
    """Whether an entry is Intercom talking to itself, here or on another machine: a message for nobody."""
    return entry.to == SYSTEM and entry.sender == SYSTEM
