"""Owns the log format, INTERCOM 1.2: parsing bytes into entries and rendering messages to bytes. No I/O.

`grammar` holds the rules and the regexes, `parse` reads (tolerantly), `render` writes (strictly), `text` converts
between bytes and text and decides when two messages differ only in formatting.
"""

from __future__ import annotations

from intercom.format.grammar import FRONT, MARKER, MESSAGE, PREAMBLE, Entry
from intercom.format.parse import Parser, one, parse
from intercom.format.render import marker, render, rendered, seam
from intercom.format.text import decode, digest, encode, hand_id

__all__ = [
    "FRONT",
    "MARKER",
    "MESSAGE",
    "PREAMBLE",
    "Entry",
    "Parser",
    "decode",
    "digest",
    "encode",
    "hand_id",
    "marker",
    "one",
    "parse",
    "render",
    "rendered",
    "seam",
]
