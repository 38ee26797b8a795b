"""Owns filling a new index from all its sources: our ledger, read ahead by a second process, then the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from intercom.store.index import Source
from intercom.store.index.build import Builder
from intercom.store.sources.inventory import File, Origin
from intercom.store.sources.readahead import Ahead, Found, load, load_segment
from intercom.system.folders import file_size


class Part(NamedTuple):
    """One source: its path, its mark, how much of it counts (None: all), and whose it is."""

    path: Path
    file: File
    mark: str
    end: int | None
    origin: Origin


def fill(
    db: sqlite3.Connection,
    parts: Sequence[Part],
    numbers: Mapping[str, int],
    progress: Callable[[int, int], None] | None,
) -> tuple[int, list[tuple[str, int]]]:
    """Fill an empty index; returns its number of messages, and the numbers of other machines' messages by id.

    `numbers` are those that they had before; `progress(done, total)` is in bytes. StorageError.
    """
    total = sum(file_size(part.path) for part in parts)
    builder, done = Builder(db, numbers), 0

    def tell(upto: int) -> None:
        if progress is not None:
            progress(done + upto, max(total, done + upto))

    closed = [(part.path, part.file.sealed, part.file.digest) for part in parts if part.file.own and part.end is None]
    with closing(Ahead(closed)) as ahead:
        for src, part in enumerate(parts, 1):
            found = _read(builder, src, part, ahead, tell)
            if found is not None:
                row = (src, part.file.path, int(part.file.own), *found)
                db.execute("INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?)", row)
                done += found[1]
    count = builder.finish()
    foreign = [src for src, part in enumerate(parts, 1) if not part.file.own]
    marks = ",".join("?" * len(foreign))
    return count, db.execute(f"SELECT id, seq FROM messages WHERE src IN ({marks})", foreign).fetchall()


def _read(builder: Builder, src: int, part: Part, ahead: Ahead, tell: Callable[[int], None]) -> Found | None:
    if not part.file.own:
        return load(builder, Source(src, False, *part.origin), part.path, part.mark, tell)
    source = Source(src, trusted=True)
    segment = ahead.next(part.path)
    if segment is None:
        file = part.file
        return load_segment(
            builder, source, part.path, part.mark, part.end, tell, sealed=file.sealed, digest=file.digest
        )
    builder.put(source, segment.rows, segment.hands, segment.controls)
    tell(segment.settled)
    return segment[:3]
