"""Owns what the next command must find on a disk after a power cut, or after a process was killed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from intercom import Bus
from intercom.core.message import SYSTEM, Message
from tests.powercut_story import AGENTS, Known, World, token_of, told

FIRST, NEXT = "n01 first", "n02 next"  #: what the next command sends, and who comes after it


class Plan(NamedTuple):
    """How the next command comes, and what it finds beside the recorded files."""

    machine: str
    first: str  #: "look", "read" or "send"
    state: int | None  #: which snapshot of the state is there, from the last; None: none
    stale: bool  #: whether there is an index, out of date
    kill: bool  #: whether only the process died, not the machine
    newest: bool  #: whether of the state nothing is lost


def problems(root: Path, world: World, plan: Plan) -> list[tuple[str, str]]:
    """What does not hold on this disk: (kind, details)."""
    try:
        return list(_problems(root, world, plan))
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what somebody would see
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else ""
        return [(f"no recovery: {type(error).__name__}", f"{where}: {error}")]


def _problems(root: Path, world: World, plan: Plan) -> Iterator[tuple[str, str]]:
    sent: list[str] = []
    with Bus.open(root, machine=plan.machine) as bus:
        given = {reader: bus.read(reader) for reader in AGENTS if plan.first == "read"}
        if plan.first == "send":
            sent.append(bus.send("roo", FIRST, sender="worker-1").id)
        history, missing = bus.history(), bus.missing()
        yield from _look(world, plan, history, {message.id for message in missing})
        given |= {reader: bus.read(reader) for reader in AGENTS if reader not in given}
        yield from _delivered(world, plan, given, history)
        yield from _said(world, history, bus.notices)
        yield from _pages(root, world, plan, history)
        sent.append(bus.send("roo", NEXT, sender="worker-1").id)
        after = bus.history()
        if _still(after[: len(history)]) != _still(history) or [one.id for one in after[len(history) :]] != sent[-1:]:
            yield "the next send is not the last, or more changed", _difference(history, after)
    with Bus.open(root, machine=plan.machine) as bus:
        again = bus.history()
        if _still(again) != _still(after):
            yield "a second look differs", _difference(after, again)
        if bus.notices:
            yield "a second look says something", "; ".join(bus.notices)
        if [one.id for one in bus.read("roo")] != sent[-1:]:
            yield "a second read differs", "roo"
    yield from _secrets(root, world)


def _still(messages: Sequence[Message]) -> list[Message]:
    """All that does not change as a message is compacted."""
    return [message._replace(file="") for message in messages]


def _difference(before: Sequence[Message], after: Sequence[Message]) -> str:
    def short(messages: Sequence[Message]) -> list[str]:
        return [f"{one.seq} {one.id} {one.via} {one.body[:40]!r}" for one in messages]

    old, new = short(before), short(after)
    return f"gone {[line for line in old if line not in new]}, new {[line for line in new if line not in old]}"


def _look(world: World, plan: Plan, history: list[Message], missing: set[str]) -> Iterator[tuple[str, str]]:
    """Each message is there as it must be, once, and in order; there is no other."""
    found: dict[str, list[Message]] = {}
    for message in history:
        if message.sender == SYSTEM or message.body == FIRST:
            continue
        known = world.known_as(message)
        if known is not None:
            found.setdefault(known.token, []).append(message)
        elif not (world.torn and message.via == "hand"):
            yield "a message that nobody wrote", f"{message.id} {told(message)}"
    for known in world.messages.values():
        seen = found.get(known.token, [])
        if not (plan.kill and world.torn and _shortened(known, seen)):
            yield from _one(known, seen, missing)
    if len({message.id for message in history}) < len(history):
        yield "an id stands twice", ""
    order = [known.number for message in history if (known := world.known_as(message)) and _steady(known)]
    if order != sorted(order):
        yield "the order changed", f"{order}"


def _shortened(known: Known, seen: list[Message]) -> bool:
    """Whether a message is cut off where an editor was saving it, so that a person may have done that.

    One that was written by hand anywhere, any other behind a rule within it.
    """
    if len(seen) != 1 or seen[0].via != "hand":
        return False
    rests = [text[2:] for text in known.texts if text[3].startswith(seen[0].body)]
    return any(via == "hand" or body[len(seen[0].body) :].lstrip().startswith("---") for via, body in rests)


def _steady(known: Known) -> bool:
    """Whether a message has its place by when it was sent: nobody's hand had to do with it."""
    return known.must and known.ours and known.hidden == {False} and all(via != "hand" for _, _, via, _ in known.texts)


