"""Owns the cheap proof that live log and journal hold the same messages.

Tools append the same bytes to both. So as long as nothing else touched the live log, it is what it was
when the two last agreed, followed by what the journal has gained since.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from intercom.files import read_from
from intercom.log import END, Log
from intercom.state import State
from intercom.swap import news

_KEY = "agreed"
TAIL = 512  #: bytes of our own sources before some point that must be what they were


class Agreement(NamedTuple):
    """Sizes in bytes up to which journal and live log hold the same, and a digest of the live log so far."""

    journal_inode: int
    journal_size: int
    live_size: int
    proof: str
    round: str  #: new whenever the journal may be another file; inode numbers come again


def agreement(state: State) -> Agreement | None:
    """The last agreement, None if there never was one."""
    stored = state.meta(_KEY)
    if not stored:
        return None
    try:
        inode, journal, live, proof, turn = stored.split()
        return Agreement(int(inode), int(journal), int(live), proof, turn)
    except ValueError:
        return None


def agree(state: State, journal: Path, live: bytes) -> None:
    """Note that the whole journal and these bytes of the live log hold the same; the caller holds the writer lock."""
    agree_on(state, journal, len(live), proof_of(live))


def agree_on(state: State, journal: Path, size: int, proof: str) -> None:
    """As `agree`, for a live log of so many bytes with this proof."""
    found = os.stat(journal)
    _store(state, Agreement(found.st_ino, found.st_size, size, proof, os.urandom(6).hex()))


def carry(state: State, journal: Path, before: bytes, after: bytes) -> None:
    """We made `after` of a live log that was `before`: they agree too, if what it was is what was agreed.

    If not, somebody wrote into it since, and the next sync has to see that. The caller holds the writer lock.
    """
    if holds(agreement(state), before):
        agree(state, journal, after)


def holds(agreed: Agreement | None, live: bytes) -> bool:
    """Whether `live` is, byte for byte, the live log that was agreed on."""
    return agreed is not None and agreed.live_size == len(live) and agreed.proof == proof_of(live)


def reach(state: State, journal: Path) -> int:
    """How many bytes of this journal the live log is known to have held."""
    agreed = agreement(state)
    with suppress(FileNotFoundError):
        if agreed is not None and agreed.journal_inode == os.stat(journal).st_ino:
            return agreed.journal_size
    return 0


def renew(state: State, journal: Path) -> None:
    """Give up an agreement about a journal that is no more: its replacement was the last that somebody did.

    What is left agrees up to its beginning. The caller holds the writer lock.
    """
    agreed = agreement(state)
    try:
        inode = os.stat(journal).st_ino
    except FileNotFoundError:
        state.set_meta(_KEY, "")
        return
    if agreed is None or agreed.journal_inode != inode:
        _store(state, Agreement(inode, 0, 0, proof_of(b""), os.urandom(6).hex()))


def _store(state: State, agreed: Agreement) -> None:
    state.set_meta(_KEY, _text(agreed))


def _text(agreed: Agreement) -> str:
    return " ".join(map(str, agreed))


def proof_of(data: bytes) -> str:
    """Digest of the live log's bytes."""
    return blake2b(data, digest_size=16).hexdigest()


class Grown(NamedTuple):
    """What journal and live log both hold, since they last agreed: bytes in hand, whatever becomes of the files."""

    agreed: Agreement | None  #: as it is now; None while there is neither a journal nor a live log
    start: int = 0  #: where `data` begins in the journal
    before: bytes = b""  #: the end of what stands before it
    data: bytes = b""


def quick(log: Log, state: State) -> Grown | None:
    """What both have grown by, if journal and live log hold the same by their bytes alone; notes that they agree.

    None means only that the bytes do not say so.
    """
    if news(log.live):
        return None
    live = read_from(log.live)  # before the journal: what a tool has put here is in the journal by then
    agreed = agreement(state)
    try:
        journal = os.stat(log.journal)
    except OSError:
        return Grown(None) if not live and agreed is None else None
    if live is None or agreed is None or agreed.journal_inode != journal.st_ino or not log.kept:
        return None
    proof = blake2b(memoryview(live)[: agreed.live_size], digest_size=16)  # it may be long: no copy
    if len(live) < agreed.live_size or proof.hexdigest() != agreed.proof:
        return None
    start = agreed.journal_size
    if len(live) == agreed.live_size and journal.st_size == start:
        return Grown(agreed, start)
    lead = min(start, TAIL)
    found = read_from(log.journal, start - lead) or b""
    before, data = found[:lead], found[lead:]
    if live[agreed.live_size :] != data or not data.endswith(END):
        return None
    proof.update(data)
    # Not over what another process noted meanwhile: that is newer, perhaps about another journal.
    now = agreed._replace(journal_size=start + len(data), live_size=len(live), proof=proof.hexdigest())
    state.swap_meta(_KEY, _text(agreed), _text(now))
    return Grown(now, start, before, data)
