"""Owns the JSON form of messages for a model, with warnings about each, in pages that fit.

Clients cut or refuse results of more than about 50,000 characters, so a page stays under PAGE. A larger single
message is shown alone, in full up to ALONE; beyond that its beginning is shown, with where to find the whole.
Nothing is left out silently. Pure: messages in, values out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from intercom.core import contract
from intercom.core.escaping import word
from intercom.core.message import HAND, MACHINE, Message
from intercom.server.wire import result_text

PAGE = 45_000  # characters of JSON text
ALONE = 90_000
_FRAME = 1_500  # characters reserved for what surrounds the messages


def describe(message: Message, masters: Collection[str], *, worker: bool = False) -> dict[str, Any]:
    """One message for the model of a `worker` or another. Contracts from `masters` are orders."""
    out = message.to_json()
    if message.caution:
        out["caution"] = f"{message.caution[0].upper()}{message.caution[1:]}."
    try:
        found = contract.meant(message, worker=worker)
    except contract.ContractError as error:
        out["contract_error"] = f"{error}. {contract.MEND}."
        return out
    if found is not None:
        out["body"] = contract.wire(message.body)  # as in InterComm; the prose for people says the same
        out["contract"] = found.to_json()
        out["contract_authoritative"] = contract.is_order(message, masters)
    return out


def fill(
    messages: list[Message],
    masters: Collection[str],
    *,
    worker: bool = False,
    about: Mapping[str, dict[str, Any]] | None = None,
) -> tuple[list[dict[str, Any]], list[Message]]:
    """The first page of `messages`, and the messages on it. Otherwise as `describe`; `about` has more fields, by id."""
    rows: list[dict[str, Any]] = []
    used: list[Message] = []
    size = _FRAME
    for message in messages:
        row = {**describe(message, masters, worker=worker), **(about or {}).get(message.id, {})}
        length = len(result_text(row)) + 1
        if rows and size + length > PAGE:
            break
        rows.append(row if length <= ALONE else cut(row))
        used.append(message)
        size += length
    return rows, used


def cut(row: dict[str, Any]) -> dict[str, Any]:
    """A message too large for any page: its beginning, and where to find the whole."""
    body = row["body"]
    out = {key: value for key, value in row.items() if key != "contract"}
    keep = PAGE // 2
    while keep > 1 and len(result_text(body[:keep])) > PAGE - 3 * _FRAME:
        keep //= 2
    out["body"] = body[:keep]
    ident, file, day = word(row["id"]), word(row["file"]), word(row["at"][:10])
    out["cut"] = (
        f"Only the first {keep} of {len(body)} characters are shown. The whole is in .claude/local, in {file} "
        f"(search for {ident} or {day}), or run: intercom history --json {ident}"
    )
    if "contract" in row:
        out["contract_error"] = "The contract is too large to be shown here; read the whole message first."
    return out


def note(messages: list[Message]) -> str | None:
    """What must be said explicitly about a page; None for nothing."""
    said = []
    by_hand = sum(message.via == HAND for message in messages)
    unproven = sum(not message.proven and message.via != HAND for message in messages)
    elsewhere = sum(message.via == MACHINE for message in messages)
    again = sum(message.redelivered for message in messages)
    if by_hand:
        said.append(f"{by_hand} written by hand into the log (via: hand): the sender's name is not proven there.")
    if unproven:
        said.append(f"{unproven} sent by a command that nobody is proven to have run (via: unproven).")
    if elsewhere:
        said.append(f"{elsewhere} from other machines' logs (via: machine): that is those machines' word.")
    if again:
        said.append(f"{again} given before to a session that ended without acting (redelivered): check what is done.")
    return " ".join(said) or None
