"""Owns a server's two streams where no event loop can wait for them: files, and pipes on Windows.

One thread reads and one writes, so a client that does not read delays nobody. Both are daemons: a pending read does
not keep the server from exiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

_PIECE = 64 * 1024  #: bytes per read
_HIGH, _LOW = (
    1 << 20,
    1 << 18,
)  #: bytes queued for the client: pause above the one, resume below the other


class Source(asyncio.ReadTransport):
    """Reads `file`, unbuffered, for `protocol`."""

    def __init__(self, file: BinaryIO, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._file, self._protocol = file, protocol
        self._loop = asyncio.get_running_loop()
        self._may = threading.Event()
        self._may.set()
        self._closed = False
        protocol.connection_made(self)
        threading.Thread(target=self._read, name="intercom-read", daemon=True).start()

    def pause_reading(self) -> None:
        """Read no more than what is under way."""
        self._may.clear()

    def resume_reading(self) -> None:
        """Resume reading."""
        self._may.set()

    def close(self) -> None:
        """Pass on nothing more."""
        self._closed = True
        self._may.set()

    def _read(self) -> None:
        while self._may.wait() and not self._closed:
            try:
                data = self._file.read(_PIECE)
            except (OSError, ValueError):
                data = b""
            if not data:
                _tell(self._loop, self._protocol.connection_lost, None)
                break
            if not self._closed:
                _tell(self._loop, self._protocol.data_received, data)
        with contextlib.suppress(OSError):
            self._file.close()


class Sink(asyncio.WriteTransport):
    """Writes to `file`, unbuffered, what `protocol` gives it."""

    def __init__(self, file: BinaryIO, protocol: asyncio.BaseProtocol) -> None:
        super().__init__({"pipe": file})  # as asyncio's own
        self._file, self._protocol = file, protocol
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting = 0
        self._full = False
        self._closing = False
        protocol.connection_made(self)
        threading.Thread(target=self._write, name="intercom-write", daemon=True).start()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue `data` for writing."""
        self._jobs.put(bytes(data))
        self._waiting += len(data)
        if self._waiting > _HIGH and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Bytes that are queued and not written yet."""
        return self._waiting

    def is_closing(self) -> bool:
        """Whether nothing more is accepted."""
        return self._closing

    def close(self) -> None:
        """Write what is queued, then close the file."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)

    def _write(self) -> None:
        while (data := self._jobs.get()) is not None:
            view = memoryview(data)
            try:
                while view:
                    view = view[self._file.write(view[:_PIECE]) :]
            except (OSError, ValueError):
                break  # the reader is gone
            _tell(self._loop, self._wrote, len(data))
        _tell(self._loop, self._lost)

    def _wrote(self, size: int) -> None:
        self._waiting -= size
        if self._full and self._waiting < _LOW:
            self._full = False
            self._protocol.resume_writing()

    def _lost(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._file.close()
        self._protocol.connection_lost(None)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[..., Any], *args: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(what, *args)
