"""Owns reading from Claude Code's transcript, after a turn broke off, which hook output stayed in the conversation.

A prompt that a person takes back before the model has said anything leaves the conversation, together with the hook
output beside it. The lines stay in the file, but nothing continues from them. Each line is one JSON object:

    user, assistant   `uuid`, `parentUuid`: somebody's turn, and what it follows
    attachment        the same, with `attachment.hookEvent` and what that hook said
    queue-operation   what waits for its turn: a wake that came while another turn ran
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from intercom.core import document
from intercom.system.files import opened

_TAIL = 4 << 20  #: bytes read from the end
_TAKEN_BACK = "UserPromptSubmit"  #: output of other events stays in the conversation


def retained(path: str, idents: Iterable[str]) -> set[str]:
    """The messages among these that the conversation in `path` has from hooks; none if the file does not exist."""
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
    """The messages among these that came into the conversation in `path` by a wake; `queued`: or are queued."""
    lines = [line for line, one in _lines(path) if _is_wake(one) or (queued and one.get("type") == "queue-operation")]
    return {ident for ident in idents if any(ident.encode() in line for line in lines)}


def prompts(path: str) -> list[str]:
    """What was said to the model in the conversation in `path`; nothing that only waited for its turn."""
    from intercom.fleet.programs.talk import texts

    return [said for _, one in _lines(path) if one.get("type") == "user" for said in texts(one.get("message"))]


def _is_wake(one: dict[str, Any]) -> bool:
    about = one.get("attachment")
    return one.get("type") == "user" or (isinstance(about, dict) and about.get("type") == "queued_command")


def _stays(one: dict[str, Any], followed: set[str]) -> bool:
    about = one.get("attachment")
    event = about.get("hookEvent") if isinstance(about, dict) else None
    return event is not None and (event != _TAKEN_BACK or one.get("uuid") in followed)


def _lines(path: str) -> list[tuple[bytes, dict[str, Any]]]:
    """The last lines, each with its parsed object; others are left out."""
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
            continue  # cut by our offset, or just being written
        if isinstance(one, dict):
            found.append((line, one))
    return found
