"""What a power cut at any moment leaves: every message that was accepted, as its sender sent it, and nothing else.

Scenarios are recorded call by call, and each is cut after every call; of what was not synced any part may be
missing. `make test` tries some hundreds of disks, `make soak` more than 10^5 states.
`python -m tests.test_powercut 500 send compact` tries 500 states of each of these scenarios, or of all, several
processes side by side, and counts what fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.layouts import FACTS, put
from tests.powercut_story import AGENTS, TOP, Known, Story, token_of
from tests.powercut_trial import Act, Scenario, Tally, Trial

pytestmark = pytest.mark.slow
MOST = 3  #: states of one cut
EACH = 24  #: disks of one scenario, from one recording
MEMORY = "/dev/shm"  #: where it is, files there are never on a disk


# -- what was there before --------------------------------------------------------------------------


def nothing(story: Story) -> None:
    """No message, no folder."""


def some(story: Story) -> None:
    """A few messages, some of them read, and people's own text on the page."""
    story.sends(4)
    story.own_text()
    story.look()
    story.read("roo")
    story.send(sender="roo", to="master")
    story.sends(2)
    story.send(to="all")


def many(story: Story) -> None:
    """So many that two more make the log too long."""
    story.send()
    story.own_text()
    story.sends(97, size=20)
    story.look()
    story.read("roo")
    story.send()


def archived(story: Story) -> None:
    """Some have been compacted."""
    some(story)
    story.compact(4)
    story.sends(4)
    story.look()


def two_names(story: Story) -> None:
    """Two machine names in one folder; the page of the first has not caught up."""
    some(story)
    story.sends(2, machine="lap")
    story.look("lap")
    story.send(machine="lap")


def by_hand(story: Story) -> None:
    """A page that people began, and no tool has seen."""
    folder = story.page().parent
    folder.mkdir(parents=True)
    story.page().write_text("# Ours\n\nTalk here.\n\n", encoding="utf-8")
    for _ in range(3):
        story.write(how="append")
    for known in story.world.messages.values():
        known.must, known.by_hand = True, ""
    story.world.pending, story.world.torn = False, []


def layout(name: str) -> Act:
    """A folder that the version with a journal left."""

    def prepare(story: Story) -> None:
        facts, world = FACTS[name], story.world
        put(name, story.root)
        for one in [*facts["messages"], *facts["maybe"]]:
            world.count += 1
            body = "" if one.get("id") in facts["redacted"] else one["body"]
            far = " of far" in body  # another machine's word: that version told it as if it were our own
            sender, via = (f"{one['sender']}@far", "machine") if far else (one["sender"], one["via"])
            known = Known(token_of(body) or one["id"], {(sender, one["to"], via, body)}, must="id" in one)
            known.id, known.number, known.ours = one.get("id", ""), world.count, not far
            if one["sender"] == "system":
                world.system.add(known.id)
            else:
                world.messages[known.token] = known
        for ident, one in facts["hidden"].items():
            known = Known(token_of(one["body"]), {(one["sender"], one["to"], one["via"], one["body"])}, must=True)
            known.id, known.hidden = ident, {True}
            world.messages[known.token] = known
        world.machines, world.taken = list(facts["machines"]), False
        world.top = facts["top"].strip()
        world.secrets = set(facts["redacted"].values())
        for reader, unread in facts["unread"].items():
            given = (known for known in world.messages.values() if known.id and known.id not in unread)
            world.given[reader] = {known.token for known in given}
        world.giving = set(AGENTS) - set(facts["unread"])

    return prepare


# -- what is recorded -------------------------------------------------------------------------------


def now_and_then(story: Story) -> None:
    """Perhaps a look, perhaps a reader, perhaps the next command is another process."""
    if story.rng.random() < 0.3:
        story.look()
    if story.rng.random() < 0.3:
        story.read("roo")
    if story.rng.random() < 0.3:
        story.close()


def send(story: Story) -> None:
    """Messages of all sizes, some of them sent by several at once."""
    for _ in range(4):
        story.send()
        now_and_then(story)
    story.sends_at_once(3)


def send_long(story: Story) -> None:
    """Messages of many pages, one of them with rules where pages end."""
    story.send(story.text(9000))
    story.send(f"{story.token()}{'=' * 300}\n\n---\n\n" * 1 + "rule\n\n---\n\n" * 900)
    now_and_then(story)
    story.send(via="cli", sender="user", to="all")


