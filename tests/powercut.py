"""Owns what a power cut may leave on a disk: the operations that a recorder lists, and the disks made from them.

The model is POSIX's, taken strictly: what was written reaches the disk in any order, or not at all, until its file
is synced; a name that was made, moved or removed does so until its folder is synced. A write that crosses a
boundary of pages is so many writes. A kept page above a dropped one leaves NULs below it; of what was dropped its
size alone may have arrived, then there are NULs. A rename within a folder is one step, across folders two. Only
that a file was cut short comes before what was written to it afterwards, as on every file system.

SQLite's files are not written by Python: of the state there are snapshots, the index is gone or out of date.
`tests.recorder` makes the lists, `tests.powercut_story` says what must hold on every disk.
"""

from __future__ import annotations

import importlib
import os
import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

#: Where the boot id of the machine is kept: a list with it, or a function that tells it. Whoever wants to know it has
#: to look there each time: a name that another module imported is not replaced.
BOOT = "intercom.system.boot._boot"
OWN = "intercom.system.liveness._own"  #: the function that tells which process this is; looked up each time, too
SEGMENT = (
    "intercom.store.log.ledger.SEGMENT_BYTES",
    "intercom.store.log.compact.SEGMENT_BYTES",
)  #: the size of a segment, where it is
PAGE = 4096  #: bytes that reach the disk together
LONG_AGO = 1_000_000_000.0  #: 2001; before the boot, whenever the machine was started
ROOT = 0  #: the number of the root folder; every other file has a number above it, every other folder one below


class Write(NamedTuple):
    """Bytes put into a file at an offset."""

    file: int
    at: int
    data: bytes


class Cut(NamedTuple):
    """A file's end set: shorter, or longer by NULs."""

    file: int
    size: int


class Bind(NamedTuple):
    """One change of a folder, seen at once: under each name from now on this file or folder, or none."""

    folder: int
    names: tuple[tuple[str, int | None], ...]


class Sync(NamedTuple):
    """All that was done before to this file, or to the names in this folder, is on the disk."""

    node: int


class State(NamedTuple):
    """From now on `state.db` is as in this snapshot; what of it reaches the disk is SQLite's matter."""

    data: bytes


class Mark(NamedTuple):
    """A moment between two steps of who is recorded, and what is to be known of it."""

    event: Any


Op = Write | Cut | Bind | Sync | State | Mark


class Disk:
    """Files and folders by number."""

    def __init__(self) -> None:
        self.files: dict[int, bytes] = {}
        self.folders: dict[int, dict[str, int]] = {ROOT: {}}

    def copy(self) -> Disk:
        """The same, to be changed apart from this."""
        new = Disk()
        new.files = dict(self.files)
        new.folders = {number: dict(names) for number, names in self.folders.items()}
        return new

    def apply(self, op: Op) -> None:
        """Do what was recorded."""
        if isinstance(op, Write):
            old = self.files.get(op.file, b"")
            self.files[op.file] = old[: op.at].ljust(op.at, b"\0") + op.data + old[op.at + len(op.data) :]
        elif isinstance(op, Cut):
            self.files[op.file] = self.files.get(op.file, b"")[: op.size].ljust(op.size, b"\0")
        elif isinstance(op, Bind):
            names = self.folders.setdefault(op.folder, {})
            for name, node in op.names:
                names.pop(name, None)
                if node is not None:
                    names[name] = node

    def grow(self, op: Op) -> None:
        """Give a file the size that a write gave it, and none of its bytes."""
        if isinstance(op, Write):
            self.files[op.file] = self.files.get(op.file, b"").ljust(op.at + len(op.data), b"\0")

    def nodes(self, folder: int = ROOT, above: str = "") -> dict[str, int]:
        """Each path that has a name all the way, folders before what is in them, with its number."""
        found: dict[str, int] = {}
        for name, node in self.folders.get(folder, {}).items():
            found[f"{above}{name}"] = node
            if node < ROOT:
                found |= self.nodes(node, f"{above}{name}/")
        return found

    def tree(self) -> dict[str, bytes | None]:
        """What a reader finds: each path with its bytes; None for a folder."""
        return {path: None if node < ROOT else self.files.get(node, b"") for path, node in self.nodes().items()}


