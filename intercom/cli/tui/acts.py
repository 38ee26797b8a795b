"""Owns what the screen's keys do on the bus; each returns its result in words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.cli.tui.waits import Item, still
from intercom.core.errors import IntercomError, Refused
from intercom.core.escaping import value
from intercom.core.fleet_words import PermissionDecision
from intercom.core.message import USER, Message

if TYPE_CHECKING:
    from intercom.fleet.crew import Crew

_DIFF = 4_000_000  #: maximum characters of a diff
_LAST = 200  #: lines of output of a worker without a terminal


class Answered(NamedTuple):
    """The result of a decision; `changed`: it was not given, because the request has changed."""

    said: str
    changed: bool = False


def answer(crew: Crew, item: Item, decision: PermissionDecision) -> Answered:
    """Allow or deny exactly the request that was shown. Refused, NotFound, UsageError."""
    from intercom.fleet.approve import approve
    from intercom.fleet.speaker import authority, speaker

    by = authority(speaker(crew.state, os.environ), consent=True)
    now = still(crew, item)
    if now is None:
        return Answered(f"{item.who} does not ask that any more; nothing was answered")
    if now.detail != item.detail:
        return Answered(f"what {item.who} asks has changed; nothing was answered. Read it, then press again", True)
    done = approve(crew, item.who, by=by, decision=decision, expect=item.expect, timeout=3.0)
    return Answered(f"{item.who}: {done.decision}" if done.answered else f"nothing was answered: {done.note}")


def say(crew: Crew, to: str, text: str, answers: Message | None = None) -> str:
    """Send a person's text, as an answer if it is one. UnknownName, Refused, UsageError."""
    from intercom.fleet.speaker import checked, speaker

    sender, via = checked(crew.state, speaker(crew.state, os.environ), None)
    re, thread = (answers.id, answers.thread) if answers else (None, None)
    kind = "answer" if answers else "status"
    sent = crew.bus.send(to, text, sender=sender, via=via, type=kind, reply_to=re, thread=thread)
    said = f"sent to {sent.to} as {sent.sender}"
    if crew.sessions.get(to) is not None and not _wakes(crew, to, sent.id):
        said += "; it reads it when it next looks"
    return said


class Read(NamedTuple):
    """A message as a person read it."""

    ident: str
    sender: str
    text: str
    waits: bool = False  #: whether it was a question without an answer


def reply(crew: Crew, read: Read, text: str) -> str:
    """As `say`, to a message as it was read; also NotFound if it is gone, Refused if it has changed or was answered."""
    from intercom.bus.pending import open_questions

    answers = find(crew, read.ident)
    if answers.body != read.text:
        raise Refused(f"what {answers.sender} wrote was changed meanwhile; nothing was sent. Read it again.")
    if read.waits and all(one.id != read.ident for one in crew.bus.ask(lambda db: open_questions(db, USER))):
        raise Refused(
            f"{answers.sender}'s question was answered meanwhile; nothing was sent. Enter sends yours as well."
        )
    return say(crew, answers.sender, text, answers)


def _wakes(crew: Crew, to: str, ident: str) -> bool:
    """Whether its session was woken for the message, or is running and gets it anyway."""
    from intercom.fleet.wake import safely

    done = safely(crew, to, ident)
    return bool(done.woke) or crew.sessions.get(to) is None


def find(crew: Crew, ident: str) -> Message:
    """A message by its id. NotFound."""
    return crew.bus.versions(ident)[-1]


def mark_read(crew: Crew) -> str:
    """Mark everything for the person at the screen as read."""
    crew.bus.confirms = True
    try:
        count = len(crew.bus.read(USER))
        crew.bus.read(USER)
    finally:
        crew.bus.confirms = False
    return f"{count} marked as read"


def nudge(crew: Crew, worker: str) -> str:
    """Wake a worker."""
    from intercom.fleet.speaker import authority, speaker
    from intercom.fleet.wake import tell

    by = authority(speaker(crew.state, os.environ))
    done = tell(crew, worker, "Please look at what waits for you on the bus.", by=by)
    return f"{worker}: {'woken' if done.get('woke') else done.get('reason') or done.get('note') or 'told'}"


class Terminal(NamedTuple):
    """The content of a worker's terminal, or why there is none."""

    text: str
    there: bool = True


def peek(crew: Crew, worker: str) -> Terminal:
    """The present content of a worker's terminal; without one, its last output."""
    from intercom.fleet import kept
    from intercom.system import tmux

    row = crew.sessions.get(worker)
    if row is not None and row.pane is None and (said := kept.output(crew.bus.config, worker)) is not None:
        return Terminal("\n".join(said[1].splitlines()[-_LAST:]) or "(nothing yet)")
    if row is None or row.pane is None:
        return Terminal(f"{worker} has no terminal to look at", there=False)
    try:
        shown = tmux.look(crew.tmux_of(row.socket), row.pane, colours=False)[1]
    except IntercomError as error:
        return Terminal(str(error), there=False)
    return Terminal(shown.rstrip() or "(an empty screen)")


class Waiting(NamedTuple):
    """A row of the merge queue."""

    worker: str
    branch: str
    base: str
    text: str  #: lines, inert


def queue(crew: Crew) -> list[Waiting]:
    """The merge queue."""
    from intercom.fleet.queue import look

    return [_waiting(row) for row in look(crew).rows if row.get("worker")]


def _waiting(row: dict[str, Any]) -> Waiting:
    branch = row.get("branch") or row.get("on_branch") or ""
    parts = (row.get("number", "-"), row["worker"], row["status"], branch, row.get("why"))
    lines = ["  ".join(str(part) for part in parts if part)]
    if "ahead" in row:
        checked = "checked" if row.get("checked", {}).get("verified") else "not checked"
        files = f"{row['files_changed']} file{'s' * (row['files_changed'] != 1)}"
        counts = f"{row['ahead']} ahead of {row['base']}, {row['behind']} behind, {files}"
        lines.append(f"   {counts}, {checked}")
    for other, names in row.get("conflicts", {}).items():
        lines.append(f"   ! conflicts with {other} in {', '.join(names)}")
    if names := row.get("conflicts_with_base"):
        lines.append(f"   ! conflicts with {row['base']} in {', '.join(names)}")
    lines += [f"   ! {reason}" for reason in row.get("checked", {}).get("unverified", [])]
    return Waiting(
        row["worker"], branch or (row.get("head") or "")[:12], row.get("base") or "", "\n".join(map(value, lines))
    )


def diff(crew: Crew, one: Waiting) -> str:
    """What a branch changed since it left its base; runs nothing that a repository's settings name."""
    from intercom.system.git import git

    words = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--stat", "--patch", f"{one.base}...{one.branch}"]
    text = git(crew.bus.config.root, *words, "--").out
    return text[:_DIFF] or f"{one.branch} changes nothing against {one.base}"


def health(crew: Crew) -> list[tuple[str, str, str, str]]:
    """The findings of `doctor`: state, check, text, what to do."""
    from intercom.doctor import examine, runs_on

    found = [*runs_on(), *examine(crew.bus.config, os.environ)]
    return [(one.state, one.check, one.says, one.do or "") for one in found]