def send_to_names(story: Story) -> None:
    """Under several machine names, each with a page of its own, behind by what the others sent."""
    for machine in ("box", "lap", "lap", "box", "pod", "box"):
        story.send(machine=machine)
        if story.rng.random() < 0.4:
            story.look(story.rng.choice(("box", "lap", "pod")))


def take_in(story: Story) -> None:
    """People write into the page; it is taken in and read."""
    story.write(how="append")
    story.look()
    story.send()
    story.write(at_top=True, sender="master")
    story.read("roo")
    story.write(sync=True)
    story.send()
    story.look()


def below_by_hand(story: Story) -> None:
    """Tools send below what a person saved and synced, before anybody looks."""
    story.write(how="append", sync=True)
    story.send()
    story.write(how="append")
    story.send()
    story.look()


def write_under_names(story: Story) -> None:
    """People write into the pages of two names; under either all of it is read."""
    story.write(how="append")
    story.write(machine="lap")
    story.read("roo")
    story.write(machine="lap", how="append")
    story.send()
    story.look()
    story.write(at_top=True)
    story.read("roo", "lap")
    story.look("lap")


def redact_under_names(story: Story) -> None:
    """A secret is destroyed where two names have pages, and people go on writing into both."""
    secret = story.send(story.text(400))
    story.look()
    story.look("lap")
    story.write(machine="lap", how="append")
    story.redact(secret.token)
    story.look("lap")
    story.write(machine="lap", how="append")
    story.look()
    story.send(machine="lap")


def edit_under_names(story: Story) -> None:
    """People correct texts in the pages of two names; each page learns what was done in the other."""
    story.edit(story.on_page("box")[1], machine="box")
    story.look("box")
    story.look("lap")
    story.edit(story.on_page("lap")[2], machine="lap")
    story.send(machine="lap")
    story.look("lap")
    story.look("box")


def by_hand_first(story: Story) -> None:
    """Somebody writes into the page that was there, and then it is looked at."""
    story.write(how="append")
    story.look()
    story.send(to="roo")
    story.read("roo")


def edit_and_delete(story: Story) -> None:
    """People correct a text, take messages out, and put one back."""
    names = story.on_page()
    story.edit(names[1])
    story.look()
    story.delete(names[0], names[2])
    story.look()
    story.edit(names[1], sync=True)
    story.send()
    story.read("roo")
    story.delete(names[3])
    story.send()
    story.look()


def restore(story: Story) -> None:
    """What was deleted is brought back."""
    names = story.on_page()
    story.delete(names[1], names[2], how="inplace")
    story.look()
    story.restore(names[1])
    now_and_then(story)
    story.send()
    story.restore(names[2])
    story.look()


def redact(story: Story) -> None:
    """A secret is sent, edited, archived with the others, and destroyed."""
    first, second = story.send(story.text(60)), story.send(story.text(5000))
    story.look()
    story.edit(second.token, how="rename")
    story.look()
    story.redact(first.token)
    story.send()
    story.compact(2)
    story.redact(second.token)
    story.send()


def compact_by_sending(story: Story) -> None:
    """The message that makes the log too long, and those after it."""
    story.sends(4)
    now_and_then(story)


def compact(story: Story) -> None:
    """Compacted twice, with what people did in between."""
    names = story.on_page()
    story.compact(5)
    story.send()
    story.write(how="append")
    story.delete(names[-1])
    story.look()
    story.compact(3)
    story.send()
    now_and_then(story)


def rotate(story: Story) -> None:
    """So much is sent that segments fill up, and compacted in between."""
    for _ in range(3):
        story.sends(2, size=700)
        story.send(story.text(2500))
        story.compact(3)
        now_and_then(story)


