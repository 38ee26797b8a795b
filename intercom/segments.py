"""Owns reading whole sources for a rebuild: our own archive ahead, in a second process, while the first stores.

Reading a message costs about as much as storing it, so on a long history two processes need little more
than half of the time of one. Whatever goes wrong with the second, the first reads on by itself and
makes the same of it: the other only ever spares work. It ends by itself once nobody reads what it writes.
"""

from __future__ import annotations

import marshal
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from intercom.errors import IntercomError
from intercom.files import storage
from intercom.index import Builder, Source, plain_rows
from intercom.sources import file_mark, file_size, pieces, proof_before, young

_WORTH = 8 * 1024 * 1024  #: bytes; reading less than that takes no longer than starting a process
_MUCH = 8 * 1024 * 1024  #: bytes; less is soon added to what there is
_MOST = 16 * 1024 * 1024  #: bytes of one segment: no more is held in memory at once
_PIPE = 1024 * 1024  #: bytes that may wait for the first process
_SIZE = 8  #: bytes before each segment's data that say how many follow


class Segment(NamedTuple):
    """What is in one segment: its mark before it was read, and the rows and counts that a Builder takes."""

    mark: str
    settled: int
    proof: str
    path: str
    rows: list[tuple[Any, ...]]
    hands: dict[str, int]


def mostly_new(db: sqlite3.Connection, root: str, paths: Sequence[str]) -> bool:
    """Whether these sources have so much that the index has not, that building it anew is quicker and holds less."""
    sizes = {path: file_size(Path(root, path)) for path in paths}
    if sum(sizes.values()) < _MUCH:
        return False
    read = dict(db.execute("SELECT path, settled FROM sources").fetchall())
    new = sum(max(0, size - read.get(path, 0)) for path, size in sizes.items())
    return bool(new >= max(_MUCH, sum(read.values()) // 4))


def load(
    builder: Builder, source: Source, file: BinaryIO, mark: str, tell: Callable[[int], None]
) -> tuple[str, int, str]:
    """Add all of a source; return its mark, where the next parse begins, and the proof of what stands before.

    `tell` is told the offset after each piece. StorageError.
    """
    settled = 0
    hands: dict[str, int] = {}
    with file, storage("read the logs", "nothing was read"):
        hold = not source.trusted and young(file)
        for entries, settled in pieces(file, 0, None, hold=hold):
            builder.add(source, entries, hands)
            tell(settled)
        mark = "" if hold and not settled else mark
        return mark, settled, proof_before(file, settled, whole=not source.trusted)


def read_segment(path: str) -> Segment:
    """Read a segment of ours in one go. OSError."""
    mark, settled = file_mark(path), 0
    rows: list[tuple[Any, ...]] = []
    hands: dict[str, int] = {}
    with open(path, "rb") as file:
        for entries, settled in pieces(file, 0, None, hold=False):  # noqa: B007  # the last one counts
            rows += plain_rows(Source(0, trusted=True), entries, hands)
        return Segment(mark, settled, proof_before(file, settled, whole=False), path, rows, hands)


class Ahead:
    """The segments of ours at `paths`, read by a second process in this order. Close it, read to the end or not.

    Where that is not worth it, or the process cannot be had or fails, `next` gives None.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        sizes = [(os.fspath(path), file_size(path)) for path in paths]
        wanted = [path for path, size in sizes if size <= _MOST]
        self._held = ExitStack()
        self._paths: Iterator[str] = iter(())
        self._wanted = ""
        if sum(size for _, size in sizes if size <= _MOST) >= _WORTH and (os.cpu_count() or 1) > 1:
            self._start(wanted)

    def _start(self, wanted: list[str]) -> None:
        from intercom.proc import piped

        home = os.fspath(Path(__file__).resolve().parent.parent)
        code = f"import sys; sys.path.append({home!r}); from intercom.segments import main; main()"
        try:
            # Isolated: nothing that lies about, and nothing in the environment, changes what it runs.
            command = [sys.executable, "-I", "-S", "-c", code]
            self._pipe = self._held.enter_context(piped(command, b"\0".join(map(os.fsencode, wanted))))
        except (IntercomError, OSError):
            return
        with suppress(AttributeError, OSError):  # Linux alone has it; else the two wait for each other a little more
            import fcntl

            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        self._paths = iter(wanted)
        self._wanted = next(self._paths, "")

    def next(self, path: Path) -> Segment | None:
        """The segment at `path`; None if the caller has to read it. Ask in the order of the paths, for each."""
        if os.fspath(path) != self._wanted:
            return None
        try:
            found = _received(self._pipe, self._wanted)
        except (OSError, EOFError, ValueError, TypeError):
            found = None
        if found is None:
            self.close()
        self._wanted = next(self._paths, "") if found is not None else ""
        return found

    def close(self) -> None:
        """End the process, if it still runs."""
        self._wanted = ""
        self._held.close()


def _received(pipe: IO[bytes], path: str) -> Segment | None:
    """The next segment that the other process has sent; None if it is not whole, or not that of `path`."""
    head = pipe.read(_SIZE)
    size = int.from_bytes(head, "big")
    data = pipe.read(size) if 0 < size < 1 << 32 else b""
    if len(head) < _SIZE or len(data) < size:
        return None
    found = Segment(*marshal.loads(data))  # noqa: S302  # our own process wrote it
    return found if found.path == path else None


def main() -> None:
    """The second process: paths on its input, separated by NUL; what is in them on its output."""
    import gc

    gc.disable()  # rows hold nothing that holds them, and there are many
    out = sys.stdout.buffer
    try:
        for name in filter(None, sys.stdin.buffer.read().split(b"\0")):
            data = marshal.dumps(tuple(read_segment(os.fsdecode(name))))
            out.write(len(data).to_bytes(_SIZE, "big"))
            out.write(data)
        out.flush()
    except (OSError, ValueError):
        os._exit(1)  # nobody reads any more, or a segment cannot be read: the first process says so
