"""Owns the statistics of a history: who talks to whom, tasks from assignment to merge, who waited how long for what.

Pure: messages in, figures out. People see them in `report` and `ui`; scripts get them as JSON.

    a task        from its message to the worker's `done` for it; its first act is the worker's next message
    a question    from its message to the first answer to it, by reply or in its thread; to `user` it is open until then
    a permission  a question that a program's hook put to the master: urgent, in a thread of its own
    a merge       from `done` to the moment that somebody noted the branch as merged
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from intercom.core.contract import in_short
from intercom.core.message import ALL, SYSTEM, USER, Message, epoch, recipients

QUESTION, PERMISSION, FIRST_ACT, TASK, MERGE = "question", "permission", "first act", "task", "merge"
WAITS = (QUESTION, PERMISSION, FIRST_ACT, TASK, MERGE)
_TITLE = 100  #: characters of a text that serve as its title


class Wait(NamedTuple):
    """A period of waiting. Times are UTC; `until` is "" as long as it lasts."""

    kind: str  #: one of WAITS
    who: str  #: who waited
    whom: str  #: who was waited for
    since: str
    until: str
    id: str  #: the message that began it
    ended: str = ""  #: the message that ended it, if one did
    title: str = ""

    def seconds(self, now: float) -> float:
        """Its length in seconds, until `now` (seconds since 1970) if it still lasts."""
        return max(0.0, (epoch(self.until) if self.until else now) - epoch(self.since))


class Lane(NamedTuple):
    """One participant."""

    name: str
    sent: int
    received: int
    first: str
    last: str


class Figures(NamedTuple):
    """The statistics of a history."""

    since: str
    until: str
    messages: int
    lanes: tuple[Lane, ...]
    pairs: tuple[tuple[str, str, int], ...]  #: (from, to, count), most frequent first
    waits: tuple[Wait, ...]  #: in the order they began

    @property
    def tasks(self) -> tuple[Wait, ...]:
        """The tasks among the waits."""
        return tuple(wait for wait in self.waits if wait.kind == TASK)

    @property
    def open(self) -> tuple[Wait, ...]:
        """The waits that still last: questions, permissions and tasks without an end."""
        return tuple(wait for wait in self.waits if not wait.until and wait.kind != FIRST_ACT)

    def summary(self, now: float) -> dict[str, dict[str, Any]]:
        """For each kind of wait: count, how many still last, median and worst in seconds, and the worst's id."""
        out: dict[str, dict[str, Any]] = {}
        for kind in WAITS:
            found = [wait for wait in self.waits if wait.kind == kind]
            if found:
                worst = max(found, key=lambda wait: wait.seconds(now))
                out[kind] = {
                    "count": len(found),
                    "open": sum(not wait.until for wait in found),
                    "median": round(median(wait.seconds(now) for wait in found), 3),
                    "worst": round(worst.seconds(now), 3),
                    "worst_id": worst.id,
                }
        return out

    def to_json(self, now: float) -> dict[str, Any]:
        """The public form; `now` is in seconds since 1970."""
        return {
            "since": self.since,
            "until": self.until,
            "messages": self.messages,
            "agents": [lane._asdict() for lane in self.lanes],
            "pairs": [{"from": sender, "to": to, "count": count} for sender, to, count in self.pairs],
            "waits": [{**wait._asdict(), "seconds": round(wait.seconds(now), 3)} for wait in self.waits],
            "summary": self.summary(now),
            "open": [wait.id for wait in self.open],
        }


def figures(messages: Sequence[Message], merged: Mapping[str, str] | None = None) -> Figures:
    """The figures of these messages, oldest first; `merged` maps a worker to when its branch was merged (UTC)."""
    told = [message for message in messages if message.sender != SYSTEM or message.to not in (SYSTEM, USER)]
    waits = sorted(_waits(told, merged or {}), key=lambda wait: (wait.since, wait.id))
    times = [message.at for message in messages if message.at]
    pairs = Counter((message.sender, to) for message in told for to in message.recipients)
    return Figures(
        min(times, default=""),
        max(times, default=""),
        len(messages),
        tuple(_lanes(messages)),
        tuple((sender, to, count) for (sender, to), count in sorted(pairs.items(), key=lambda one: (-one[1], one[0]))),
        tuple(waits),
    )


def _lanes(messages: Sequence[Message]) -> list[Lane]:
    sent, received, seen = Counter[str](), Counter[str](), dict[str, list[str]]()
    for message in messages:
        sent[message.sender] += 1
        names = [message.sender, *(name for name in message.recipients if name != ALL)]
        received.update(names[1:])
        for name in names:
            span = seen.setdefault(name, [message.at, message.at])
            span[0], span[1] = min(span[0], message.at), max(span[1], message.at)
    return [Lane(name, sent[name], received[name], *seen[name]) for name in seen]


def _waits(messages: Sequence[Message], merged: Mapping[str, str]) -> Iterable[Wait]:
    by_sender: dict[str, list[int]] = defaultdict(list)
    answers: dict[str, list[int]] = defaultdict(list)  # id or thread -> who may answer it, in order
    for place, message in enumerate(messages):
        by_sender[message.sender].append(place)
        if message.reply_to:
            answers[message.reply_to].append(place)
        if message.thread:
            answers[message.thread].append(place)
    for place, message in enumerate(messages):
        names = [name for name in recipients(message.to) if name != message.sender]
        if message.type == "question":
            yield _question(messages, place, answers)
        elif message.type == "task":
            for name in names:
                later = [messages[one] for one in by_sender[name] if one > place]
                yield from _task(message, name, later, merged.get(name, ""))


def _question(messages: Sequence[Message], place: int, answers: Mapping[str, list[int]]) -> Wait:
    asked = messages[place]
    near = {*answers.get(asked.id, ()), *(answers.get(asked.thread, ()) if asked.thread else ())}
    ends = [messages[one] for one in sorted(near) if one > place and _ends(asked, messages[one])]
    kind = PERMISSION if asked.urgent and asked.thread and asked.thread != asked.id and not asked.reply_to else QUESTION
    end = ends[0] if ends else None
    title, (until, by) = in_short(asked.body, _TITLE), (end.at, end.id) if end else ("", "")
    return Wait(kind, asked.sender, asked.to, asked.at, until, asked.id, by, title)


def _ends(asked: Message, message: Message) -> bool:
    """Whether a message ends the wait for an answer: a reply by somebody else, or a note that none is needed."""
    return message.reply_to == asked.id or (message.type == "answer" and message.sender != asked.sender)


def _task(task: Message, worker: str, later: Sequence[Message], merged: str) -> Iterable[Wait]:
    """The waits of a task: for the worker's first act, for its `done`, and for the merge."""
    name = in_short(task.body, _TITLE)
    act = next(iter(later), None)
    done = next((one for one in later if one.type == "done" and one.reply_to in (None, task.id)), None)
    yield Wait(FIRST_ACT, task.sender, worker, task.at, act.at if act else "", task.id, act.id if act else "", name)
    yield Wait(TASK, task.sender, worker, task.at, done.at if done else "", task.id, done.id if done else "", name)
    if done and merged >= done.at:
        yield Wait(MERGE, worker, task.sender, done.at, merged, done.id, "", name)
