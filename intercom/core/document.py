"""Owns reading JSON and TOML that others wrote, with limits, so that no file can hang or exhaust this process.

A document that is too deep, too long, has an absurd number, or is not a regular file is an error like any other.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

from intercom.core.patterns import lazy

MOST = 1024 * 1024  #: bytes; the default limit of a document
_DOTS = 100
_BITS = 64  #: size limit of an integer, as in TOML
_QUOTED = lazy(r"""#.*|"[^"\n]*"|'[^'\n]*'""")
_DEEP = lazy(rf"(?:\.[^.\n]*){{{_DOTS + 1}}}")


def text_of(path: Path, most: int = MOST, *, errors: str = "strict") -> str:
    """The text of a regular file of at most `most` bytes. OSError for anything else; UnicodeDecodeError.

    Never blocks, whatever is at `path` (a pipe, a device).
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(handle, encoding="utf-8", errors=errors) as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes")
        return file.read(most)


def toml(text: str) -> dict[str, Any]:
    """Parse TOML. ValueError, with the reason."""
    import tomllib

    if _DEEP.search(_QUOTED.sub("", text)):  # tomllib would take minutes on these
        raise ValueError(f"it has a line with more than {_DOTS} dots")
    try:
        found = tomllib.loads(text)
        _check(found)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return found


def json(text: str | bytes) -> Any:
    """Parse JSON. ValueError, with the reason."""
    from json import loads

    try:
        return loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _check(value: Any) -> None:
    """Raise ValueError for NaN and infinity, and for numbers too large to show."""
    if isinstance(value, dict):
        for one in value.values():
            _check(one)
    elif isinstance(value, list):
        for one in value:
            _check(one)
    elif isinstance(value, int) and value.bit_length() > _BITS:
        raise ValueError(f"it has a number of more than {_BITS} bits")
