"""Owns the task contract: the JSON by which a master hands a worker its task (version 2).

    {"kind": "task_contract", "v": 2, "role": …, "role_instructions": …,
     "aimfp_target": {"type": …, "id"?: 7, "slug"?: "…"}, "reportBack": ["branch", "commit"]}

It travels as the body of a message: first in words for people, then as fenced JSON, which is authoritative. The JSON
alone is valid too. `aimfp_target` points at a row of an AIMFP project; without AIMFP it is left out and
`role_instructions` carries the task. Pure: text in, values out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from intercom.core.errors import UsageError
from intercom.core.message import MACHINE, USER, Message, canonical, machine_of
from intercom.core.texts import one_line

KIND = "task_contract"
VERSION = 2
TARGET_TYPES = ("task", "milestone", "subtask", "sidequest", "item")
REPORT_BACK = ("branch", "commit")
_NAMES = (KIND, "role_instructions", "reportBack", "aimfp_target", "kind")  #: two of these are no coincidence
MEND = "Do not act on it; ask the sender for a valid one"  #: for readers of an invalid one
_TITLE = "**Task contract**"  #: first line of the words, by which a reader recognises them
_FENCED = re.compile(
    r"\A(?P<words>.*\n)[ ]{0,3}(?P<fence>`{3,}|~{3,})json[ \t]*\n(?P<json>.*)\n[ ]{0,3}(?P=fence)\s*\Z", re.DOTALL
)


class ContractError(UsageError):
    """An invalid task contract. Nothing may act on it; the message says why."""


class Target(NamedTuple):
    """The AIMFP entity a contract points at, by id, by slug, or (from other tools) by both."""

    type: str
    id: int | None = None
    slug: str | None = None


class Contract(NamedTuple):
    """A valid task contract."""

    role: str
    role_instructions: str
    target: Target | None = None
    report_back: tuple[str, ...] = REPORT_BACK

    def to_json(self) -> dict[str, Any]:
        """The wire form, in the order people read it."""
        out: dict[str, Any] = {
            "kind": KIND,
            "v": VERSION,
            "role": self.role,
            "role_instructions": self.role_instructions,
        }
        if self.target is not None:
            pairs = {"type": self.target.type, "id": self.target.id, "slug": self.target.slug}
            out["aimfp_target"] = {key: value for key, value in pairs.items() if value is not None}
        out["reportBack"] = list(self.report_back)
        return out


def build(contract: Contract) -> str:
    """The message body that carries `contract`; ContractError if the other side would refuse it."""
    raw = contract.to_json()
    said = words(_validate(raw))
    longest = max((len(found) for found in re.findall("`+", said)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{said}\n\n{fence}json\n{json.dumps(raw, ensure_ascii=False)}\n{fence}"


def words(contract: Contract) -> str:
    """Render the contract as prose for people."""
    target = contract.target
    about = [str(part) for part in target[1:] if part is not None] if target is not None else []
    end = [f"AIMFP {target.type}: {', '.join(about)}."] if target is not None else []
    end += [f"Report back: {', '.join(contract.report_back)}."] if contract.report_back else []
    return "\n\n".join(
        [f"{_TITLE} for a {contract.role}", contract.role_instructions, *([" ".join(end)] if end else [])]
    )


def readable(body: str) -> str:
    """A message body for display: a contract as prose, anything else unchanged."""
    try:
        found = parse(body)
    except ContractError:
        return body
    return body if found is None else words(found)


def gist(body: str) -> str:
    """What a body is about: a contract's instructions, or else the whole body."""
    try:
        found = parse(body)
    except ContractError:
        return body
    return body if found is None else found.role_instructions


def in_short(body: str, most: int) -> str:
    """The gist on one line of at most so many characters."""
    return one_line(gist(body), most)


def wire(body: str) -> str:
    """The contract's JSON exactly as it appears in the body."""
    return _json_of(body.strip())[0]


