"""Owns the trials: a scenario is recorded, cut anywhere, and the next command looks at each disk; and their count.

A *state* is a moment of the cut and a choice of what reached the disk. Many of them leave the same bytes, promised the
same: such a *disk* is looked at once.
"""

from __future__ import annotations

import copy
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.layouts import renumber
from tests.powercut import (
    LONG_AGO,
    Disk,
    Mark,
    Op,
    Outcome,
    describe,
    killed,
    materialize,
    restart,
    small_segments,
    snapshots,
    split,
    states,
)
from tests.powercut_check import Plan, problems
from tests.powercut_story import Story, World
from tests.recorder import Recorder

PRIVATE = ".claude/local/.intercom"
PAGES = (512, 4096)  #: bytes of a sector, of a page
TWICE = "; then as the next command worked"
_LINES = 12  #: operations before a cut that are shown
_SECOND = 2  #: cuts of the command that looks
Act = Callable[[Story], None]


class Scenario(NamedTuple):
    """What was there before, and what is recorded."""

    prepare: Act
    act: Act
    segments: int = 0  #: bytes after which a segment of the archive is full; 0: as always


class Case(NamedTuple):
    """One disk and what was done with it: enough to make it again."""

    scenario: str
    seed: int
    page: int
    cut: int
    outcome: Outcome
    plan: Plan
    detail: str = ""
    lines: tuple[str, ...] = ()  #: what was done up to the cut, in words

    @property
    def weight(self) -> tuple[bool, int, int, int]:
        """Small is easy to understand."""
        return TWICE in self.scenario, len(self.outcome.lost) + len(self.outcome.grown), self.cut, len(self.detail)

    def __str__(self) -> str:
        first = max(0, len(self.lines) - _LINES)
        shown = [(place, line) for place, line in enumerate(self.lines) if place >= first or place in self.outcome.lost]
        marks = ["LOST" if place in self.outcome.lost else "    " for place, _ in shown]
        head = f"{self.scenario}, seed {self.seed}, pages of {self.page}, cut after {self.cut}: {self.outcome}"
        told = [head, str(self.plan), self.detail, *(f"{m} {line}" for m, (_, line) in zip(marks, shown, strict=True))]
        return "\n".join(f"    {line[:300]}" for line in told)


class Tally:
    """How many disks there were, and of each kind of failure how many and the smallest."""

    def __init__(self) -> None:
        self.states = 0
        self.disks = 0  #: that differ
        self.bad = 0  #: disks on which anything failed
        self.kinds: Counter[str] = Counter()
        self.smallest: dict[str, Case] = {}

    def add(self, found: Sequence[tuple[str, str]], case: Case, ops: Sequence[Op], names: dict[int, str]) -> None:
        """Count one disk."""
        self.disks += 1
        self.bad += bool(found)
        self.kinds.update({kind for kind, _ in found})
        for kind, detail in found:
            told = case._replace(detail=detail)
            best = self.smallest.get(kind)
            if best is None or told.weight < best.weight:
                self.smallest[kind] = told._replace(lines=tuple(describe(_labelled(ops), case.cut, names)))

    def merge(self, other: Tally) -> None:
        """Count what another counted, too."""
        self.states += other.states
        self.disks += other.disks
        self.bad += other.bad
        self.kinds += other.kinds
        for kind, case in other.smallest.items():
            if kind not in self.smallest or case.weight < self.smallest[kind].weight:
                self.smallest[kind] = case

    def counts(self) -> str:
        """How many of each kind."""
        return "\n".join(f"{count:7} {kind}" for kind, count in self.kinds.most_common())

    def __str__(self) -> str:
        cases = [f"{kind}:\n{self.smallest[kind]}" for kind, _ in self.kinds.most_common()]
        return "\n".join([f"{self.states} states: {self.bad} of {self.disks} disks failed", self.counts(), "", *cases])


def _labelled(ops: Sequence[Op]) -> list[Op]:
    """The operations, of each moment its label alone."""
    return [op._replace(event=op.event.label) if isinstance(op, Mark) else op for op in ops]


def _possible(plan: Plan, disk: Disk) -> Plan:
    """The plan, on a disk that may have lost the folder of the state."""
    return plan if PRIVATE in disk.nodes() else plan._replace(state=None, newest=False)


class Recording(NamedTuple):
    """What was done, and what held meanwhile."""

    story: Story
    recorder: Recorder
    ops: list[Op]
    boot: str  #: which start of the machine it was

    def world(self, upto: int) -> World:
        """What holds after so many operations."""
        return self.story.world_at(self.ops, upto)