def repair(story: Story) -> None:
    """The page is emptied, cut, overwritten, removed, and saved from an old copy; each time it is put right."""
    before = story.page().read_bytes()
    ways: list[Callable[[bytes], bytes]] = [
        lambda _: b"",
        lambda data: data[: len(data) * 2 // 3],
        lambda _: before,
        lambda data: data[len(data) * 4 // 5 :],
    ]
    story.rng.shuffle(ways)
    for change in ways[:2]:
        story.sends(2)
        story.look()
        story.break_page(change, how=story.rng.choice(("inplace", "rename")))
        story.send() if story.rng.random() < 0.3 else story.look()
    story.look()


def come_and_go(story: Story) -> None:
    """Names are taken and given back; what was sent to them and by them stays."""
    story.do("register", lambda bus: bus.register("worker", "w-7"))
    story.send(sender="w-7", to="master")
    story.send(to="w-7")
    story.read("roo")
    story.do("sign off", lambda bus: bus.signoff("w-7"))
    story.send()


def rebuild(story: Story) -> None:
    """The index is made anew."""
    story.send()
    story.do("rebuild", lambda bus: bus.rebuild())
    story.send()
    story.do("rebuild", lambda bus: bus.rebuild())
    story.read("roo")


def edit_by_command(story: Story) -> None:
    """A person's edit of a copy, put into the page though something was sent meanwhile."""
    base = story.page().read_bytes()
    edited = base.replace(TOP.encode(), f"{TOP}And a queue.\n\n".encode())
    story.send()
    story.do("save", lambda bus: bus.save(base, edited))
    story.send()
    story.look()


def look_first(story: Story) -> None:
    """What was there is looked at, then people and tools go on."""
    story.look()
    story.send(to="roo")
    story.read("roo")
    story.send(to="roo")


def send_first(story: Story) -> None:
    """Somebody sends before anybody looks."""
    story.send(to="roo")
    story.look()
    story.read("roo")


SCENARIOS = {
    "send": Scenario(some, send),
    "send long": Scenario(some, send_long),
    "send into a new folder": Scenario(nothing, send_first),
    "send into a page by hand": Scenario(by_hand, send_first),
    "send under several names": Scenario(two_names, send_to_names),
    "take in": Scenario(some, take_in),
    "send below what is by hand": Scenario(some, below_by_hand),
    "write under two names": Scenario(two_names, write_under_names),
    "redact under two names": Scenario(two_names, redact_under_names),
    "edit under two names": Scenario(two_names, edit_under_names),
    "edit and delete": Scenario(some, edit_and_delete),
    "delete what is archived": Scenario(archived, edit_and_delete),
    "restore": Scenario(some, restore),
    "redact": Scenario(some, redact),
    "compact by sending": Scenario(many, compact_by_sending),
    "compact": Scenario(some, compact),
    "rotate": Scenario(archived, rotate, segments=3000),
    "repair": Scenario(some, repair),
    "come and go": Scenario(some, come_and_go),
    "rebuild": Scenario(archived, rebuild),
    "edit by command": Scenario(some, edit_by_command),
    **{f"take over {name} by a look": Scenario(layout(name), look_first) for name in FACTS},
    **{f"take over {name} by a send": Scenario(layout(name), send_first) for name in ("plain", "hidden", "untaken")},
    "take over untaken with a message by hand": Scenario(layout("untaken"), by_hand_first),
}


def tried(name: str, base: Path, seed: int, most: int, each: int) -> Tally:
    """At most `each` disks of a recording of this scenario, `most` states of each cut."""
    tally = Tally()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir=base) as folder:
        Trial(name, SCENARIOS[name], seed, Path(folder), patch).run(most, each, tally)
    assert tally.disks, f"{name}: nothing to try"
    return tally


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: it is never synced."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_power_cut(name: str, base: Path) -> None:
    """Whatever of it reached the disk, the next command finds all that was accepted, and says nothing."""
    tally = tried(name, base, 1, MOST, EACH)
    print(f"{name}: {tally.disks} disks")
    assert not tally.bad, f"\n{tally}"


def _searched(job: tuple[str, int, int]) -> tuple[str, Tally]:
    """So many states of a scenario, from as many recordings as that takes, the first with this seed."""
    name, wanted, seed = job
    total = Tally()
    while total.states < wanted:
        with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
            total.merge(tried(name, Path(folder), seed, min(32, wanted), min(240, wanted)))
        seed += 1
    return name, total


def main() -> None:
    """Count what fails; exit 1 if anything does."""
    wanted, names = int(sys.argv[1]), sys.argv[2:] or list(SCENARIOS)
    seed, total, began = int(os.environ.get("INTERCOM_SEED", "1")), Tally(), time.monotonic()
    with get_context("spawn").Pool(min(os.cpu_count() or 1, 4, len(names))) as pool:
        for name, tally in pool.imap_unordered(_searched, [(name, wanted, seed) for name in names]):
            total.merge(tally)
            print(
                f"{name}: {tally.states} states: {tally.bad} of {tally.disks} disks failed", tally.counts(), flush=True
            )
    print(f"\n{total}\nin {time.monotonic() - began:.0f} s")
    sys.exit(bool(total.bad))


if __name__ == "__main__":
    main()