class Outcome(NamedTuple):
    """What of the unsynced operations reached the disk, by their places in the list."""

    kept: frozenset[int]
    lost: frozenset[int]
    grown: frozenset[int] = frozenset()  #: lost writes whose size arrived

    def __str__(self) -> str:
        grown = f", but for the size of {sorted(self.grown)}" if self.grown else ""
        return f"kept {sorted(self.kept)}, lost {sorted(self.lost)}{grown}"


# -- which operations reach the disk ----------------------------------------------------------------


def split(ops: Sequence[Op], page: int = PAGE) -> list[Op]:
    """The operations with every write parted at the boundaries of its file's pages."""
    out: list[Op] = []
    for op in ops:
        if isinstance(op, Write):
            stop = op.at + len(op.data)
            edges = [op.at, *range(op.at - op.at % page + page, stop, page), stop]
            out += [Write(op.file, a, op.data[a - op.at : b - op.at]) for a, b in pairwise(edges)]
        else:
            out.append(op)
    return out


def unsynced(ops: Sequence[Op], upto: int) -> list[int]:
    """Which of the first `upto` operations a power cut may undo."""
    out: list[int] = []
    for place, op in enumerate(ops[:upto]):
        if isinstance(op, Sync):
            out = [one for one in out if _node(ops[one]) != op.node]
        elif _node(op) is not None:
            out.append(place)
    return out


def _node(op: Op) -> int | None:
    """The file or folder that has to be synced for this to last."""
    return op.folder if isinstance(op, Bind) else op.file if isinstance(op, Write | Cut) else None


def outcomes(ops: Sequence[Op], upto: int, rng: random.Random, most: int) -> Iterator[Outcome]:
    """Every subset of what is not synced where that is at most `most`, else seeded samples, at most so many."""
    open_ = unsynced(ops, upto)
    if 2 ** len(open_) <= most:
        subsets: list[Sequence[int]] = [c for size in range(len(open_) + 1) for c in combinations(open_, size)]
    else:
        subsets = [open_, [], *_samples(ops, open_, rng, most - 2)]
    for subset in subsets:
        yield _outcome(ops, open_, subset, rng)


def _samples(ops: Sequence[Op], open_: list[int], rng: random.Random, most: int) -> Iterator[list[int]]:
    """Sets that are likely to be hard on somebody: all but one, one alone, each file up to some moment, any."""
    for _ in range(most):
        kind = rng.randrange(4)
        if kind == 0:
            one = rng.choice(open_)
            yield [place for place in open_ if place != one]
        elif kind == 1:
            yield [rng.choice(open_)]
        elif kind == 2:
            upto = {node: rng.choice([0, *open_, len(ops)]) for node in {_node(ops[place]) for place in open_}}
            yield [place for place in open_ if place <= upto[_node(ops[place])]]
        else:
            share = rng.choice((0.2, 0.5, 0.8))
            yield [place for place in open_ if rng.random() < share]


def _outcome(ops: Sequence[Op], open_: list[int], subset: Sequence[int], rng: random.Random) -> Outcome:
    kept = set(subset)
    written: set[int] = set()  # files in which something stays that was written later
    for place in reversed(open_):
        op = ops[place]
        if isinstance(op, Cut) and op.file in written:
            kept.add(place)
        if place in kept and isinstance(op, Write):
            written.add(op.file)
    lost = [place for place in open_ if place not in kept]
    grown = [place for place in lost if isinstance(ops[place], Write) and rng.random() < 0.5]
    return Outcome(frozenset(kept), frozenset(lost), frozenset(grown if rng.random() < 0.25 else ()))


# -- the disks --------------------------------------------------------------------------------------


