"""Owns reading whole sources for a rebuild: a second process parses our archive while the first stores it.

Parsing a message costs about as much as storing it, so on a long history two processes take little more than half
the time. If the second fails in any way, the first reads on by itself, with the same result. The second ends by
itself once nobody reads its output.
"""

from __future__ import annotations

import marshal
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from intercom.core.errors import IntercomError
from intercom.format import Entry
from intercom.store.index import Control, Source, plain_rows, split
from intercom.store.index.build import Builder
from intercom.store.sources.tail import digest_before, fits, pieces, records, young
from intercom.store.sources.theirs import theirs
from intercom.system import host
from intercom.system.files import opened, storage
from intercom.system.folders import file_size, fingerprint

_WORTH = 8 * 1024 * 1024  #: bytes; parsing less is faster than starting a process
_MUCH = 8 * 1024 * 1024  #: bytes; adding less to an existing index is faster
_MOST = 16 * 1024 * 1024  #: bytes of one segment that are held in memory
_PIPE = 1024 * 1024  #: bytes buffered for the first process
_SIZE = 8  #: bytes of the length before each segment's data


class Segment(NamedTuple):
    """One segment's content: its mark before it was read, and the rows and counts for a Builder."""

    mark: str
    settled: int
    proof: str
    path: str
    rows: list[tuple[Any, ...]]
    hands: dict[str, int]
    controls: list[Control]


def mostly_new(db: sqlite3.Connection, root: str, paths: Sequence[str]) -> bool:
    """Whether so much of these sources is new that rebuilding the index is faster and takes less memory."""
    sizes = {path: file_size(Path(root, path)) for path in paths}
    if sum(sizes.values()) < _MUCH:
        return False
    read = dict(db.execute("SELECT path, settled FROM sources").fetchall())
    new = sum(max(0, size - read.get(path, 0)) for path, size in sizes.items())
    return bool(new >= max(_MUCH, sum(read.values()) // 4))


Found = tuple[str, int, str]  #: a source's mark, where the next parse begins, digest of what precedes that


def load(builder: Builder, source: Source, path: Path, mark: str, tell: Callable[[int], None]) -> Found | None:
    """Add all of another machine's file; None if it is gone. `tell` gets the offset after each piece.

    StorageError.
    """
    settled = 0
    hands: dict[str, int] = {}
    try:
        file = opened(path)
    except FileNotFoundError:
        return None
    with file, storage(f"read {path}", "nothing was read"):
        hold = young(file)
        for entries, settled in theirs(file, 0, source, hold=hold):
            builder.add(source, entries, hands)
            tell(settled)
        mark = "" if hold and not settled else mark
        return mark, settled, digest_before(file, settled, whole=True)


def load_segment(
    builder: Builder,
    source: Source,
    path: Path,
    mark: str,
    end: int | None,
    tell: Callable[[int], None],
    *,
    sealed: bool,
    digest: str,
) -> Found:
    """As `load`, for a segment of ours up to `end`. StorageError."""
    settled = 0
    hands: dict[str, int] = {}
    with storage(f"read {path}", "nothing was read"), opened(path) as file:
        for entries, settled in _read(file, end, sealed=sealed, digest=digest):
            messages, controls = split(entries) if sealed else (entries, [])
            builder.put(source, plain_rows(source, messages, hands), hands, controls)
            tell(settled)
        return mark, settled, digest_before(file, settled, whole=False)


def _read(file: BinaryIO, end: int | None, *, sealed: bool, digest: str) -> Iterator[tuple[list[Entry], int]]:
    if not sealed:
        return pieces(file, 0, end, hold=False)
    return records(file, 0, end, proven=fits(file, digest))


def read_segment(path: str, *, sealed: bool, digest: str = "") -> Segment:
    """Read a segment of ours in one go. OSError."""
    mark, settled = fingerprint(path), 0
    rows: list[tuple[Any, ...]] = []
    hands: dict[str, int] = {}
    found: list[Control] = []
    with opened(path) as file:
        for entries, settled in _read(file, None, sealed=sealed, digest=digest):  # noqa: B007  # the last one counts
            messages, controls = split(entries) if sealed else (entries, [])
            found += [control._replace(before=control.before + len(rows)) for control in controls]
            rows += plain_rows(Source(0, trusted=True), messages, hands)
        return Segment(mark, settled, digest_before(file, settled, whole=False), path, rows, hands, found)


class Ahead:
    """Segments read ahead by a second process, in order: the path of each, whether it is sealed, its digest.

    `next` returns None if that is not worthwhile, or if the process cannot be started or fails. Close it in any
    case.
    """

    def __init__(self, segments: Sequence[tuple[Path, bool, str]]) -> None:
        sizes = [(os.fspath(path), file_size(path)) for path, *_ in segments]
        small = {path for path, size in sizes if size <= _MOST}
        wanted = [(os.fspath(path), sealed, digest) for path, sealed, digest in segments if os.fspath(path) in small]
        self._held = ExitStack()
        self._paths: Iterator[str] = iter(())
        self._wanted = ""
        if sum(size for _, size in sizes if size <= _MOST) >= _WORTH and (os.cpu_count() or 1) > 1:
            self._start(wanted)

    def _start(self, wanted: list[tuple[str, bool, str]]) -> None:
        from intercom.system.proc import piped

        home = os.fspath(Path(__file__).resolve().parents[3])
        code = f"import sys; sys.path.append({home!r}); from intercom.store.sources.readahead import main; main()"
        try:
            # Isolated: no file in the folder and no environment variable changes what it runs.
            command = [sys.executable, "-I", "-S", "-c", code]
            asked = b"\0".join(
                b"%d %s %s" % (sealed, digest.encode(), os.fsencode(path)) for path, sealed, digest in wanted
            )
            self._pipe = self._held.enter_context(piped(command, asked))
        except (IntercomError, OSError):
            return
        host.widen_pipe(self._pipe, _PIPE)  # otherwise the two wait for each other a little more
        self._paths = iter([path for path, *_ in wanted])
        self._wanted = next(self._paths, "")

    def next(self, path: Path) -> Segment | None:
        """The segment at `path`; None if the caller has to read it. Call it for each path, in order."""
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
    """The next segment sent by the other process; None if it is incomplete, or not that of `path`."""
    head = pipe.read(_SIZE)
    size = int.from_bytes(head, "big")
    data = pipe.read(size) if 0 < size < 1 << 32 else b""
    if len(head) < _SIZE or len(data) < size:
        return None
    found = Segment(*marshal.loads(data))  # noqa: S302  # our own process wrote it
    found = found._replace(controls=[Control(*control) for control in found.controls])
    return found if found.path == path else None


def main() -> None:
    """The second process: reads NUL-separated paths from its input, writes their content to its output."""
    import gc

    gc.disable()  # rows form no cycles, and there are many
    out = sys.stdout.buffer
    try:
        for name in filter(None, sys.stdin.buffer.read().split(b"\0")):
            sealed, digest, path = name.split(b" ", 2)
            found = read_segment(os.fsdecode(path), sealed=sealed == b"1", digest=digest.decode())
            data = marshal.dumps((*found[:-1], [tuple(control) for control in found.controls]))
            out.write(len(data).to_bytes(_SIZE, "big"))
            out.write(data)
        out.flush()
    except (OSError, ValueError):
        os._exit(1)  # nobody reads any more, or a segment is unreadable: the first process reports that
