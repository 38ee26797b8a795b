"""Owns how a request for permission is told: on one line, and whole to whoever decides on it.

Whole means all that the tool is given. What is longer than `SHOWN` is cut there, and then the request cannot be
allowed by its id alone. Only the texts that an editing tool puts into a file are left out: it is about the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from intercom.core.escaping import escaped
from intercom.core.fleet_words import SHOWN
from intercom.core.texts import one_line

_ABOUT = ("command", "paths", "url")
WENT = "its dialog is gone: answered there, or taken back"  #: why a request needs no answer any more
_NAMED = {"command", "file_path", "notebook_path", "path", "url", "description"}  # shown under names of their own
_TEXTS = {"content", "new_string", "old_string", "new_source", "edits", "timeout"}


def parts(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What it is about, each part with its name and whole."""
    for key in _ABOUT:
        if found := request.get(key):
            yield key, found if isinstance(found, str) else ", ".join(found)
    given = request.get("input")
    inputs = given if isinstance(given, Mapping) else {}
    if not any(request.get(key) for key in _ABOUT):
        yield "input", in_json(inputs)
        return
    own = _NAMED | (set() if str(request.get("tool")).startswith("mcp__") else _TEXTS)
    if rest := {key: value for key, value in inputs.items() if key not in own or not isinstance(value, str | int)}:
        yield "also", in_json(rest)


def seen_whole(request: Mapping[str, Any]) -> bool:
    """Whether all of it was shown to whoever was asked."""
    texts = [str(request.get("subject") or ""), *(text for _, text in parts(request))]
    return all(len(text) <= SHOWN for text in texts)


def about(request: Mapping[str, Any]) -> str:
    """What it is about: the command, paths, or whatever else tells most; "" if nothing does."""
    paths = ", ".join(map(str, request.get("paths") or ()))
    told = (request.get("command"), paths, request.get("subject"), request.get("url"), request.get("description"))
    return next((str(one) for one in told if one), "")


def in_short(request: Mapping[str, Any], most: int) -> str:
    """A request, or a session's last tool call, on one line of at most so many characters: `Bash: make test`."""
    return one_line(": ".join(part for part in (str(request.get("tool") or ""), about(request)) if part), most)


def in_json(found: object) -> str:
    """A value as JSON on one line, in which nothing is invisible."""
    return escaped(json.dumps(found, ensure_ascii=False))
