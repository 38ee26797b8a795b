"""Owns what the screen shows and what its keys do, apart from how it looks: the bus and the fleet.

Everything here runs on one thread, since a bus belongs to one; the screen asks and awaits. Nothing of it writes to the
terminal.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from intercom.core.contract import gist
from intercom.core.display import named, value
from intercom.core.message import USER, Message, Receipt
from intercom.fleet.crew import Crew
from intercom.fleet.overview import Agent, Overview, overview
from intercom.store.index.query import Filter, history
from intercom.system.watch import Watch

T = TypeVar("T")
_LOOK_AGAIN = 1.0  #: seconds after which the watching thread sees that it is to end
_STATE = 0.25  #: seconds between two looks at the state's files
PERMISSION, QUESTION, MERGE = "permission", "question", "merge"


class Item(NamedTuple):
    """Something that waits for a person. `key` tells one from another, whatever else of it changes."""

    kind: str
    key: str  #: the id of the request or message; the worker of a worktree
    who: str
    since: str
    title: str
    detail: str


class Picture(NamedTuple):
    """What the screen shows beside the conversation. Two that are equal look the same."""

    agents: tuple[Agent, ...]
    waits: tuple[Item, ...]
    unread: int
    newest: int  #: the highest sequence number
    root: str


class Ticked(NamedTuple):
    """A message, and what became of it: stored, shown, acted on; of the recipients how many."""

    message: Message
    shown: int = 0
    acted: int = 0
    of: int = 0


class Source:
    """The bus of one project, for the screen. Close it."""

    def __init__(self, root: str | None, changed: Callable[[], object]) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bus")
        self._root = root
        self._crew: Crew | None = None
        self._changed = changed
        self._over = threading.Event()
        self._watching: list[threading.Thread] = []

    async def ask(self, work: Callable[[Crew], T]) -> T:
        """What `work` finds, on the thread of the bus. What it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work)

    def _do(self, work: Callable[[Crew], T]) -> T:
        if self._crew is None:
            self._crew = Crew.open(self._root)
        return work(self._crew)

    def watch(self, folder: Path) -> None:
        """From now on call `changed`, on another thread, whenever something happened to the log or the state."""
        for follow in (self._follow, self._look):
            thread = threading.Thread(target=follow, args=(folder,), daemon=True)
            thread.start()
            self._watching.append(thread)

    def _follow(self, folder: Path) -> None:
        with Watch(folder) as watch:
            while not self._over.is_set():
                if watch.wait(_LOOK_AGAIN) and not self._over.is_set():
                    self._changed()

    def _look(self, folder: Path) -> None:
        """Look at the state's files: events would tell of our own reading, too."""
        paths = [folder / ".intercom" / name for name in ("state.db", "state.db-wal")]
        seen = list(map(_written, paths))
        while not self._over.wait(_STATE):
            if (now := list(map(_written, paths))) != seen:
                seen = now
                self._changed()

    @property
    def closed(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._over.is_set()

    def close(self) -> None:
        """End its threads."""
        self._over.set()
        self._pool.submit(lambda: self._crew.close() if self._crew else None)
        self._pool.shutdown()
        for thread in self._watching:
            thread.join()


def _written(path: Path) -> tuple[int, ...]:
    """What tells whether somebody wrote to a file; that it was opened, or its mode set, says nothing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def picture(crew: Crew) -> Picture:
    """What there is now."""
    now = crew.bus.status()
    found = overview(crew.bus, now)
    newest = crew.bus.ask(lambda db: db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])
    return Picture(tuple(found.agents), tuple(_waits(crew, found)), now.unread.get(USER, 0), newest, now.root)


def _waits(crew: Crew, found: Overview) -> list[Item]:
    """What waits for a person: permissions first, they hold up a worker; then questions, then what is not merged."""
    from intercom.fleet.approve import describe

    items = [
        Item(PERMISSION, one.id, one.name, one.asked, _first(describe(one)), _told(describe(one)))
        for one in crew.sessions.open_requests()
    ]
    items += [Item(QUESTION, one.id, one.sender, one.at, gist(one.body), one.body) for one in found.questions]
    items += [
        Item(MERGE, one.worker, one.worker, one.changed, f"{one.status}: {one.branch or one.path}", _entry(one))
        for one in found.unmerged
    ]
    return items


def _first(request: dict[str, Any]) -> str:
    what = request.get("command") or request.get("subject") or request.get("url") or ", ".join(request.get("paths", []))
    return f"{request.get('tool', '')}: {what or request.get('description') or ''}"


def _told(request: dict[str, Any]) -> str:
    """A request in full: nobody answers what they have not read."""
    lines = []
    for key, said in request.items():
        if key not in {"request", "asked", "message"} and said:
            lines.append(named(key, said if isinstance(said, str) else ", ".join(map(str, said))))
    return "\n".join(lines)


def _entry(one: Any) -> str:
    return "\n".join(f"{key}: {value(str(said))}" for key, said in one.to_json().items() if said)


def page(crew: Crew, wanted: Filter, limit: int, words: str = "") -> list[Ticked]:
    """The newest messages that a filter lets through, oldest first, with what became of each; or those with words."""
    bus = crew.bus
    messages = bus.search(words, limit=limit)[::-1] if words else bus.ask(lambda db: history(db, wanted, limit))
    return ticked(crew, messages)


def ticked(crew: Crew, messages: Sequence[Message]) -> list[Ticked]:
    """Messages with what became of each."""
    became: dict[str, list[Receipt]] = {}
    for one in crew.bus.receipts_of(messages):
        became.setdefault(one.id, []).append(one)
    out = []
    for message in messages:
        found = became.get(message.id, [])
        acted = sum(one.acted is not None for one in found)
        out.append(Ticked(message, sum(bool(one.shown or one.acted) for one in found), acted, len(found)))
    return out


# -- what the keys do ---------------------------------------------------------------------------------


def answer(crew: Crew, item: Item, decision: str) -> str:
    """Allow or deny exactly the request that was shown; what to tell of it. Refused, NotFound, UsageError."""
    from intercom.fleet.approve import approve
    from intercom.fleet.speaker import authority, speaker

    by = authority(speaker(crew.state, os.environ), consent=True)
    if item.detail not in {one.detail for one in picture(crew).waits if one.key == item.key}:
        return "it is not asked any more, or not so: nothing was answered"
    done = approve(crew, item.who, by=by, decision=decision, expect=item.key, timeout=3.0)
    return f"{item.who}: {done.decision}" if done.answered else f"nothing was answered: {done.note or 'not asked'}"


def say(crew: Crew, to: str, text: str, answers: Message | None = None) -> str:
    """Send what a person wrote, as an answer where it is one; what to tell of it. UnknownName, Refused, UsageError."""
    from intercom.fleet.speaker import checked, speaker

    sender, via = checked(crew.state, speaker(crew.state, os.environ), None)
    re, thread = (answers.id, answers.thread) if answers else (None, None)
    kind = "answer" if answers else "status"
    sent = crew.bus.send(to, text, sender=sender, via=via, type=kind, reply_to=re, thread=thread)
    return f"sent to {sent.to} as {sent.sender}"


def find(crew: Crew, ident: str) -> Message:
    """A message by its id. NotFound."""
    return crew.bus.versions(ident)[-1]


def mark_read(crew: Crew) -> str:
    """Take everything as read that is for the person at the screen."""
    crew.bus.confirms = True
    try:
        count = len(crew.bus.read(USER))
        crew.bus.read(USER)
    finally:
        crew.bus.confirms = False
    return f"{count} marked as read"


def nudge(crew: Crew, worker: str) -> str:
    """Wake a worker; what to tell of it."""
    from intercom.fleet.speaker import authority, speaker
    from intercom.fleet.wake import tell

    by = authority(speaker(crew.state, os.environ))
    done = tell(crew, worker, "Please look at what waits for you on the bus.", by=by)
    return f"{worker}: {'woken' if done.get('woke') else done.get('reason') or done.get('note') or 'told'}"


def peek(crew: Crew, worker: str) -> str:
    """What a worker's terminal shows now, as text."""
    from intercom.fleet.observe import look

    seen = look(crew, worker)
    return seen.screen.text if seen.screen and seen.screen.text else f"{worker} has no terminal to look at"


def queue(crew: Crew) -> list[str]:
    """The merge queue in lines."""
    from intercom.fleet.worktrees.queue import look

    lines = []
    for row in look(crew).rows:
        parts = (row.get("number", "-"), row["worker"], row["status"], row.get("branch") or row.get("on_branch"))
        lines.append("  ".join(str(part) for part in (*parts, row.get("why")) if part))
        if "ahead" in row:
            lines.append(f"     {row['ahead']} ahead of {row['base']}, {row['behind']} behind")
        for other, names in row.get("conflicts", {}).items():
            lines.append(f"     conflicts with {other} in {', '.join(names)}")
        lines += [f"     not checked: {reason}" for reason in row.get("reasons", [])]
    return lines


def health(crew: Crew) -> list[tuple[str, str, str, str]]:
    """What `doctor` finds: state, check, what it says, what to do."""
    from intercom.doctor import examine, runs_on

    found = [*runs_on(), *examine(crew.bus.config, os.environ)]
    return [(one.state, one.check, one.says, one.do or "") for one in found]
