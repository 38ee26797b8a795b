"""Owns what the screen needs of its terminal."""

from __future__ import annotations

import codecs
import os
import sys

from intercom.core.errors import UsageError
from intercom.core.escaping import value

_INSTEAD = "nothing was shown. Without a screen: intercom ui --plain, or intercom status"
_CANNOT = ("dumb", "unknown")  #: values of TERM: terminals without a cursor that moves


def require() -> None:
    """Raise UsageError if the screen cannot be shown here."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError(f"ui needs a terminal as its input, output and error output; {_INSTEAD}")
    if (term := os.environ.get("TERM", "")).lower() in _CANNOT:
        raise UsageError(f"ui needs a terminal whose cursor moves, and TERM is {value(term)!r}; {_INSTEAD}")
    if codecs.lookup(sys.stderr.encoding).name != "utf-8":
        raise UsageError(f"ui draws in UTF-8, and this terminal's encoding is {sys.stderr.encoding}; {_INSTEAD}")
