"""Owns a project with a fleet in the lab: a crew, its environment, and the looks that tests and the demo need."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from intercom.core import contract
from intercom.fleet import observe, workers
from intercom.fleet.crew import Crew
from intercom.fleet.sessions import Sessions
from intercom.fleet.wake import Woken, safely
from intercom.fleet.workers.teardown import _marked
from intercom.system import proc, tmux
from tests.claude.lab import Lab
from tests.processes import until


def call(tool: str, verb: str = "tool", **inputs: Any) -> str:
    """A line of script: the model calls a tool."""
    return f"%{verb} {tool} {json.dumps(inputs)}"


def bus_call(tool: str, verb: str = "next", **inputs: Any) -> str:
    """A line of script: the model calls a tool of the bus."""
    return call(f"mcp__intercomm__{tool}", verb, **inputs)


def no_waiter(sessions: Sessions, name: str) -> None:
    """End its waiter, and one that may stand behind it. Then only keys can wake it."""
    still = time.monotonic()
    while time.monotonic() - still < 0.6:
        waiter = sessions.waiter(name)
        if waiter is not None:
            proc.end(*waiter)
            still = time.monotonic()
        time.sleep(0.05)


class Stage:
    """One project, with this process as its master. A context manager; leaving it ends every worker."""

    def __init__(self, lab: Lab, name: str, **env: str) -> None:
        self.lab = lab
        self._before = len(lab.requests())  # other stages' sessions asked for those
        self.home = lab.new_home(f"{name}/home")
        self.project = lab.new_project(self.home, f"{name}/project")
        self.env: Mapping[str, str] = {
            **lab.environment(self.home),
            "INTERCOM_TMUX_SOCKET": lab.server.socket,
            "LANG": "C.UTF-8",
            **env,
        }
        self.crew = Crew.open(self.project, machine="stage", environ=self.env)

    def __enter__(self) -> Self:
        self.crew.bus.register("master", pid=os.getpid())
        return self

    def __exit__(self, *_: object) -> None:
        workers.teardown(self.crew, "", worktrees=True, force=True)
        self.crew.close()

    def spawn(self, count: int = 1, **more: Any) -> list[workers.Spawned]:
        """Workers that are up, all of them, and have done their first turn."""
        plan = workers.Plan(count, **{"ready_timeout": 60.0, "wake": False, **more})
        found = workers.spawn(self.crew, plan, by="master")
        assert all(one.ready for one in found), (found, self.faults())
        return found

    def send(self, to: str, text: str, *, urgent: bool = False, type_: str = "status") -> tuple[str, Woken]:
        """Store a message from the master and wake its reader."""
        sent = self.crew.bus.send(to, text, sender="master", type=type_, priority="urgent" if urgent else None)
        return sent.id, safely(self.crew, to, sent.id)

    def assign(self, to: str, text: str) -> tuple[str, Woken]:
        """Give a task; its lines that begin with % are the model's script."""
        return self.send(to, contract.build(contract.Contract("worker", text)), type_="task")

    def look(self, name: str) -> observe.Observation:
        """A worker, at this moment."""
        return observe.look(self.crew, name)

    def state(self, name: str) -> str:
        """What a worker does."""
        return self.look(name).state

    def wait_state(self, name: str, *states: str, seconds: float = 15.0) -> observe.Observation:
        """The worker once it is in one of these states."""

        def look() -> observe.Observation | None:
            seen = observe.look(self.crew, name)
            return seen if seen.state in states else None

        return until(look, seconds)

    def screen(self, name: str) -> str:
        """The worker's screen."""
        row = self.crew.sessions.get(name)
        assert row is not None
        assert row.pane is not None
        return tmux.look(self.lab.server, row.pane, colours=False)[1]

    def keys(self, name: str, *words: str) -> None:
        """What a person presses in the worker's terminal."""
        row = self.crew.sessions.get(name)
        assert row is not None
        tmux._tmux(self.lab.server, ["send-keys", "-t", str(row.pane), *words])

    def requests(self) -> list[dict[str, Any]]:
        """What the model was asked since this stage was set up, by whomever: oldest first."""
        return self.lab.requests()[self._before :]

    def asked(self, text: str) -> list[dict[str, Any]]:
        """Those requests in whose newest turn `text` stands."""
        return [one for one in self.requests() if text in one["prompt"] + one["reminders"] + str(one["results"])]

    def processes(self, name: str) -> list[proc.Process]:
        """All that runs for a worker now."""
        row = self.crew.sessions.get(name)
        path = self.crew.bus.config.private / "workers" / f"{name}.mcp.json"
        mark = json.loads(path.read_text())["mcpServers"]["intercomm"]["env"]["INTERCOM_SPAWN"]
        found = _marked(mark)
        assert row is None or any(one.pid == row.pid for one in found)
        return found

    def faults(self) -> str:
        """What hooks complained of."""
        log = self.crew.bus.config.private / "errors.log"
        return log.read_text() if log.exists() else ""

    @property
    def worktrees(self) -> Path:
        """Where the workers' worktrees are."""
        return self.project.parent / ".intercomm-worktrees" / self.project.name