def states(start: Disk, ops: Sequence[Op], upto: int, rng: random.Random, most: int) -> Iterator[tuple[Outcome, Disk]]:
    """What the disk may hold where the power is cut after the first `upto` operations."""
    first = min(unsynced(ops, upto), default=upto)
    sure = start.copy()
    for op in ops[:first]:
        sure.apply(op)
    for outcome in outcomes(ops, upto, rng, most):
        disk = sure.copy()
        for place in range(first, upto):
            if place not in outcome.lost:
                disk.apply(ops[place])
            elif place in outcome.grown:
                disk.grow(ops[place])
        yield outcome, disk


def killed(start: Disk, ops: Sequence[Op], upto: int, rng: random.Random) -> Iterator[tuple[Outcome, Disk]]:
    """What the disk holds where only the process dies there: all that was done, and of a write perhaps a part."""
    disk = start.copy()
    for op in ops[:upto]:
        disk.apply(op)
    yield Outcome(frozenset(range(upto)), frozenset()), disk
    next_ = ops[upto] if upto < len(ops) else None
    if isinstance(next_, Write) and len(next_.data) > 1:
        for size in {1, len(next_.data) - 1, rng.randrange(1, len(next_.data))}:
            partly = disk.copy()
            partly.apply(next_._replace(data=next_.data[:size]))
            yield Outcome(frozenset(range(upto)), frozenset({upto})), partly


def snapshots(ops: Sequence[Op], upto: int) -> list[bytes]:
    """Every state that there was until then, oldest first."""
    return [op.data for op in ops[:upto] if isinstance(op, State)]


def materialize(disk: Disk, root: Path, when: float = LONG_AGO) -> None:
    """Make the files of a disk in a folder that is not there yet; all of them were last changed at `when`."""
    os.mkdir(root)
    made: dict[int, str] = {}
    for path, node in disk.nodes().items():
        where = f"{root}/{path}"
        if node < ROOT:
            os.mkdir(where, 0o700)
        elif node in made:
            os.link(made[node], where)
        else:
            handle = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(handle, disk.files.get(node, b""))
            os.close(handle)
            os.utime(where, (when, when))
            made[node] = where


def describe(ops: Sequence[Op], upto: int, names: dict[int, str]) -> list[str]:
    """The operations up to a cut, in words; `names` tells the files and folders."""
    return [f"{place:4} {_words(op, names)}" for place, op in enumerate(ops[:upto])]


def _words(op: Op, names: dict[int, str]) -> str:
    if isinstance(op, Write):
        return f"write {names.get(op.file)} at {op.at}: {len(op.data)} bytes, {op.data[:50]!r}"
    if isinstance(op, Cut):
        return f"cut {names.get(op.file)} to {op.size}"
    if isinstance(op, Bind):
        return f"in {names.get(op.folder)}: " + ", ".join(
            f"{name} = {names.get(n or 0) if n else n}" for name, n in op.names
        )
    if isinstance(op, Sync):
        return f"sync {names.get(op.node)}"
    return "state.db changed" if isinstance(op, State) else f"-- {op.event}"


# -- the machine and its processes ------------------------------------------------------------------


def small_segments(patch: pytest.MonkeyPatch, size: int) -> None:
    """Begin a new segment of the archive after so many bytes. AssertionError if nobody has such a size."""
    found = 0
    for module, name in (path.rsplit(".", 1) for path in SEGMENT):
        with suppress(ImportError):
            if hasattr(importlib.import_module(module), name):
                patch.setattr(f"{module}.{name}", size)
                found += 1
    assert found, SEGMENT


def restart(patch: pytest.MonkeyPatch, boot: str = "") -> str:
    """All that follows is done by another process; in this boot of the machine, or else after another start of it.

    Returns the id of the boot.
    """
    nobody = uuid.uuid4().hex
    boot = boot or uuid.uuid4().hex
    patch.setattr(OWN, lambda pid: f"{pid}.{nobody}")  # no process with this mark is alive
    module, _, name = BOOT.rpartition(".")
    kept = getattr(importlib.import_module(module), name)
    patch.setattr(BOOT, [boot] if isinstance(kept, list) else lambda: boot)
    return boot
