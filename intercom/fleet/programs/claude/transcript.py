"""Owns what Claude Code's transcript says of a turn that broke off: what hooks gave it that its conversation has.

A prompt that a person takes back before the model has said anything leaves the conversation, and what a hook put
beside it goes with it. Its lines stay in the file; only nothing follows on them. Each line is one JSON object:

    user, assistant   `uuid`, `parentUuid`: somebody's turn, and what it follows
    attachment        the same, with `attachment.hookEvent` and what that hook said
    queue-operation   what waits for its turn: a wake that came while another turn ran
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from intercom.core import document
from intercom.system.files import opened

_TAIL = 4 << 20  #: bytes from the end that are looked at
_TAKEN_BACK = "UserPromptSubmit"  #: what other events put beside a turn stays in the conversation


def kept(path: str, idents: Iterable[str]) -> set[str]:
    """Which of these messages the conversation in `path` has from hooks; none where there is no such file."""
    lines = _lines(path)
    parents = {str(one.get("uuid")): one.get("parentUuid") for _, one in lines if one.get("type") == "attachment"}
    followed: set[str] = set()
    for _, one in lines:
        parent = one.get("parentUuid") if one.get("type") in ("user", "assistant") else None
        while parent in parents and parent not in followed:
            followed.add(parent)
            parent = parents[parent]
    beside = [line for line, one in lines if _stays(one, followed)]
    return {ident for ident in idents if any(ident.encode() in line for line in beside)}


def came(path: str, idents: Iterable[str], *, queued: bool = False) -> set[str]:
    """Which of these messages came into the conversation in `path` by a wake; `queued`: or wait for their turn."""
    lines = [line for line, one in _lines(path) if _is_wake(one) or (queued and one.get("type") == "queue-operation")]
    return {ident for ident in idents if any(ident.encode() in line for line in lines)}


def _is_wake(one: dict[str, Any]) -> bool:
    about = one.get("attachment")
    return one.get("type") == "user" or (isinstance(about, dict) and about.get("type") == "queued_command")


def _stays(one: dict[str, Any], followed: set[str]) -> bool:
    about = one.get("attachment")
    event = about.get("hookEvent") if isinstance(about, dict) else None
    return event is not None and (event != _TAKEN_BACK or one.get("uuid") in followed)


def _lines(path: str) -> list[tuple[bytes, dict[str, Any]]]:
    """The last lines, each with what it says; what is not an object is left out."""
    try:
        with opened(path) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            raw = file.read().split(b"\n")
    except OSError:
        return []
    found = []
    for line in raw:
        try:
            one = document.json(line)
        except ValueError:
            continue  # torn by us, or just being written
        if isinstance(one, dict):
            found.append((line, one))
    return found
