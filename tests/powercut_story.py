"""Owns what a recorded story promises: who said what, what people did to the page, and what must hold if it ends here.

A `Story` does things through the public API and to the page, as people do, and keeps a `World` beside it: of each
message which texts may be told of it, whether it must be there, whether it may be hidden. Before a step the world
allows both what was and what will be; once the step has returned, only what is. Each moment is a mark in the
recording, so that for each cut there is the world at that moment.
"""

from __future__ import annotations

import copy
import os
import random
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from intercom import Bus
from intercom.core.message import ALL, SYSTEM, Message, local_stamp, new_id, utc
from intercom.format import render
from tests.powercut import Mark, Op
from tests.recorder import APART, Recorder

AGENTS = ("master", "roo", "worker-1", "claude-code")
TOP = "# What we know\n\nThe tests want a database on port 5433.\n\n"
OLD = 2  #: seconds; so long ago, somebody who saved the page is done with it
_TOKEN = re.compile(r"[mt]\d{2,3}\b")
_REDACTED = re.compile(r"\[redacted \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]\Z")
_HEADED = re.compile(r"\n\n([mt]\d{2,3})\b")
_BLOCKS = re.compile(r"^(?=## \[2)", re.MULTILINE)

Told = tuple[str, str, str, str]  #: sender, to, via, body


def told(message: Message) -> Told:
    """What is said of a message."""
    return message.sender, message.to, message.via, message.body


def token_of(body: str) -> str:
    """The word that each text of these stories begins with, "" if there is none."""
    found = _TOKEN.match(body)
    return found.group() if found else ""


@dataclass
class Known:
    """What may be told of one message."""

    token: str
    texts: set[Told]
    must: bool  #: accepted, or taken in: it is there, once
    hidden: set[bool] = field(default_factory=lambda: {False})
    id: str = ""
    past: set[str] = field(default_factory=set)  #: bodies that it had, before somebody's edit was taken in
    by_hand: str = ""  #: a text by hand that is not taken in yet: its beginning alone may have reached the disk
    number: int = 0  #: in the order in which messages came
    ours: bool = True  #: not another machine's

    def fits(self, seen: Told) -> bool:
        """Whether this may be told of it."""
        if seen in self.texts or (_REDACTED.match(seen[3]) and (*seen[:3], "") in self.texts):
            return True
        if not self.by_hand or seen[2] != "hand":
            return False
        return not self.must or self.by_hand.startswith(seen[3])  # in the middle of being saved


@dataclass
class World:
    """What holds at a moment."""

    messages: dict[str, Known] = field(default_factory=dict)
    given: dict[str, set[str]] = field(default_factory=dict)  #: reader -> what it was given
    giving: set[str] = field(default_factory=set)  #: readers that are being given something
    system: set[str] = field(default_factory=set)  #: ids of announcements that were made
    pending: bool = False  #: people did something to a page that was not taken in
    torn: list[str] = field(default_factory=list)  #: texts by hand of which any part may be there
    secrets: set[str] = field(default_factory=set)  #: texts that were destroyed
    machines: list[str] = field(default_factory=lambda: ["box"])
    count: int = 0  #: texts that there were
    taken: bool = True  #: not a layout that is still to be taken over: that one cannot do without its state
    top: str = ""  #: people's own text on the page of the first machine
    label: str = ""

    def known_as(self, message: Message) -> Known | None:
        """What is known of a message that is told: by its token, else by its id."""
        found = self.messages.get(token_of(message.body))
        return found or next((one for one in self.messages.values() if one.id == message.id), None)

    def wanted(self, reader: str) -> list[Known]:
        """What `reader` must be given if it reads now."""
        if reader in self.giving:
            return []
        mine = (one for one in self.messages.values() if one.must and one.hidden == {False})
        return [one for one in mine if one.token not in self.given.get(reader, ()) and _is_for(one, reader)]


def _is_for(known: Known, reader: str) -> bool:
    return all(reader in to.split(", ") or (to == ALL and sender != reader) for sender, to, _, _ in known.texts)


