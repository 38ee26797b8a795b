"""Owns translating another machine's log: its names become `master@laptop`, so they are never taken for ours.

A recipient without a machine stays as it is, so its `worker-1`, `user` and `all` include ours; a name at this
machine is ours. What the log says a tool wrote is only that machine's word: such a message gets `via` machine,
whatever its meta line claims, and no seal or control record in it counts. Ids and digests are derived from the
file's own text (`Entry.wrote`), so both machines give a message the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from intercom.core.message import HAND, MACHINE, UNPROVEN, at_machine
from intercom.format import MESSAGE, Entry
from intercom.format.record import extent, is_systems_own
from intercom.store.index import Source
from intercom.store.sources.tail import pieces

_LESS = (HAND, UNPROVEN)  #: origins weaker than a tool's


def theirs(file: BinaryIO, start: int, source: Source, *, hold: bool) -> Iterator[tuple[list[Entry], int]]:
    """As `pieces`, for a file outside our ledger; entries with holes of a power cut are left to their own machine."""
    for found, settled in pieces(file, start, None, hold=hold):
        entries = [entry for entry in found if b"\0" not in entry.raw or extent(entry.raw)]
        yield [_seen(entry, source) for entry in entries] if source.machine else entries, settled


def _seen(entry: Entry, source: Source) -> Entry:
    """An entry of another machine's log, translated."""
    if entry.kind != MESSAGE or is_systems_own(entry):
        return entry
    to = ", ".join(dict.fromkeys(_here(name, source.here) for name in entry.to.split(", ")))
    via = None if entry.id is None else entry.via if entry.via in _LESS else MACHINE
    wrote = entry.sender, entry.to
    return entry._replace(sender=at_machine(entry.sender, source.machine), to=to, via=via, wrote=wrote)


def _here(name: str, here: tuple[str, ...]) -> str:
    """A recipient without our own machine's suffix."""
    bare, at, machine = name.rpartition("@")
    return bare if at and machine in here else name
