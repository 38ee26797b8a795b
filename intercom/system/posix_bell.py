"""Owns bells on POSIX systems: one process sleeps until another rings, so that neither looks in between.

A ring is only a hint to look: missed, repeated or late ones do no harm, since whoever sleeps also looks now and then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

assert sys.platform != "win32"


class Bell:
    """A bell of this process's own, which can also ring those of others. OSError if it cannot be made.

    It is a socket without a file, which only Linux has.
    """

    _close: Callable[[], object] = bool  # while there is nothing to close

    def __init__(self, name: str) -> None:
        import select
        import socket

        if sys.platform != "linux":
            raise OSError("this system has no bells")
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._close = self._socket.close
        self._socket.setblocking(False)
        self._socket.bind(_address(name))
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def sleep(self, seconds: float) -> None:
        """Sleep until somebody rings, at most so long."""
        if self._poll.poll(seconds * 1000):
            with suppress(OSError):
                while self._socket.recv(1):  # one look serves for many rings
                    pass

    def ring(self, name: str) -> bool:
        """Ring another's bell; returns whether there is such a one."""
        try:
            self._socket.sendto(b"!", _address(name))
        except BlockingIOError:
            return True  # it was rung so often that no more is kept
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close it: who rings finds nobody."""
        self._close()

    __del__ = close


def _address(name: str) -> bytes:
    return b"\0intercom-" + name.encode()
