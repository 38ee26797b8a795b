"""Owns the figure of the rebuild: the index of a long history made anew, beside the least that SQLite must do."""

from __future__ import annotations

import gc
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from intercom.store.index.db import bulk
from tests.bench.history import fill, opened
from tests.bench.table import Row, Run, against_floor


def rebuild(run: Run) -> Iterator[Row]:
    """A rebuild, search included, beside reading the files, `executemany` of the rows and FTS5's own 'rebuild'."""
    count = run.rounds(1_000_000, 100_000)
    root = run.project("rebuild")
    size = fill(root, count)
    ours, floor = [], []
    with opened(root) as bus:
        rows = _rows(bus.config.private / "index2.db")
        for _ in range(run.rounds(3, 2)):
            gc.collect()
            gc.freeze()  # a million rows that are only ours must not slow down the product's collector
            began = time.perf_counter()
            found = bus.rebuild()
            ours.append(time.perf_counter() - began)
            assert found == count
            floor.append(_floor(bus.config.archive, rows, run.folder / "floor.db"))
            gc.unfreeze()
    yield against_floor(f"rebuild of {count:,} ({size / 1e6:.0f} MB), search included", ours, floor, 1.3)


def _rows(index: Path) -> list[tuple[object, ...]]:
    """The rows of the product's own index, in memory."""
    db = sqlite3.connect(index)
    try:
        return db.execute("SELECT * FROM messages ORDER BY seq").fetchall()
    finally:
        db.close()


def _floor(archive: Path, rows: list[tuple[object, ...]], path: Path) -> float:
    """Seconds to read the files, to put the rows into the same tables, and to index their words."""
    path.unlink(missing_ok=True)
    began = time.perf_counter()
    for name in sorted(os.listdir(archive)):
        (archive / name).read_bytes()
    db = bulk(path)
    db.execute("BEGIN")
    marks = ",".join("?" * len(rows[0]))
    db.executemany(f"INSERT INTO messages VALUES ({marks})", rows)
    db.execute("INSERT INTO words (words) VALUES ('rebuild')")
    db.execute("COMMIT")
    db.close()
    return time.perf_counter() - began