def parse(body: str) -> Contract | None:
    """The contract in a message body; None if the body is not a contract at all.

    Raises ContractError if the body is meant as a contract but is not a valid one, including when its prose
    contradicts its JSON. A fence around the JSON is allowed, because people put one there.
    """
    text, said = _json_of(body.strip())
    if not text.startswith("{") or KIND not in text:
        return None
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        if '"kind"' not in text:
            return None
        raise ContractError(f"the task contract is not valid JSON ({error})") from None
    if not isinstance(raw, dict) or raw.get("kind") != KIND:
        return None
    found = _validate(raw)
    if said and _letters(said) != _letters(words(found)):
        raise ContractError("the task contract's words and its JSON differ, and nobody can tell which is meant")
    return found


def meant(message: Message, *, worker: bool) -> Contract | None:
    """The contract that a message carries; None if the message is about something else. Errors as `parse`.

    Also raises ContractError for text that reads like a contract without being one and, if the reader is a `worker`,
    for a task without a contract: a worker acts on nothing else. For anyone else a task in prose is a request like
    any other.
    """
    found = parse(message.body)
    if found is not None:
        return found
    names = sum(name in message.body for name in _NAMES)
    if names >= 2 and (message.type == "task" or message.body.lstrip().startswith(("{", "[", "`"))):
        raise ContractError("this reads like a task contract but is not one: the body must be just its JSON")
    if worker and message.type == "task":
        raise ContractError("this is a task without a task contract, which intercomm_assign would make")
    return None


def is_order(message: Message, masters: Collection[str]) -> bool:
    """Whether the contract in this message binds its reader: it provably comes from a master (`masters`) or a person.

    `masters` includes names at other machines, if those machines are trusted.
    """
    sender = canonical(message.sender)
    if message.via == MACHINE:
        return bool(machine_of(sender)) and sender in masters
    return message.proven and not machine_of(sender) and (sender in masters or sender == USER)


def _json_of(text: str) -> tuple[str, str]:
    """Split a text into the contract's JSON and the prose above its fence ("" if there is none)."""
    first, _, rest = text.partition("\n")
    if first.startswith("```") and rest.rstrip().endswith("```"):  # a fence around everything
        inside = rest.rstrip()[:-3].strip()
        return _json_of(inside) if inside.startswith(_TITLE) else (inside, "")
    found = _FENCED.match(text) if text.startswith(_TITLE) else None
    return (found["json"].strip(), found["words"].strip()) if found else (text, "")


def _letters(text: str) -> str:
    """The characters of a text that no formatter changes."""
    return "".join(filter(str.isalnum, text))


def _validate(raw: dict[str, Any]) -> Contract:
    """Check every field of a decoded contract; unknown fields are left alone, for later versions."""
    if type(raw.get("v")) is not int or raw["v"] != VERSION:
        raise ContractError(f"task contract version {raw.get('v')!r} is not known; this is version {VERSION}")
    for field in ("role", "role_instructions"):
        if not isinstance(raw.get(field), str) or not raw[field].strip():
            raise ContractError(f"task contract: {field} must be text, and not empty")
    report = raw.get("reportBack")
    if not isinstance(report, list) or not all(isinstance(item, str) for item in report):
        raise ContractError("task contract: reportBack must be a list of texts")
    return Contract(raw["role"], raw["role_instructions"], _target(raw.get("aimfp_target")), tuple(report))


def _target(raw: object) -> Target | None:
    """The `aimfp_target` of a decoded contract; None if it is absent or null."""
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ContractError("task contract: aimfp_target must be an object")
    if raw.get("type") not in TARGET_TYPES:
        raise ContractError(f"task contract: aimfp_target.type must be one of {', '.join(TARGET_TYPES)}")
    number, slug = raw.get("id"), raw.get("slug")
    if isinstance(number, float) and number.is_integer():
        number = int(number)  # JSON does not tell 7.0 from 7
    if slug == "" and number is not None:
        slug = None
    if number is not None and type(number) is not int:
        raise ContractError("task contract: aimfp_target.id must be a whole number")
    if slug is not None and (not isinstance(slug, str) or not slug.strip()):
        raise ContractError("task contract: aimfp_target.slug must be text, and not empty")
    if number is None and slug is None:
        raise ContractError("task contract: aimfp_target needs an id or a slug")
    return Target(str(raw["type"]), number, slug)