def _one(known: Known, seen: list[Message], missing: set[str]) -> Iterator[tuple[str, str]]:
    what = "an accepted message" if known.must else "a message on its way"
    if not seen and known.must:
        if True not in known.hidden:
            yield f"{what} is {'hidden' if known.id in missing else 'LOST'}", known.token
        elif known.id not in missing:
            yield "a deleted message is gone for good", known.token
    if seen and False not in known.hidden:
        yield "a deletion that was taken in is undone", known.token
    if len(seen) > 1 and not known.by_hand:
        yield f"{what} is doubled", f"{known.token}: {[told(one) for one in seen]}"
    for message in seen:
        if not known.fits(told(message)):
            kind = _mismatch(known, message, what)
            wanted = [(*text[:3], text[3][:60], len(text[3])) for text in known.texts]
            yield kind, f"{known.token}: {message.via} {message.body[:60]!r} ({len(message.body)}), not {wanted}"


def _mismatch(known: Known, message: Message, what: str) -> str:
    """What is wrong with a message of which something else is told than may be."""
    same = [text for text in known.texts if text[3] == message.body]
    if same and message.via != same[0][2]:
        return f"{what} has lost its authority" if message.via == "hand" else f"{what} claims another's authority"
    if same:
        return f"{what} has another header"
    if message.body in known.past:
        return "an edit that was taken in is undone"
    return f"{what} has another text" if known.must else f"{what} is half there"


def _delivered(
    world: World, plan: Plan, given: dict[str, list[Message]], shown: Iterable[Message]
) -> Iterator[tuple[str, str]]:
    """Nobody is skipped of what is there; what comes again says so."""
    there = {known.token for message in shown if (known := world.known_as(message))}
    for reader, messages in given.items():
        names = {known.token for message in messages if (known := world.known_as(message))}
        skipped = [known.token for known in world.wanted(reader) if known.token in there - names]
        if skipped:
            yield "a reader is skipped", f"{reader}: {skipped}"
        before = world.given.get(reader, set())
        again = [token_of(one.body) for one in messages if not one.redelivered and token_of(one.body) in before]
        if again:
            yield f"given again, unmarked{'' if plan.newest else ', of an older state'}", f"{reader}: {again}"


def _said(world: World, history: list[Message], notices: list[str]) -> Iterator[tuple[str, str]]:
    """Where nothing was lost, nothing is said."""
    said = [message.body for message in history if message.sender == SYSTEM and message.id not in world.system]
    if said and not world.pending:
        yield "an announcement though nothing was lost", f"{said}"
    if notices and not said and not world.pending:
        yield "a notice though nothing was lost", f"{notices}"


def _pages(root: Path, world: World, plan: Plan, history: list[Message]) -> Iterator[tuple[str, str]]:
    """The page has what is newest, people's own text, and no holes."""
    path = root / ".claude" / "local" / f"INTERCOM-{plan.machine}.md"
    page = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    sure = {known.id for known in world.messages.values() if known.ours and known.must}
    newest = [one for one in history if one.id in sure][-2:]
    absent = [one.body[:20] for one in newest if f"\n{one.body.splitlines()[0]}" not in page]
    if absent:
        yield "the newest messages are not on the page", f"{absent}"
    if world.pending:
        return
    if "\0" in page:
        yield "the page has holes", ""
    if world.top and plan.machine == world.machines[0] and world.top not in page:
        yield "people's own text is gone from the page", ""


def _secrets(root: Path, world: World) -> Iterator[tuple[str, str]]:
    if world.secrets:
        for path in sorted(root.rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            if any(secret.encode() in data for secret in world.secrets):
                yield "a redacted text is on the disk", os.path.relpath(path, root)
