"""Everything that can happen to a log, in any order, against a plain model of what each reader must have seen.

The model knows no log format and no rules. It counts keys: every message carries one of its own in its text.
What a tool sent is owed to its readers from then on; what somebody wrote by hand, once Intercom has looked. At
any moment each key was delivered to a reader at most once, keys of one sender in the order of sending; and what
is owed stands in the history exactly once, or, if somebody deleted it, in what `restore` lists.

`python -m tests.test_heal_machine 30` searches for 30 minutes, each round with new seeds; `make soak` does.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from intercom import Bus
from intercom.format import MESSAGE, parse
from intercom.system.files import replace
from tests.people_kit import lose

pytestmark = pytest.mark.slow

SENDERS = ("ann", "bob")
READERS = ("rea", "rob")
KEY = re.compile(r"⟦(\d+)⟧")
BODIES = (
    "a plain sentence about ⟦{}⟧ and what follows from it",
    "⟦{}⟧ first\n\n---\n\n## A heading, then `---` and a table\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    "Traceback ⟦{}⟧:\n```\n## [2026-01-01 00:00:00] x → y [INFO]\n---\n```\ndone",
    "* ⟦{}⟧ a list\n* with a second item\n\n\n\nand blank lines   \nwith blanks at the end",
    "⟦{}⟧",
)
OLD = time.time() - 3600


class Message(NamedTuple):
    """What the model remembers of one message."""

    sender: str
    to: str
    hand: bool


class Machine(RuleBasedStateMachine):
    """One bus, its log, the people and programs at work on it."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="intercom-machine-"))
        self.messages: dict[int, Message] = {}
        self.unseen: set[int] = set()  # written by hand, no sync since
        self.owed: set[int] = set()
        self.touched: set[int] = set()  # somebody may have meant to delete it
        self.got: dict[str, list[int]] = {reader: [] for reader in READERS}
        self.texts: dict[str, list[str]] = {reader: [] for reader in READERS}
        self.copies: list[bytes] = []
        self.fences_broken = False  # then a fence that somebody opens may be what closes another
        self.clock = 0
        self.doubled: set[int] = set()  # pasted a second time
        self.edited: set[int] = set()  # known, edited without an id, and nobody has looked since
        self.twofold: set[int] = set()  # with a text in somebody's copy that nobody had seen; it may be a message apart
        self.damaged = False  # by a program, and nobody has looked since
        self.buses: list[Bus] = []
        self._open()
        self.bus.add_agents([*SENDERS, *READERS])

    def _open(self) -> None:
        self.bus = Bus.open(self.root, machine="m")
        self.buses.append(self.bus)

    def teardown(self) -> None:
        """Everybody reads to the end; then the books must balance."""
        try:
            for reader in READERS:
                self.read(reader)
            self._balance()
        finally:
            for bus in self.buses:
                bus.close()
            shutil.rmtree(self.root, ignore_errors=True)

    # -- the file as people see it ----------------------------------------------------------------

    @property
    def log(self) -> Path:
        """The live log."""
        return self.bus.config.log

    def data(self) -> bytes:
        """What it holds."""
        try:
            return self.log.read_bytes()
        except FileNotFoundError:
            return b""

    def save(self, data: bytes) -> None:
        """Save the file, a while ago as far as anybody can tell."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(data)
        self._lapse()

    def _lapse(self) -> None:
        for path in (self.log, self.log.parent):
            if path.exists():
                os.utime(path, (OLD, OLD))
        self.unseen &= self._keys(self.data())

    def blocks(self) -> list[bytes]:
        """The file in pieces that a person would call messages, and what stands between."""
        return [entry.raw for entry in parse(self.data())]

    @staticmethod
    def _messages(data: bytes) -> tuple[list[bytes], list[bytes]]:
        """What stands above the first message, and the messages with what stands between them."""
        entries = parse(data)
        head = len(list(itertools.takewhile(lambda entry: entry.kind != MESSAGE, entries)))
        return [entry.raw for entry in entries[:head]], [entry.raw for entry in entries[head:]]

    @staticmethod
    def _keys(data: bytes) -> set[int]:
        return {int(key) for key in KEY.findall(data.decode("utf-8", "replace"))}

    def _seen(self) -> None:
        self.owed |= self.unseen
        self.unseen.clear()
        self.edited.clear()
        self.damaged = False

    def _person(self) -> None:
        """A person who edits what a program has just damaged does so after Intercom has seen the damage."""
        if self.damaged:
            self.look()

    # -- tools ------------------------------------------------------------------------------------

    def _new(self, sender: str, to: str, *, hand: bool) -> int:
        key = len(self.messages) + 1
        self.messages[key] = Message(sender, to, hand)
        return key

    @rule(
        sender=st.sampled_from(SENDERS),
        to=st.sampled_from([*READERS, "all"]),
        body=st.sampled_from(BODIES),
        n=st.integers(1, 4),
    )
    def tools_send(self, sender: str, to: str, body: str, n: int) -> None:
        """Tools append."""
        for _ in range(n):
            key = self._new(sender, to, hand=False)
            self.bus.send(to, body.format(key), sender=sender)
            self.owed.add(key)

    @rule(reader=st.sampled_from(READERS))
    def read(self, reader: str) -> None:
        """A reader reads, and gets nothing twice nor out of order."""
        for message in self.bus.read(reader):
            found = [int(key) for key in KEY.findall(message.body)]
            if message.sender == "system" or not found:
                continue
            key = found[0]
            assert message.body not in self.texts[reader], f"the same text of ⟦{key}⟧ came twice to {reader}"
            assert key not in self.got[reader] or key in self.twofold, f"⟦{key}⟧ came twice to {reader}"
            assert self.messages[key].to in {reader, "all"}
            if self.messages[key].hand:
                assert message.via == "hand"
            self.got[reader].append(key)
            self.texts[reader].append(message.body)
        self._seen()
        for sender in SENDERS:
            keys = [k for k in self.got[reader] if self.messages[k].sender == sender and not self.messages[k].hand]
            assert keys == sorted(keys) or self.touched & set(keys), f"{sender}'s messages out of order: {keys}"

    @rule()
    def look(self) -> None:
        """Somebody looks at the status: a sync, and nothing else."""
        self.bus.status()
        self._seen()

    @rule(keep=st.integers(0, 6))
    def compact(self, keep: int) -> None:
        """The oldest go to the archive."""
        self.bus.compact(keep)
        self._seen()

    @rule()
    def restore_all(self) -> None:
        """A person wants everything back."""
        self.bus.restore()
        self._seen()

    @rule()
    def index_gone(self) -> None:
        """Somebody deletes the index."""
        for path in self.bus.config.private.glob("index2.db*"):
            lose(path)

    @rule()
    def killed(self) -> None:
        """The process is gone without a word; another takes over."""
        self._open()

    # -- people -----------------------------------------------------------------------------------

    def _by_hand(self, body: str, *, crlf: bool = False) -> bytes:
        key = self._new("user", "rea", hand=True)
        if self.fences_broken and "```" in body:
            body = BODIES[0]
        self.unseen.add(key)
        self.clock += 1
        stamp = f"2026-01-12 {self.clock // 3600:02}:{self.clock // 60 % 60:02}:{self.clock % 60:02}"
        text = f"## [{stamp}] User -> Rea [ASK]\n\n{body.format(key)}\n"
        return (text.replace("\n", "\r\n") if crlf else text).encode()

    @rule(
        body=st.sampled_from(BODIES),
        place=st.floats(0, 1),
        rest=st.sampled_from([b"\n---\n\n", b"\n", b"", b"\n\n---"]),
    )
    def hand_adds(self, body: str, place: float, rest: bytes) -> None:
        """A message by hand, before any message or at the end."""
        blocks = self.blocks()
        at = round(place * len(blocks))
        new = self._by_hand(body, crlf=b"\r\n" in self.data()) + (rest if at == len(blocks) else b"\n---\n\n")
        lead = b"".join(blocks[:at])
        joint = b"" if not lead or lead.endswith(b"\n") else b"\n"
        self.save(lead + joint + new + b"".join(blocks[at:]))

    @rule(place=st.floats(0, 1), word=st.sampled_from(["fixed", "typo", "better"]))
    def hand_edits(self, place: float, word: str) -> None:
        """A person adds a word to a text."""
        self._person()
        keys = list(re.finditer("⟦\\d+⟧".encode(), self.data()))
        once = (key for key in keys if self.data().count(key.group()) == 1)
        keys = [key for key in once if not self._keys(key.group()) & self.doubled]
        if keys:
            match = keys[round(place * (len(keys) - 1))]
            data = self.data()
            key = self._keys(match.group())
            if any(entry.id is None and key <= self._keys(entry.raw) for entry in parse(data)):
                self.edited |= key - self.unseen
                self.twofold |= {one for one in key & self.unseen if any({one} <= self._keys(c) for c in self.copies)}
            self.save(data[: match.end()] + b" " + word.encode() + data[match.end() :])

    @rule(place=st.floats(0, 1), n=st.integers(1, 3))
    def hand_deletes(self, place: float, n: int) -> None:
        """A person deletes some messages."""
        self._person()
        blocks = self.blocks()
        at = round(place * len(blocks))
        gone = b"".join(blocks[at : at + n])
        self.touched |= self._keys(gone)
        self.save(b"".join(blocks[:at] + blocks[at + n :]))

    @rule(place=st.floats(0, 1), to=st.floats(0, 1))
    def hand_moves(self, place: float, to: float) -> None:
        """A person moves a message."""
        self._person()
        head, blocks = self._messages(self.data())
        if blocks:
            block = blocks.pop(round(place * (len(blocks) - 1)))
            self.touched |= self._keys(block)  # gone from its old place, should the file be cut before its new one
            blocks.insert(round(to * len(blocks)), block)
            self.save(self._joined([*head, *blocks]))

    @rule(place=st.floats(0, 1), to=st.floats(0, 1))
    def hand_duplicates(self, place: float, to: float) -> None:
        """A person pastes a tool's block a second time: what was written by hand would be said twice then."""
        self._person()
        head, blocks = self._messages(self.data())
        if sent := [block for block in blocks if b"<!-- intercom id=" in block]:
            block = sent[round(place * (len(sent) - 1))]
            self.doubled |= self._keys(block)  # one of the two, edited, may well be a message of its own
            blocks.insert(round(to * len(blocks)), block)
            self.save(self._joined([*head, *blocks]))
            if any(self.messages[key].hand for key in self._keys(block)):
                self.look()  # once their ids are stripped, nothing tells them from one text written twice by hand

    @staticmethod
    def _joined(blocks: list[bytes]) -> bytes:
        return b"".join(block if block.endswith(b"\n") else block + b"\n" for block in blocks)

    # -- programs ---------------------------------------------------------------------------------

    @rule()
    def copy(self) -> None:
        """An editor or an agent reads the file."""
        if not self.damaged:
            self.copies.append(self.data())
            self.twofold |= self.edited & self._keys(self.data())

    @precondition(lambda self: self.copies)
    @rule(n=st.integers(0, 3), body=st.sampled_from([None, *BODIES]))
    def stale_save(self, n: int, body: str | None) -> None:
        """It saves what it read, with a message more perhaps."""
        self.damaged = True
        data = self.copies[-1 - n % len(self.copies)]
        if body is None or all(message.hand for message in self.messages.values()):
            self.touched |= self._keys(self.data()) - self._keys(data)  # the second time that counts as meant
        new = b"" if body is None else self._by_hand(body)
        joint = b"" if not data or data.endswith(b"\n") else b"\n"
        self.save(data + joint + new)

    @rule(place=st.floats(0, 1))
    def truncated(self, place: float) -> None:
        """The file is cut anywhere."""
        self.damaged = True
        data = self.data()
        if self._conflicted(data):
            return  # the two sides of half a conflict are nobody's guess
        left = data[: int(place * len(data))]
        if all(message.hand for message in self.messages.values()):
            self.touched |= self.owed  # nothing tells the end from what was written last
        self.fences_broken = True
        for entry in parse(data):
            if not entry.start < len(left) < entry.start + len(entry.raw):
                continue
            if any(data.count(f"⟦{key}⟧".encode()) > 1 for key in self._keys(entry.raw)):
                left = left[: entry.start]  # half a copy of what nobody has seen could be anything
            elif entry.id is None:
                self.owed -= self._keys(entry.raw)  # shortened by hand, as far as anybody can tell
                self.unseen -= self._keys(entry.raw)
        if left.rstrip().endswith(b"---"):
            self.touched |= self._keys(data[len(left) :])  # cut so neatly, twice, it may be meant
        if b"\n" not in left[left.rfind(b"\n## [") + 1 :]:
            self.touched |= self.owed  # half a header says little about what was there
        self.save(left)

    @rule(text=st.sampled_from(["", "Just some notes.\n", "# Report\n\nAll done.\n\n---\n", "\n\n"]), new=st.booleans())
    def overwritten(self, text: str, new: bool) -> None:
        """An agent writes the whole file anew."""
        self.damaged = True
        self.save(text.encode() + (self._by_hand(BODIES[0]) if new else b""))

    @rule(moved=st.booleans())
    def removed(self, moved: bool) -> None:
        """The file is deleted or moved away."""
        self.damaged = True
        if self.log.exists():
            if moved:
                os.replace(self.log, self.root / "elsewhere.md")
            else:
                self.log.unlink()
        self._lapse()

    @rule(how=st.sampled_from(["crlf", "lf", "bom", "strip", "squeeze", "spread", "uncomment", "unclosed"]))
    def reformatted(self, how: str) -> None:
        """A formatter, `unix2dos`, `dos2unix`, a tool that strips comments or rules."""
        data = self.data()
        if how == "crlf":
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        elif how == "lf":
            data = data.replace(b"\r\n", b"\n")
        elif how == "bom":
            data = data if data.startswith(b"\xef\xbb\xbf") else b"\xef\xbb\xbf" + data
        elif how == "strip":
            data = re.sub(rb"[ \t]+(?=\r?\n)", b"", data)
        elif how == "squeeze":
            data = re.sub(rb"\n{3,}", b"\n\n", data)
        elif how == "spread":
            data = data.replace(b"\n\n", b"\n\n\n")
        elif how == "uncomment":
            data = re.sub(rb"<!-- intercom [^\n]*-->\r?\n", b"", data)
        else:
            data = re.sub(rb"\n---[ \t]*(\r?\n\s*## \[)", rb"\n\1", data)
        self.save(data)

    @precondition(lambda self: self.copies)
    @rule(n=st.integers(0, 3), body=st.sampled_from(BODIES))
    def merged(self, n: int, body: str) -> None:
        """Git merges an old copy that got a message more, and leaves its conflict."""
        self.damaged = True
        theirs, ours = self.copies[-1 - n % len(self.copies)], self.data()
        if self._conflicted(theirs) or self._conflicted(ours):
            return  # git does not merge what is not resolved
        same = self._common(theirs, ours)
        if any(same < len(b"".join(self._messages(side)[0])) for side in (ours, theirs)) or not self._messages(ours)[1]:
            return  # a conflict in what stands on top makes text of it
        new = self._by_hand(body)
        sides = [self._joined([side[same:]]) for side in (ours, theirs)]
        self.save(ours[:same] + b"<<<<<<< HEAD\n" + sides[0] + b"=======\n" + sides[1] + new + b">>>>>>> theirs\n")

    @staticmethod
    def _conflicted(data: bytes) -> bool:
        """Whether a conflict stands in a file."""
        return re.search(rb"^<{7}", data, re.MULTILINE) is not None

    @staticmethod
    def _common(one: bytes, other: bytes) -> int:
        """How far two files begin with the same messages."""
        pairs = zip(parse(one), parse(other), strict=False)
        same = itertools.takewhile(lambda pair: pair[0].raw == pair[1].raw, pairs)
        return sum(len(pair[0].raw) for pair in same)

    @precondition(lambda self: self.copies)
    @rule(n=st.integers(0, 3), new=st.booleans())
    def sync_conflict(self, n: int, new: bool) -> None:
        """A sync tool lays another computer's copy of the log beside it."""
        del new
        path = self.log.with_name("INTERCOM-m.sync-conflict-20260112.md")
        replace(path, self.copies[-1 - n % len(self.copies)])

    # -- the books --------------------------------------------------------------------------------

    @invariant()
    def nothing_of_ours_is_left_over(self) -> None:
        """No temporary file stays in the folder."""
        if self.log.parent.exists():
            assert not list(self.log.parent.glob(".*.tmp"))

    def _balance(self) -> None:
        told = [m.body for m in self.bus.history() if m.sender != "system" and KEY.search(m.body)]
        assert len({*told}) == len(told), "a text is twice in the history"
        history = [int(KEY.findall(body)[0]) for body in told]
        listed = {int(k) for m in self.bus.missing() for k in KEY.findall(m.body)}
        doubled = {key for key in history if history.count(key) > 1} - self.twofold
        assert not doubled, f"twice in the history: {doubled}"
        older = {int(k) for m in self.bus.history() for v in self.bus.versions(m.id) for k in KEY.findall(v.body)}
        assert self.owed <= older | listed, f"lost: {self.owed - older - listed}"
        hidden = listed - self.touched - self.twofold
        assert not hidden, f"hidden though nobody deleted them: {hidden}"
        for reader in READERS:
            mine = {key for key in self.owed if self.messages[key].to in {reader, "all"}}
            assert mine - set(self.got[reader]) <= listed, (
                f"never delivered to {reader}: {mine - set(self.got[reader]) - listed}"
            )


_SEARCH = settings(
    max_examples=60,
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestMachine = Machine.TestCase
TestMachine.settings = _SEARCH


def main() -> None:
    """Search for so many minutes, and say how much was tried; the first failure ends it."""
    end, rounds = time.monotonic() + 60 * float(sys.argv[1]), 0
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, XDG_CONFIG_HOME=f"{home}/.config")
        while time.monotonic() < end:
            steps = (25, 25, 50, 10)[rounds % 4]
            run_state_machine_as_test(Machine, settings=settings(_SEARCH, derandomize=False, stateful_step_count=steps))
            rounds += 1
    print(f"{rounds * _SEARCH.max_examples} days of a log, each of up to 50 things that happen to it: no failure")


if __name__ == "__main__":
    main()