class Story:
    """Somebody at work on a bus. `prepare` first; what is done within `recording` is recorded."""

    def __init__(self, root: Path, rng: random.Random, world: World | None = None) -> None:
        self.root = root
        self.rng = rng
        self.world = world or World()
        self.recorder: Recorder | None = None
        self.start = self.world  #: when the recording began
        self.apart: dict[str, bytes] = {}  #: the index as it was then, by path
        self._buses: dict[str, Bus] = {}
        if world is None:
            (root / ".claude").mkdir(parents=True)
            agents = ", ".join(f'"{name}"' for name in AGENTS)
            (root / ".claude" / "intercom.toml").write_text(f"agents = [{agents}]\n", encoding="utf-8")

    def bus(self, machine: str = "") -> Bus:
        """The bus under a machine's name, open until `close`."""
        machine = machine or self.world.machines[0]
        if machine not in self.world.machines:
            self.world.machines.append(machine)
        if machine not in self._buses:
            self._buses[machine] = Bus.open(self.root, machine=machine)
        return self._buses[machine]

    def page(self, machine: str = "") -> Path:
        """The page under a machine's name."""
        return self.root / ".claude" / "local" / f"INTERCOM-{machine or self.world.machines[0]}.md"

    def close(self) -> None:
        """Close what is open; what comes opens it again, as the next command does."""
        for bus in self._buses.values():
            bus.close()
        self._buses.clear()

    def begin(self) -> Recorder:
        """All that was done so far is on the disk; from now on the recorder is asked."""
        self.close()
        private = self.root / ".claude" / "local" / ".intercom"
        names = [path for path in private.glob("*") if APART.match(path.name) and "state" not in path.name]
        self.apart = {os.path.relpath(path, self.root): path.read_bytes() for path in names if "lock" not in path.name}
        self.start = copy.deepcopy(self.world)
        self.recorder = Recorder(self.root)
        return self.recorder

    def mark(self, label: str) -> None:
        """A moment: what is allowed from here on is what the world says now."""
        self.world.label = label
        if self.recorder:
            self.recorder.mark(copy.deepcopy(self.world))

    def world_at(self, ops: list[Op], upto: int) -> World:
        """What holds if it ends after so many operations."""
        for op in reversed(ops[:upto]):
            if isinstance(op, Mark):
                found: World = op.event
                return found
        return self.start

    # -- talking ----------------------------------------------------------------------------------

    def token(self) -> str:
        """A word that no other text begins with."""
        self.world.count += 1
        return f"t{self.world.count:03d}"

    def text(self, size: int | None = None) -> str:
        """A body that begins with a new token: of `size` characters, or any."""
        filler = "all is well so far\n"
        kinds = (
            " a line",
            f" two\n\n---\n\nparts {filler * 20}",
            f" long\n{filler * 60}",
            " rules\n\n---\n\n" * 40,
            f" quoted\n\n## [2026-01-12 10:00:00] master → roo [TASK]\n\n---\n\n{filler * self.rng.randrange(1, 300)}",
            f" naïve ☃\n```\nnever closed {filler * 5}",
            f" escaped\n## [2026-01-12 10:00:00] user → roo\n<!-- intercom id=a -->\n### COMPACTED: 3\n\\~~~\n{filler}",
            f" named\n\n---\n\n@roo: {filler * 9}\nmaster -> roo: {filler}",
        )
        rest = self.rng.choice(kinds) if size is None else " " + "x" * 60 + "\n" + filler * (size // len(filler))
        return (self.token() + rest).rstrip()

    def send(
        self,
        body: str = "",
        *,
        sender: str = "master",
        to: str = "roo",
        machine: str = "",
        via: str = "tool",
        type: str = "status",  # the word of the format
    ) -> Known:
        """Send a message; from its return on it must be there."""
        body = body or self.text(self.rng.choice((None, 60)))
        known = Known(token_of(body), {(sender, to, via, body)}, must=False, number=self.world.count)
        self.world.messages[known.token] = known
        self.mark(f"{known.token} is being sent")
        sent = self.bus(machine).send(to, body, sender=sender, via=via, type=type)
        known.id, known.must = sent.id, True
        self.world.taken = True
        self.mark(f"{known.token} was accepted")
        return known

    def sends(self, count: int, size: int = 60, **how: str) -> None:
        """Send several short messages."""
        for _ in range(count):
            self.send(self.text(size), **how)

    def sends_at_once(self, count: int) -> None:
        """Send a message while others wait for the lock: it takes theirs along."""
        waiting = []
        for ident in sorted(new_id() for _ in range(count)):  # as they are taken
            body = self.text(60)
            sent = Message(ident, None, utc(), "master", "roo", "INFO", "status", body)
            known = Known(token_of(body), {told(sent)}, must=False, id=sent.id, number=self.world.count)
            self.world.messages[known.token] = known
            request = self.bus()._log.request(render(sent, local_stamp(time.time())))
            assert not request.done()
            waiting.append((known, request))
        self.send()
        for known, request in waiting:
            assert request.done()
            request.close()
            known.must = True
        self.mark("those who waited were answered")

    def look(self, machine: str = "") -> None:
        """Look at the history: what people did is taken in, and stays so."""
        self.mark("somebody looks")
        bus = self.bus(machine)
        history, missing = bus.history(), {message.id for message in bus.missing()}
        for message in history:
            self._adopt(message)
        shown = {message.id for message in history}
        for known in list(self.world.messages.values()):
            if known.id not in shown and known.id in missing:
                known.hidden = {True}
            elif known.id not in shown:
                assert not known.must, f"the story itself lost {known.token}: {bus.notices}"
                del self.world.messages[known.token]
        if self.world.top not in self.page().read_text(encoding="utf-8", errors="replace"):
            self.world.top = ""  # somebody took it out, or put another page in its place
        self.world.pending, self.world.taken = False, True
        self.world.torn.clear()
        self.mark("somebody has looked")

    def _adopt(self, message: Message) -> None:
        if message.sender == SYSTEM:
            self.world.system.add(message.id)
            return
        known = self.world.known_as(message)
        if known is None:
            self.world.count += 1
            known = Known(token_of(message.body) or message.id, set(), must=True, number=self.world.count)
            self.world.messages[known.token] = known
        body = "" if _REDACTED.match(message.body) else message.body
        known.past |= {text[3] for text in known.texts} - {body}
        known.texts, known.id, known.must = {(*told(message)[:3], body)}, message.id, True
        known.hidden, known.by_hand = {False}, ""

    def read(self, reader: str, machine: str = "") -> None:
        """Give a reader what is new for it."""
        self.world.giving.add(reader)
        self.mark(f"{reader} reads")
        for message in self.bus(machine).read(reader):
            self._adopt(message)
            known = self.world.known_as(message)
            if known:
                self.world.given.setdefault(reader, set()).add(known.token)
        self.world.giving.discard(reader)
        self.mark(f"{reader} has read")

    # -- people -----------------------------------------------------------------------------------

    def blocks(self, machine: str = "") -> list[str]:
        """The page in pieces: what stands above the first message, then each message."""
        return _BLOCKS.split(self.page(machine).read_text(encoding="utf-8"))

    def on_page(self, machine: str = "") -> list[str]:
        """The tokens of the messages on the page, from its top."""
        found = (_HEADED.search(block) for block in self.blocks(machine)[1:])
        return [match.group(1) for match in found if match]

    def write(
        self, *, at_top: bool = False, sender: str = "user", how: str = "", sync: bool = False, machine: str = ""
    ) -> str:
        """Write a message into the page by hand; its token. Not taken in yet."""
        body = self.text(self.rng.choice((60, 400, 5000)))
        second = self.world.count % 60
        block = f"## [2026-01-12 10:00:{second:02d}] {sender} -> roo [INFO]\n\n{body}\n\n---\n\n"
        known = Known(token_of(body), {(sender, "roo", "hand", body)}, must=False, number=self.world.count)
        known.by_hand = body
        self.world.messages[known.token] = known
        blocks = self.blocks(machine)
        text = "".join([blocks[0], block, *blocks[1:]] if at_top else [*blocks, block])
        self.save(text, how=how, sync=sync, machine=machine)
        if sync:
            known.must, known.by_hand = True, ""
            self.mark("what was written by hand is synced")
        return known.token

    def edit(self, token: str, how: str = "", *, sync: bool = False, machine: str = "") -> None:
        """Change the text of a message in a page."""
        known = self.world.messages[token]
        ((sender, to, via, body),) = known.texts
        after = body.replace(token, f"{token} corrected {len(known.past)},", 1)
        known.texts = {(sender, to, via, body), (sender, to, "hand", after)}
        known.by_hand = after
        start = f"\n{after[: after.index(',') + 1]}"
        blocks = [block.replace(f"\n{token}", start, 1) for block in self.blocks(machine)]
        self.save("".join(blocks), how=how, sync=sync, machine=machine)

    def delete(self, *tokens: str, how: str = "") -> None:
        """Take messages out of the page."""
        for token in tokens:
            self.world.messages[token].hidden = {True, False}
        there = [block for block in self.blocks() if not any(f"\n{token}" in block for token in tokens)]
        self.save("".join(there), how=how)

    def save(self, text: str, how: str = "", *, sync: bool = False, machine: str = "") -> None:
        """Save the page as an editor does: over itself, or by another file that takes its name; or append to it."""
        path, data = self.page(machine), text.encode()
        before = path.read_bytes() if path.exists() else b""
        ways = ["inplace", "rename"] + ["append"] * data.startswith(before)
        how = how or self.rng.choice(ways)
        self.world.pending = True
        self.world.torn.append(text)
        self.mark(f"the page is saved ({how})")
        target = path.with_name(f"{path.name}~") if how == "rename" else path
        with closing(target.open("ab" if how == "append" else "wb")) as file:
            file.write(data[len(before) :] if how == "append" else data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        if how == "rename":
            os.replace(target, path)
        if sync:
            self._sync_folder(path.parent)
        self._settled(path)
        self.mark("the page was saved")

    def _settled(self, path: Path) -> None:
        """Nobody is writing to it: commands need not wait."""
        for one in (path, path.parent):
            times = one.stat().st_mtime - OLD
            os.utime(one, (times, times))

    def _sync_folder(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

    def break_page(self, change: Callable[[bytes], bytes], how: str = "inplace") -> None:
        """Damage the page."""
        text = change(self.page().read_bytes()).decode("utf-8", "replace")
        self.save(text, how=how)

    def own_text(self) -> None:
        """People's own text, above the messages of the page."""
        text = self.page().read_text(encoding="utf-8")
        at = text.index("\n## [2") + 1
        self.save(text[:at] + TOP + text[at:], how="inplace")
        self.world.top = TOP.strip()

    # -- upkeep -----------------------------------------------------------------------------------

    def restore(self, token: str) -> None:
        """Bring back a message that was deleted by hand."""
        known = self.world.messages[token]
        known.hidden = {True, False}
        self.mark(f"{token} is being restored")
        assert self.bus().restore(known.id)
        known.hidden = {False}
        self.mark(f"{token} was restored")

    def redact(self, token: str) -> None:
        """Destroy the text of a message."""
        known = self.world.messages[token]
        ((sender, to, via, body),) = known.texts
        known.texts |= {(sender, to, via, "")}
        self.mark(f"{token} is being redacted")
        self.bus().redact(known.id)
        known.texts = {(sender, to, via, "")}
        self.world.secrets.add(body.splitlines()[0])
        self.mark(f"{token} was redacted")

    def do(self, label: str, work: Callable[[Bus], object], machine: str = "") -> None:
        """Anything else, that changes nothing of what was said."""
        self.mark(f"{label} ...")
        work(self.bus(machine))
        self.mark(f"{label}: done")

    def compact(self, keep: int) -> None:
        """Compact."""
        self.do(f"compact, keep {keep}", lambda bus: bus.compact(keep))
