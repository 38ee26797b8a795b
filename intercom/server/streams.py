"""Owns a server's standard streams: whether an event loop can watch them, and keeping others from using them."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from intercom.system import host


def watched(*streams: BinaryIO) -> bool:
    """Whether an event loop can wait for all of these: never for a regular file, and not for pipes on some systems."""
    if not host.LOOP_WATCHES_PIPES:
        return False
    for stream in streams:
        mode = os.fstat(stream.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(stream.fileno())):
            return False
    return True


def claim() -> tuple[BinaryIO, BinaryIO]:
    """Take over stdin and stdout; everything else in this process gets /dev/null and stderr instead."""
    mine = tuple(host.spare(fd) for fd in (0, 1))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # started without a stderr
        os.dup2(nothing, 1)
    os.close(nothing)
    return os.fdopen(mine[0], "rb", 0), os.fdopen(mine[1], "wb", 0)
