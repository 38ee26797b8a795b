"""Owns the other names that models use for our arguments, words and tools, if they are unambiguous.

Another spelling (`replyTo`, `Reply-To`) is the argument itself. A synonym is accepted only if the argument is not
given and no other argument could be meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

_AGENT = ("name", "agent", "agent_id", "agent_name")
_TEXT = ("text", "body", "content", "msg")
#: By argument: its synonyms, each with the kind of value that it must have ("" for any).
_ARGUMENTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("to", "string"): ("recipient", "recipients", "receiver", "to_agent", "send_to", "target", "destination", "worker"),
    ("message", "string"): _TEXT,
    ("worker", "string"): ("worker_id", "worker_name", "to", "recipient", *_AGENT),
    ("worker_id", "string"): ("worker", "worker_name", "id", *_AGENT),
    ("name", "string"): ("agent", "agent_id", "agent_name", "id", "worker_id"),
    ("role_instructions", "string"): ("instructions", "task", "task_description", "description", "message", *_TEXT),
    ("reply_to", "string"): ("in_reply_to", "reply_to_id", "reply_to_message_id"),
    ("type", "string"): ("message_type", "msg_type", "kind"),
    ("kind", "string"): ("type",),
    ("from", "string"): ("sender", "from_agent"),
    ("query", "string"): ("q", "search", "keyword", "keywords", "text"),
    ("thread", "string"): ("thread_id", "topic"),
    ("branch", "string"): ("branch_name",),
    ("commit", "string"): ("commit_hash", "commit_id", "sha"),
    ("priority", "string"): ("urgency", "importance"),
    ("decision", "string"): ("action", "answer", "response"),
    ("wait", "number"): ("wait_seconds", "timeout", "timeout_seconds"),
    ("ready_timeout", "number"): ("timeout", "timeout_seconds"),
    ("limit", "integer"): ("max", "count", "n", "max_results", "max_messages"),
    ("count", "integer"): ("n", "number", "workers", "num_workers", "worker_count"),
}
#: By argument: synonyms of its values.
_WORDS = {"priority": {"high": "urgent", "critical": "urgent", "low": "normal", "medium": "normal"}}
#: Names of tools that do not exist, and what to call instead.
_TOOLS = {
    "history": "intercomm_read with all=true",
    "log": "intercomm_read with all=true",
    "search": "intercomm_read with query",
    "inbox": "intercomm_read",
    "receive": "intercomm_read",
    "wait": "intercomm_read with wait",
    "reply": "intercomm_send with reply_to",
    "message": "intercomm_send",
    "agents": "intercomm_status",
    "receipts": "intercomm_status with receipts=true",
    "workers": "intercomm_scan",
    "compact": "intercomm_clear",
    "archive": "intercomm_clear",
}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def plain(name: str) -> str:
    """A name in our spelling: `replyTo` and `Reply-To` become `reply_to`."""
    return _HUMP.sub("_", name).replace("-", "_").replace(" ", "_").lower()


def renamed(given: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    """A call's arguments under our names, if unambiguous; `kinds` of ours by name. Others stay."""
    taken = {name for name in given if name in kinds}
    meant: dict[str, list[str]] = {}
    for name in given:
        if name not in kinds:
            for ours in _meant(plain(name), kinds, taken):
                meant.setdefault(ours, []).append(name)
    to = {names[0]: ours for ours, names in meant.items() if len(names) == 1}
    several = {name for names in meant.values() for name in names if sum(name in some for some in meant.values()) > 1}
    return {name if name in several else to.get(name, name): value for name, value in given.items()}


def _meant(name: str, kinds: dict[str, str], taken: Collection[str]) -> Iterable[str]:
    """The arguments that an unknown name may mean."""
    if name in kinds:
        return [name] if name not in taken else []
    return [
        ours
        for (ours, kind), names in _ARGUMENTS.items()
        if name in names and kinds.get(ours) == kind and ours not in taken
    ]


def word(argument: str, said: str) -> str:
    """An argument's value, with a synonym replaced."""
    return _WORDS.get(argument, {}).get(said.lower(), said)


def tool(name: str) -> str | None:
    """What to call instead of a tool that does not exist; None if unknown."""
    words = plain(name).removeprefix("intercomm_").removeprefix("intercom_").split("_")
    return next((_TOOLS[one] for one in words if one in _TOOLS), None)
