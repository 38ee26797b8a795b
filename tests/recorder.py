"""Owns the recording of all that this process does to the files below a folder, by the calls of the system."""

from __future__ import annotations

import builtins
import fcntl
import io
import itertools
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from tests.powercut import ROOT, Bind, Cut, Disk, Mark, Op, State, Sync, Write

#: What is not recorded: SQLite's files, locks, and what Intercom keeps for one boot of the machine.
APART = re.compile(r"(?:.*\.db(?:-\w+)?|index.*|(?:.*[.])?lock(?:[.]until)?)\Z")
STATE = ".claude/local/.intercom/state.db"  #: of this file there are snapshots
_FOLLOWED = (
    *("open", "close", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "truncate", "posix_fallocate"),
    *("replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir"),
)
_REFUSED = ("symlink", "sendfile", "copy_file_range", "pwritev", "writev")


class Recorder:
    """Everything that is done below `root`, as a list of operations, and what was there before."""

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root)
        self.ops: list[Op] = []
        self.start = Disk()  #: all of it was on the disk
        self.names: dict[int, str] = {ROOT: "."}  #: the path that each file and folder had first
        self._numbers = itertools.count(1)
        self._handles: dict[int, int | None] = {}
        self._inodes: dict[tuple[int, int], int] = {}
        self.inodes: dict[int, int] = {}  #: of each file, the inode that it had here
        self._real: dict[str, Callable[..., Any]] = {}
        self._lock = threading.RLock()
        self._state: tuple[object, bytes] = (None, b"")
        self._adopt(ROOT, self.root)
        self.now = self.start.copy()  #: as a reader finds it
        self._snap()
        self.first = len(self.ops)  #: where the operations begin: before there is at most the state

    def _adopt(self, folder: int, path: str) -> None:
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                node = -next(self._numbers)
                self.start.folders[folder][entry.name] = node
                self.start.folders[node] = {}
                self._adopt(node, entry.path)
            elif not APART.match(entry.name):
                found = entry.stat()
                node = self._inodes.setdefault((found.st_dev, found.st_ino), next(self._numbers))
                self.start.folders[folder][entry.name] = node
                self.start.files[node] = Path(entry.path).read_bytes()
                self.inodes[node] = found.st_ino
            else:
                continue
            self.names[node] = os.path.relpath(entry.path, self.root)

    def mark(self, event: Any) -> None:
        """Note a moment."""
        self._add(Mark(event))

    def _add(self, op: Op) -> None:
        self._snap()
        self.ops.append(op)
        self.now.apply(op)

    def _snap(self) -> None:
        """Keep the state of this moment, if it is another than before."""
        path = f"{self.root}/{STATE}"
        times = _times(path), _times(f"{path}-wal")
        if times == self._state[0] or times[0] is None:
            return
        try:
            with closing(sqlite3.connect(path, timeout=0)) as db:
                data = db.serialize()
        except sqlite3.OperationalError:
            return  # in the middle of a change: what was before is what is on the disk
        if data != self._state[1]:
            self.ops.append(State(data))
        self._state = (_times(path), _times(f"{path}-wal")), data

    # -- whose file it is -------------------------------------------------------------------------

    def _place(self, path: Any) -> tuple[int, str] | None:
        """The folder and name of a path below the root; None for any other."""
        text = os.path.abspath(os.fsdecode(path))
        if not text.startswith(self.root + "/") or APART.match(os.path.basename(text)):
            return None
        folder = ROOT
        *above, name = text[len(self.root) + 1 :].split("/")
        for part in above:
            if part not in self.now.folders[folder]:
                return None  # as the system will say
            folder = self.now.folders[folder][part]
        return folder, name

    def _node(self, path: Any) -> int | None:
        if os.path.abspath(os.fsdecode(path)) == self.root:
            return ROOT
        place = self._place(path)
        return self.now.folders[place[0]].get(place[1]) if place else None

    def _node_of(self, handle: int) -> int | None:
        """The number of an open file or folder below the root; None for any other."""
        if handle in self._handles:
            return self._handles[handle]
        found = os.fstat(handle)
        return self._inodes.get((found.st_dev, found.st_ino))

    def _bind(self, place: tuple[int, str] | None, node: int | None) -> None:
        if place:
            self._add(Bind(place[0], ((place[1], node),)))

    def _new(self, path: Any, number: int) -> int:
        self.names[number] = os.path.relpath(os.fsdecode(path), self.root)
        return number

    # -- what is followed -------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """os.open."""
        assert dir_fd is None
        there = os.path.lexists(path)
        handle: int = self._real["open"](path, flags, mode)
        node, place = self._node(path), self._place(path)
        if place and not there:
            node = self._new(path, next(self._numbers))
            self.now.files[node] = b""
            self._bind(place, node)
        elif node is not None and node > ROOT and flags & os.O_TRUNC and self.now.files[node]:
            self._add(Cut(node, 0))
        if node is not None:
            found = os.fstat(handle)
            self._inodes[found.st_dev, found.st_ino] = node
            self.inodes[node] = found.st_ino
        self._handles[handle] = node
        return handle

    def close(self, handle: int) -> None:
        """os.close."""
        self._handles.pop(handle, None)
        self._real["close"](handle)

    def write(self, handle: int, data: Any) -> int:
        """os.write."""
        node, at = self._node_of(handle), 0
        if node is not None:
            at = os.lseek(handle, 0, os.SEEK_CUR)
        return self._written("write", node, at, (handle, data))

    def pwrite(self, handle: int, data: Any, at: int) -> int:
        """os.pwrite."""
        return self._written("pwrite", self._node_of(handle), at, (handle, data, at))

    def _written(self, name: str, node: int | None, at: int, given: tuple[Any, ...]) -> int:
        if node is not None and fcntl.fcntl(given[0], fcntl.F_GETFL) & os.O_APPEND:
            at = os.fstat(given[0]).st_size  # Linux appends, whatever the offset
        done: int = self._real[name](*given)
        if node is not None and done:
            self._add(Write(node, at, bytes(given[1][:done])))
        return done

    def fsync(self, handle: int) -> None:
        """os.fsync, os.fdatasync."""
        self._real["fsync"](handle)
        if (node := self._node_of(handle)) is not None:
            self._add(Sync(node))

    fdatasync = fsync

    def replace(self, source: Any, target: Any) -> None:
        """os.replace, os.rename."""
        node, before, after = self._node(source), self._place(source), self._place(target)
        self._real["replace"](source, target)
        assert node is not None or (before is None and after is None), f"{source} has come from elsewhere"
        if before and after and before[0] == after[0]:
            self._add(Bind(before[0], ((before[1], None), (after[1], node))))
        else:
            self._bind(after, node)
            self._bind(before, None)

    rename = replace

    def link(self, source: Any, target: Any) -> None:
        """os.link."""
        node = self._node(source)
        self._real["link"](source, target)
        self._bind(self._place(target), node)

    def unlink(self, path: Any) -> None:
        """os.unlink, os.remove."""
        self._real["unlink"](path)
        self._bind(self._place(path), None)

    remove = unlink

    def rmdir(self, path: Any) -> None:
        """os.rmdir."""
        self._real["rmdir"](path)
        self._bind(self._place(path), None)

    def ftruncate(self, handle: int, size: int) -> None:
        """os.ftruncate."""
        self._real["ftruncate"](handle, size)
        if (node := self._node_of(handle)) is not None:
            self._add(Cut(node, size))

    def truncate(self, path: Any, size: int) -> None:
        """os.truncate."""
        self._real["truncate"](path, size)
        if (node := self._node_of(path) if isinstance(path, int) else self._node(path)) is not None:
            self._add(Cut(node, size))

    def posix_fallocate(self, handle: int, at: int, size: int) -> None:
        """os.posix_fallocate."""
        self._real["posix_fallocate"](handle, at, size)
        if (node := self._node_of(handle)) is not None and os.fstat(handle).st_size > len(self.now.files[node]):
            self._add(Cut(node, os.fstat(handle).st_size))

    def mkdir(self, path: Any, mode: int = 0o777) -> None:
        """os.mkdir."""
        self._real["mkdir"](path, mode)
        if place := self._place(path):
            node = self._new(path, -next(self._numbers))
            self.now.folders[node] = {}
            self._bind(place, node)

    # -- being there ------------------------------------------------------------------------------

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Follow what is done within the block, by this thread and those that it starts."""
        self._real = {name: getattr(os, name) for name in (*_FOLLOWED, *_REFUSED)}
        opened = builtins.open
        try:
            for name in self._real:
                setattr(os, name, self._followed(name) if name in _FOLLOWED else _refused(name))
            builtins.open = io.open = self._opener(opened)
            yield
        finally:
            builtins.open = io.open = opened
            for name, real in self._real.items():
                setattr(os, name, real)
        self._snap()

    def _followed(self, name: str) -> Callable[..., Any]:
        method = getattr(self, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return method(*args, **kwargs)

        return call

    def _opener(self, opened: Callable[..., Any]) -> Callable[..., Any]:
        """What stands for the built-in `open`: a file below the root that is written to goes through `os`."""

        def call(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
            ours = self._node_of(file) is not None if isinstance(file, int) else self._place(file) is not None
            if not ours or not set(mode) & set("wax+"):
                return opened(file, mode, buffering, *args, **kwargs)
            raw = cast("io.RawIOBase", _Raw(file if isinstance(file, int) else os.open(file, _flags(mode), 0o666)))
            if "b" in mode and buffering == 0:
                return raw
            buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffer if "b" in mode else io.TextIOWrapper(buffer, *args, **kwargs)

        return call


class _Raw(io.RawIOBase):
    """An open file of which every byte goes through `os`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def fileno(self) -> int:
        return self._handle

    def readable(self) -> bool:
        return fcntl.fcntl(self._handle, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.read(self._handle, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return os.write(self._handle, bytes(data))

    def seek(self, at: int, whence: int = 0) -> int:
        return os.lseek(self._handle, at, whence)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        os.ftruncate(self._handle, size)
        return size

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._handle)


def _flags(mode: str) -> int:
    """The system's flags for a mode of the built-in `open`."""
    ways = {"r": 0, "w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT | os.O_APPEND, "x": os.O_CREAT | os.O_EXCL}
    access = os.O_RDWR if "+" in mode else os.O_WRONLY
    return access | os.O_CLOEXEC | next(flags for way, flags in ways.items() if way in mode)


def _refused(name: str) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise AssertionError(f"os.{name} is not followed yet: tests/recorder.py has to learn it")

    return call


def _times(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
