"""Owns taking a table out of a TOML text that others have laid out anew, with or without our marks. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from intercom.fleet.clients.edit import block

_HEADER = re.compile(r"[ \t]*\[\[?([^\]]*)\]")
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*(?:\.|\Z)""")


def cut(text: str, keys: Sequence[str]) -> str:
    """Without the lines of this table and those below it, and without our marks; nothing else is lost by that.

    Comments and blank lines before the next header belong to that. A line within a long string may be taken for one:
    who calls this compares what both texts say.
    """
    out: list[str] = []
    waiting: list[str] = []
    ours = False
    for line in re.split(r"(?<=\n)", text):
        if block.is_mark(line):
            ours = False
            continue
        if header := _HEADER.match(line):
            ours = _names(header[1])[: len(keys)] == list(keys)
            out += waiting
            waiting = []
        if not ours:
            out += [*waiting, line]
            waiting = []
        elif not line.strip() or line.lstrip().startswith("#"):
            waiting.append(line)
        else:
            waiting = []
    return "".join([*out, *waiting])


def _names(header: str) -> list[str]:
    return [double or single or bare for double, single, bare in _KEY.findall(header)]
