"""Owns what only macOS needs: the start time of a process, and the id of the current boot.

macOS has no /proc, so these call the C library. Only `posix` uses this module, and only on macOS.
"""

from __future__ import annotations

import ctypes
import errno
import os

_BSD_INFO = 3  # PROC_PIDTBSDINFO
_SIZE, _START = 136, 120  # size of a proc_bsdinfo, and the offset of its start time (seconds, microseconds)
_ZOMBIE = 5  # SZOMB


def process_start(pid: int) -> str | None:
    """Start of a process in microseconds since 1970; "?" if we may not know, None if it has ended."""
    libc = ctypes.CDLL(None, use_errno=True)
    held = ctypes.create_string_buffer(_SIZE)
    got = libc.proc_pidinfo(pid, _BSD_INFO, ctypes.c_uint64(0), held, _SIZE)
    if got != _SIZE:
        return None if ctypes.get_errno() == errno.ESRCH or not _exists(pid) else "?"
    data = held.raw
    if int.from_bytes(data[4:8], "little") == _ZOMBIE:
        return None
    seconds, micros = (int.from_bytes(data[at : at + 8], "little") for at in (_START, _START + 8))
    return str(seconds * 1_000_000 + micros)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def boot_session() -> str:
    """An id that changes with every boot; "" if the system does not tell."""
    libc = ctypes.CDLL(None)
    size = ctypes.c_size_t(64)
    held = ctypes.create_string_buffer(size.value)
    if libc.sysctlbyname(b"kern.bootsessionuuid", held, ctypes.byref(size), None, ctypes.c_size_t(0)):
        return ""
    return held.value.decode("ascii", "replace")
