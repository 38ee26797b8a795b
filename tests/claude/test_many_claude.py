"""Eight workers at once, on a machine with few cores: what our part of it costs beside what must be done anyway.

A worker is ready when its server has connected. So the floor is eight claudes that are started directly, each with
a server of a few lines by the official SDK and nothing of ours, until all show their prompt and all servers run.
How long the prompts alone take, without any server, is measured and told beside it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

import pytest

from intercom.fleet import workers
from intercom.system import tmux
from tests.claude.lab import Lab
from tests.claude.stage import Stage
from tests.processes import until

MANY = 8
ROUNDS = int(os.environ.get("INTERCOM_ROUNDS") or 3)
BUDGET = 1.5
SERVER = """
import asyncio, sys
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

async def main():
    server = Server("bare")
    async with stdio_server() as (reader, writer):
        open(sys.argv[1], "w").close()
        await server.run(reader, writer, server.create_initialization_options())

asyncio.run(main())
"""


def floor(stage: Stage, name: str, *, server: bool) -> float:
    """Seconds until `MANY` claudes, started at once with nothing of ours, all show their prompt (and have a server)."""
    folder = stage.project.parent / name
    folder.mkdir()
    began = time.monotonic()
    sessions, marks = [], []
    for number in range(MANY):
        args: tuple[str, ...] = ()
        if server:
            marks.append(folder / f"{number}.up")
            entry = {"command": sys.executable, "args": ["-c", SERVER, str(marks[-1])]}
            (folder / f"{number}.json").write_text(json.dumps({"mcpServers": {"bare": entry}}))
            args = ("--mcp-config", str(folder / f"{number}.json"))
        home, project = stage.home, stage.project
        sessions.append(stage.lab.start(f"{name}-{number}", *args, home=home, project=project, size=(220, 50)))
    waiting = {one.pane: one for one in sessions}

    def all_there() -> bool:
        panes = list(waiting)
        for pane, screen in zip(panes, screens(stage.lab, panes), strict=True):
            if "\n❯\u00a0" in screen:
                del waiting[pane]
        return not waiting and all(mark.exists() for mark in marks)

    until(all_there, 120)
    took = time.monotonic() - began
    for one in sessions:
        one.end()
    return took


def screens(lab: Lab, panes: list[str]) -> list[str]:
    """All these screens by one call of tmux, so that looking costs the started ones little."""
    if not panes:
        return []
    mark = "\u241e"
    words = [[["capture-pane", "-p", "-t", pane], ["display-message", "-p", mark]] for pane in panes]
    return tmux._tmux(lab.server, *(word for pair in words for word in pair)).split(f"{mark}\n")[: len(panes)]


def ours(stage: Stage) -> tuple[float, list[workers.Spawned]]:
    """Seconds that a spawn of as many takes, worktrees included, until all are ready; and what it says."""
    began = time.monotonic()
    found = stage.spawn(MANY, worktrees=True)
    return time.monotonic() - began, found


@pytest.mark.skipif(not os.environ.get("INTERCOM_SOAK"), reason="all rounds are for `make soak`")
def test_eight_at_once(lab: Lab) -> None:
    """Ready within 1.5 times the floor, measured in turns; and all that is known of each is one worker's."""
    took: dict[str, list[float]] = {"prompts": [], "floor": [], "spawn": []}
    with Stage(lab, "eight") as stage:
        for turn in range(ROUNDS):
            took["prompts"].append(floor(stage, f"prompt-{turn}", server=False))
            took["floor"].append(floor(stage, f"server-{turn}", server=True))
            seconds, found = ours(stage)
            took["spawn"].append(seconds)
            agree(stage, found)
            assert all(one.reason is None for one in workers.teardown(stage.crew, worktrees=True))
    middle = {name: statistics.median(seconds) for name, seconds in took.items()}
    told = "; ".join(f"{name} {', '.join(f'{one:.1f}' for one in seconds)} s" for name, seconds in took.items())
    ratio = middle["spawn"] / middle["floor"]
    print(
        f"\n{MANY} at once: {told}; {ratio:.2f} x the floor ({middle['spawn'] / middle['prompts']:.2f} x the prompts)"
    )
    assert ratio <= BUDGET, told


def agree(stage: Stage, found: list[workers.Spawned]) -> None:
    """Name, session, pane, process, worktree and instance of each are one worker's."""
    assert [one.name for one in found] == [f"worker-{number}" for number in range(1, MANY + 1)]
    panes = {pane.id: pane for pane in tmux.panes(stage.lab.server)}
    for row in stage.crew.sessions.all():
        assert panes[str(row.pane)].session == row.name
        assert panes[str(row.pane)].pid == row.pid
        assert row.worktree == str(stage.worktrees / row.name)
        assert os.readlink(f"/proc/{row.pid}/cwd") == row.worktree
    there = {one.name for one in stage.crew.bus.instances() if one.state == "alive" and one.role == "worker"}
    assert there == {one.name for one in found}