class Trial:
    """One recording of a scenario, and the disks that it may leave. `patch` is undone by who gave it."""

    def __init__(self, name: str, scenario: Scenario, seed: int, base: Path, patch: pytest.MonkeyPatch) -> None:
        self.name = name
        self.seed = seed
        self.rng = random.Random(f"{name} {seed}")
        self.page = self.rng.choice(PAGES)
        self._base = base
        self._patch = patch
        self._count = 0
        self._seen: set[int] = set()
        if scenario.segments:
            small_segments(patch, scenario.segments)
        self._boot = restart(patch)
        story = Story(self._place("story"), self.rng)
        scenario.prepare(story)
        self.first = self._record(story, scenario.act)

    def _place(self, name: str = "") -> Path:
        """A folder for a project that no other had: what is remembered of a path by this process is of no other."""
        self._count += 1
        folder = self._base / (name or f"{self._count}")
        folder.mkdir(parents=True)
        return folder / "project"

    def _record(self, story: Story, act: Act) -> Recording:
        recorder = story.begin()
        with recorder.recording():
            story.mark("it begins")
            try:
                act(story)
            finally:
                story.close()
        return Recording(story, recorder, split(recorder.ops, self.page), self._boot)

    def plan(self, world: World, kept: int, *, kill: bool = False) -> Plan:
        """How the next command comes, where there were so many snapshots of the state."""
        dice = self.rng.random()
        state: int | None = 0 if kill or dice < 0.6 or kept < 2 else self.rng.randrange(1, kept)
        if not kept or (dice > 0.9 and not kill and world.taken):
            state = None
        first = self.rng.choice(("look", "read", "send"))
        stale = not kill and self.rng.random() < 0.3
        return Plan(self.rng.choice(world.machines), first, state, stale, kill, newest=state == 0)

    def disks(self, recording: Recording, most: int) -> Iterator[tuple[int, Outcome, Disk, bool]]:
        """Every cut in some order, each with at most so many states; whether only the process died there."""
        start, ops = recording.recorder.start, recording.ops
        order = list(range(recording.recorder.first, len(ops) + 1))
        self.rng.shuffle(order)
        for upto in order:
            for outcome, disk in states(start, ops, upto, self.rng, most):
                yield upto, outcome, disk, False
            if self.rng.random() < 0.3:
                for outcome, disk in killed(start, ops, upto, self.rng):
                    yield upto, outcome, disk, True

    def run(self, most: int, budget: int, tally: Tally, *, twice: float = 0.1) -> None:
        """Try at most `budget` disks that differ; a share of them is cut again as the next command looks."""
        for upto, outcome, disk, kill in self.disks(self.first, most):
            if tally.disks >= budget:
                break
            tally.states += 1
            world, kept = self.first.world(upto), len(snapshots(self.first.ops, upto))
            if not self._new((kill, kept, id(world)), disk):
                continue
            plan = _possible(self.plan(world, kept, kill=kill), disk)
            root = self.put(self.first, upto, disk, plan)
            if self.rng.random() < twice:
                self._again(root, world, plan, tally, f"{self.name}, cut after {upto}: {outcome}")
            else:
                found = problems(root, world, plan)
                case = Case(self.name, self.seed, self.page, upto, outcome, plan)
                tally.add(found, case, self.first.ops, self.first.recorder.names)
            shutil.rmtree(root.parent)

    def _new(self, promised: tuple[object, ...], disk: Disk) -> bool:
        mark = hash((promised, tuple(sorted(disk.tree().items(), key=lambda item: item[0]))))
        new = mark not in self._seen
        self._seen.add(mark)
        return new

    def _again(self, root: Path, world: World, plan: Plan, tally: Tally, name: str) -> None:
        """Cut the next command, too: who comes after it finds the same."""

        def act(story: Story) -> None:
            if plan.first == "send":
                story.send(machine=plan.machine)
            elif plan.first == "read":
                story.read("roo", plan.machine)
            else:
                story.look(plan.machine)

        try:
            second = self._record(Story(root, self.rng, copy.deepcopy(world)), act)
        except Exception:  # noqa: BLE001  # what fails here is counted where it is cut once
            return
        cuts = (self.rng.randrange(second.recorder.first, len(second.ops) + 1) for _ in range(_SECOND))
        found = ((upto, one) for upto in cuts for one in states(second.recorder.start, second.ops, upto, self.rng, 2))
        for upto, (outcome, disk) in found:
            tally.states += 1
            if not self._new((name, upto), disk):
                continue
            then = self.plan(second.world(upto), len(snapshots(second.ops, upto)))
            then = _possible(then._replace(newest=then.newest and plan.newest), disk)
            place = self.put(second, upto, disk, then)
            case = Case(f"{name}{TWICE}", self.seed, self.page, upto, outcome, then)
            tally.add(problems(place, second.world(upto), then), case, second.ops, second.recorder.names)
            shutil.rmtree(place.parent)

    def put(self, recording: Recording, upto: int, disk: Disk, plan: Plan) -> Path:
        """The project as the next command finds it, in another process, after another start of the machine."""
        root = self._place()
        materialize(disk, root, time.time() - 2 if plan.kill else LONG_AGO)
        private = root / PRIVATE
        if private.is_dir():
            kept = snapshots(recording.ops, upto)
            if plan.state is not None and kept:
                (private / "state.db").write_bytes(kept[-1 - plan.state])
            for path, data in recording.story.apart.items() if plan.stale else ():
                (root / path).write_bytes(data)
            journal = disk.nodes().get(f"{PRIVATE}/journal.md")  # only where that version wrote, or is taken over
            if journal is not None and (private / "state.db").exists():
                renumber(private, str(recording.recorder.inodes[journal]))
        self._boot = restart(self._patch, recording.boot if plan.kill else "")
        return root
