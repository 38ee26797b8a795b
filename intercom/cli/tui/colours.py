"""Owns the colours of the screen: whose colours it shows, each name's, each group's, and what NO_COLOR leaves."""

from __future__ import annotations

import hashlib
import os
from typing import Final

from intercom.core.fleet_words import DONE, ELSEWHERE, IDLE, NEEDS_YOU, STUCK, WORKING

SIXTEEN: Final = "ansi-dark"  #: the theme for terminals of 16 colours: it takes the terminal's own, and mixes none
#: Each group's sign and colour: never only a colour.
SIGNS: Final = {NEEDS_YOU: "!", STUCK: "x", WORKING: "●", IDLE: "○", DONE: "✓", ELSEWHERE: "@"}
OF_GROUP: Final = {NEEDS_YOU: "bold red", STUCK: "red", WORKING: "green", IDLE: "", DONE: "dim", ELSEWHERE: "dim"}
_NAMES = ("cyan", "green", "yellow", "magenta", "bright_blue", "bright_cyan", "bright_green", "bright_magenta")
_SHAPES = {"bold", "dim", "italic", "underline"}


def shade(style: str) -> str:
    """A style; without its colour if NO_COLOR is set, since a grey shade would be unreadable."""
    return " ".join(word for word in style.split() if word in _SHAPES) if _no_colour() else style


def colour_of(name: str) -> str:
    """A name's colour, the same everywhere; "" for none."""
    return shade(_NAMES[hashlib.sha256(name.encode("utf-8", "replace")).digest()[0] % len(_NAMES)])


def own_colours() -> bool:
    """Whether to show the terminal's own colours: it has 16, from which no others can be mixed, or NO_COLOR is set."""
    from rich.console import Console
    from textual import constants

    wanted = constants.COLOR_SYSTEM
    system = Console(force_terminal=True).color_system if wanted == "auto" else wanted
    return system in (None, "standard") or _no_colour()


def _no_colour() -> bool:
    return os.environ.get("NO_COLOR") is not None
