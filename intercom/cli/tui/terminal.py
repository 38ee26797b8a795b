"""Owns what the screen needs of its terminal, and whose colours it shows there."""

from __future__ import annotations

import codecs
import os
import sys

from intercom.core.display import value
from intercom.core.errors import UsageError

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


def own_colours() -> bool:
    """Whether to show the terminal's own colours: it has 16, from which no others can be mixed, or NO_COLOR is set."""
    from rich.console import Console
    from textual import constants

    wanted = constants.COLOR_SYSTEM
    system = Console(force_terminal=True).color_system if wanted == "auto" else wanted
    return system in (None, "standard") or os.environ.get("NO_COLOR") is not None
