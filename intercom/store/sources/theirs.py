"""Owns how another machine's log reads here: names in it are that machine's, `master@laptop`, never one of ours.

A name without a machine that it sends *to* stays as it is, so `worker-1`, `user` and `all` are ours, too; a name at
this machine is ours. What it says a tool wrote, it says: such a message has `via` machine, whatever its meta line
claims, and no seal or control record in it counts. Ids and digests go by what the file has (`Entry.wrote`), so that
both machines give a message the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from intercom.core.message import HAND, MACHINE, UNPROVEN, at_machine
from intercom.format import MESSAGE, Entry
from intercom.format.record import extent, is_systems_own
from intercom.store.index import Source
from intercom.store.sources.tail import pieces

_LESS = (HAND, UNPROVEN)  #: what says less than that a tool wrote it


def theirs(file: BinaryIO, start: int, source: Source, *, hold: bool) -> Iterator[tuple[list[Entry], int]]:
    """As `pieces`, for a file that is not of our ledger; what a power cut left holes in waits for its own machine."""
    for found, settled in pieces(file, start, None, hold=hold):
        entries = [entry for entry in found if b"\0" not in entry.raw or extent(entry.raw)]
        yield [_seen(entry, source) for entry in entries] if source.machine else entries, settled


def _seen(entry: Entry, source: Source) -> Entry:
    """An entry of another machine's log, as it reads here."""
    if entry.kind != MESSAGE or is_systems_own(entry):
        return entry
    to = ", ".join(dict.fromkeys(_here(name, source.here) for name in entry.to.split(", ")))
    via = None if entry.id is None else entry.via if entry.via in _LESS else MACHINE
    wrote = entry.sender, entry.to
    return entry._replace(sender=at_machine(entry.sender, source.machine), to=to, via=via, wrote=wrote)


def _here(name: str, here: tuple[str, ...]) -> str:
    """A recipient, without our machine behind it."""
    bare, at, machine = name.rpartition("@")
    return bare if at and machine in here else name
