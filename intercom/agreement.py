"""Owns the cheap proof that live log and journal hold the same messages.

Tools append the same bytes to both. So as long as nothing else touched the live log, it is what it was
when the two last agreed, followed by what the journal has gained since.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from intercom.files import read_from
from intercom.log import END, Log
from intercom.state import State

_KEY = "agreed"


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
    found = os.stat(journal)
    _store(state, Agreement(found.st_ino, found.st_size, len(live), proof_of(live), os.urandom(6).hex()))


def carry(state: State, journal: Path, before: bytes, after: bytes) -> None:
    """We made `after` of a live log that was `before`: they agree too, if what it was is what was agreed.

    If not, somebody wrote into it since, and the next sync has to see that. The caller holds the writer lock.
    """
    if holds(agreement(state), before):
        agree(state, journal, after)


def holds(agreed: Agreement | None, live: bytes) -> bool:
    """Whether `live` is, byte for byte, the live log that was agreed on."""
    return agreed is not None and agreed.live_size == len(live) and agreed.proof == proof_of(live)


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


def quick(log: Log, state: State) -> bool:
    """Whether journal and live log hold the same, by their bytes alone; notes it if both have grown alike.

    False means only that the bytes do not say so.
    """
    live = read_from(log.live)  # before the journal: what a tool has put here is in the journal by then
    agreed = agreement(state)
    try:
        journal = os.stat(log.journal)
    except OSError:
        return not live and agreed is None
    if live is None or agreed is None or agreed.journal_inode != journal.st_ino:
        return False
    proof = blake2b(live[: agreed.live_size], digest_size=16)
    if len(live) < agreed.live_size or proof.hexdigest() != agreed.proof:
        return False
    if len(live) == agreed.live_size and journal.st_size == agreed.journal_size:
        return True
    grown = read_from(log.journal, agreed.journal_size) or b""
    if live[agreed.live_size :] != grown or not grown.endswith(END):
        return False
    size = agreed.journal_size + len(grown)
    proof.update(grown)
    # Not over what another process noted meanwhile: that is newer, perhaps about another journal.
    now = agreed._replace(journal_size=size, live_size=len(live), proof=proof.hexdigest())
    state.swap_meta(_KEY, _text(agreed), _text(now))
    return True
