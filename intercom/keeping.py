"""Owns which of the journal's messages the live log holds, and under which name the two are kept together.

There is one journal, but a live log for each machine name that a folder is used under (INTERCOM_MACHINE in one
shell alone, an `init --machine` later on). What such a log lacks may never have stood in it, so nobody took it
out: before it is compared with a journal that was written under another name meanwhile, it is given what it lacks.
"""

from __future__ import annotations

from typing import NamedTuple

from intercom.files import append, joined, read_from, storage
from intercom.format import MESSAGE, digest, hand_id
from intercom.log import Log
from intercom.state import State
from intercom.window import entries_of


class Held(NamedTuple):
    """The journal, where in it the last version of each message stands, and the ids of what the live log has."""

    journal: bytes
    spans: dict[str, tuple[int, int]]
    present: set[str]

    def block(self, name: str) -> bytes:
        """The last version of a message, as it stands in the journal."""
        start, stop = self.spans[name]
        return self.journal[start:stop]


def held(log: Log) -> Held:
    """What the journal holds, and which of it stands in the live log. They may be long. StorageError."""
    names, marks, counts = set[str](), set[str](), dict[str, int]()
    for entry in entries_of(read_from(log.live) or b""):
        if entry.kind != MESSAGE:
            continue
        mark = digest(entry)
        counts[mark] = counts.get(mark, 0) + 1
        if entry.id:
            names.add(entry.id)
        else:
            names.add(hand_id(mark, counts[mark]))
            marks.add(mark)
    journal, spans = read_from(log.journal) or b"", dict[str, tuple[int, int]]()
    for entry in entries_of(journal):
        if entry.kind == MESSAGE and entry.id:
            spans[entry.id] = entry.start, entry.start + len(entry.raw)
            if marks and digest(entry) in marks:
                names.add(entry.id)
    return Held(journal, spans, names)


def take_over(log: Log, state: State) -> None:
    """See to it that journal and live log are kept together under this name; the caller holds the writer lock.

    StorageError.
    """
    if log.kept:
        return
    if log.kept_elsewhere() and log.journal.exists():
        found, hidden = held(log), state.traces().hidden
        lacking = [found.block(name) for name in found.spans if name not in found.present and name not in hidden]
        with storage(f"add to {log.live} what was sent under another machine name", "nothing was read"):
            live = read_from(log.live)
            if live is None:
                log.live.touch(mode=0o600)
            append(log.live, joined([live or b"", *lacking])[len(live or b"") :])
    log.keep()
