"""Owns a target: a real claude to which others speak through the tools of the bus, and what must hold when they do.

A worker is spoken to by its master with intercomm_wake and intercomm_assign, a master by a worker with
intercomm_escalate. Each word is checked as it is said; that each reached the model once is checked at the end.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import time
from typing import Any, NamedTuple, Self

from intercom.bus.names import server_there
from intercom.fleet import workers
from intercom.fleet.programs.claude.hook_settings import settings
from intercom.fleet.programs.screen import Screen
from intercom.fleet.workers.launch import launch
from intercom.fleet.workers.plan import tickets
from intercom.system.invocation import own_command
from tests.claude.capture import SERVER
from tests.claude.lab import Lab, Session
from tests.claude.places import PLACES, Place, clear, refuse, seen
from tests.claude.stage import Stage, no_waiter
from tests.processes import patience, until
from tests.server_client import BareClient

SOAK = bool(os.environ.get("INTERCOM_SOAK"))
ARGS = ("--allowedTools", "mcp__team1", "Bash(sleep *)")
SPEAKER = {"worker": "master", "master": "asker-1"}
KINDS = {"worker": ("wake", "assign"), "master": ("escalate",)}
_prefixes = (f"worker{number}" for number in itertools.count(1))  # a tmux server keeps each name once


class Said(NamedTuple):
    """What one word to a target came to."""

    kind: str
    place: str
    id: str
    answer: dict[str, Any]
    seconds: float  #: as the caller saw it

    @property
    def woke(self) -> bool:
        """Whether the answer is that it was woken."""
        return bool(self.answer["woke"])


class Target:
    """One claude, and whoever speaks to it. A context manager; leaving it ends both."""

    def __init__(self, lab: Lab, place: str, role: str = "worker", *, asks_master: bool = False) -> None:
        """`asks_master`: its permissions are asked for on the bus, beside the dialog."""
        self.stage = Stage(lab, f"{place}-{role}")
        self.role, self.prefix = role, next(_prefixes)
        self.name = f"{self.prefix}-1" if role == "worker" else "master"
        self.said: list[Said] = []
        self._numbers = itertools.count(1)
        folder = self.stage.project / ".claude"
        folder.mkdir(exist_ok=True)
        (folder / "intercom.toml").write_text("" if asks_master else "[permissions]\nwait = 0\n")
        self.speaker = BareClient(
            self.stage.project,
            INTERCOM_MACHINE="stage",
            INTERCOM_TMUX_SOCKET=lab.server.socket,
            HOME=str(self.stage.home),
        )

    def __enter__(self) -> Self:
        self.speaker.__enter__()
        kind = "worker" if self.role == "master" else "master"
        self.speaker.call("intercomm_register", role=kind, name=SPEAKER[self.role])
        return self

    def __exit__(self, *_: object) -> None:
        if self.role == "master" and hasattr(self, "session"):
            self.session.end()
        self.stage.__exit__()
        self.speaker.close()

    # -- starting ------------------------------------------------------------------------------------

    def up(self) -> None:
        """Start it, and wait until it is ready."""
        there = self.stage.project.parent / "team1-there"
        team = {"command": sys.executable, "args": [str(SERVER), str(there)]}
        (self.stage.project / ".mcp.json").write_text(json.dumps({"mcpServers": {"team1": team}}))
        (self.stage.project / ".claude" / "settings.local.json").write_text('{"enableAllProjectMcpServers":true}')
        if self.role == "worker":
            command = " ".join(["claude", *(f"'{word}'" for word in ARGS)])
            self.stage.spawn(claude_cmd=command, perm_mode="default", prefix=self.prefix)
            row = self.stage.crew.sessions.get(self.name)
            assert row is not None
            assert row.pane is not None
            self.session = Session(self.stage.lab, row.pane, self.stage.home, self.stage.project)
        else:
            self.start(*ARGS)
            until(self.connected, 30)
        until(lambda: self.stage.crew.sessions.waiter(self.name), 30)
        until(there.exists, 30)

    def begin(self, script: str, *args: str) -> None:
        """Start it, and do not wait for it; a worker through a script of its own that stands for the command."""
        if self.role == "master":
            self.start(*args)
            return
        crew, wrapper = self.stage.crew, self.stage.project.parent / "command"
        wrapper.write_text(f"#!/bin/sh\n{script}\n")
        wrapper.chmod(0o755)
        plan = workers.Plan(1, prefix=self.prefix, wake=False, perm_mode="default", claude_cmd=f"'{wrapper}'")
        row = launch(crew, plan, tickets(crew, plan)[0], self.stage.project, by="master").row
        assert row.pane is not None
        self.session = Session(self.stage.lab, row.pane, self.stage.home, self.stage.project)

    def start(self, *args: str) -> None:
        """Start a master, and do not wait for it."""
        own = {
            "INTERCOM_NAME": "master",
            "INTERCOM_ROLE": "master",
            "INTERCOM_ROOT": str(self.stage.project),
            "INTERCOM_MACHINE": "stage",
        }
        command = own_command()
        server = {"command": command[0], "args": [*command[1:], "mcp"], "env": own}
        for name, data in (("s", settings(command)), ("m", {"mcpServers": {"intercomm": server}})):
            (self.stage.project.parent / f"{name}.json").write_text(json.dumps(data))
        files = [str(self.stage.project.parent / f"{name}.json") for name in "sm"]
        given = ("--settings", files[0], "--mcp-config", files[1], *args)
        place = f"{self.stage.project.parent.name}-{next(self._numbers)}"
        self.session = self.stage.lab.start(
            place, *given, home=self.stage.home, project=self.stage.project, env=own, size=(220, 50)
        )

    def connected(self) -> bool:
        """Whether the session has begun, and has its server."""
        row = self.stage.crew.sessions.get(self.name)
        known = self.stage.crew.state.instance(self.name)
        return row is not None and row.state == "ready" and server_there(known, row.pid)

    # -- speaking ------------------------------------------------------------------------------------

    def speak(self, kind: str, place: str, text: str = "!touch made") -> Said:
        """One word to it, by one of KINDS; stored, and answered in time."""
        text = f"{text} {next(self._numbers)}"
        began = time.monotonic()
        if kind == "wake":
            answer = self.speaker.call("intercomm_wake", worker=self.name, message=text)
        elif kind == "assign":
            answer = self.speaker.call("intercomm_assign", worker=self.name, role="worker", role_instructions=text)
        else:
            answer = self.speaker.call("intercomm_escalate", message=text)
        said = Said(kind, place, answer["id"], answer, time.monotonic() - began)
        self.said.append(said)
        assert answer.get("stored") or answer.get("persisted"), answer
        assert [one for one in self.stage.crew.bus.history() if one.id == said.id and text in one.body]
        assert answer.get("seconds", 0) <= 5.0 + (0.0 if SOAK else patience(2)), said
        assert said.seconds <= 5.0 + patience(0.3 if SOAK else 5), said  # with the way there and back
        assert said.woke != bool(answer.get("reason")), said
        return said

    def alone(self) -> None:
        """Leave only the keys to wake it with."""
        no_waiter(self.stage.crew.sessions, self.name)

    # -- a round -------------------------------------------------------------------------------------

    def round(self, name: str, *, alone: bool) -> None:
        """Bring it to a place, say all words there, and see that nothing was touched; then bring it out again."""
        try:
            self._round(name, PLACES[name], alone=alone)
        except AssertionError as error:
            row = self.stage.crew.sessions.get(self.name)
            raise AssertionError(f"{name}, alone={alone}: {error}\n{row}\n{self.session.text()}") from error

    def _round(self, name: str, place: Place, *, alone: bool) -> None:
        place.enter(self.session)
        if alone:
            self.alone()
        for kind in KINDS[self.role]:
            before = self._settled_at(place)
            had = self.stage.crew.sessions.waiter(self.name) is not None
            said = self.speak(kind, name)
            self._check(place, said, before, had=had)
            if said.woke:
                until(lambda said=said: self.times(said.id) == 1, 20)  # type: ignore[misc]
            elif place.safe == "asked":
                assert not self.times(said.id), said
        place.leave(self.session)
        self.rest()
        self.unharmed()

    def unharmed(self) -> None:
        """What any tool would have done was not done."""
        assert not [one for one in ("made", "x") if (self.stage.project / one).exists()]
        assert (self.stage.project / "a.txt").read_text() == "one\n"

    def _settled_at(self, place: Place) -> Screen:
        """What it shows at this place; a turn that a word before this one began may hide it for a while."""
        end = time.monotonic() + patience(20)
        while True:
            found = seen(self.session)
            if found.state in place.shows or place.safe == "busy":
                return found
            assert found.state in ("running", "idle", "draft", "menu", "unknown"), (found, self.session.text())
            assert time.monotonic() < end, (found, self.session.text())
            time.sleep(0.1)

    def _settled_after(self, before: Screen) -> Screen:
        """What it shows now; a screen that is being drawn is looked at again."""
        end = time.monotonic() + patience(5)
        while (found := seen(self.session)).state == "unknown" != before.state and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def _check(self, place: Place, said: Said, before: Screen, *, had: bool) -> None:
        """The answer is right for this place, and what was on the screen still is."""
        after = self._settled_after(before)
        if place.safe == "asked":
            assert not said.woke, said
            assert after.dialog is not None or before.dialog is None, (said, self.session.text())
            if before.dialog is not None and after.dialog is not None:
                assert after.dialog.text == before.dialog.text, said
        if place.safe == "held":
            how = said.answer.get("how")  # a turn that a word before this one began may still run, and has hooks
            assert not said.woke or how == "hook" or (had and how == "waiter"), said
            assert said.woke or after.state == before.state or had, (said, after)
            assert (after.draft or "") == (before.draft or ""), (said, after)
        if place.safe == "free":
            assert said.woke, (said, self.session.text())
            if SOAK and had and before.state != "running" and said.answer["how"] == "waiter":
                assert said.answer["seconds"] < patience(), said
        if place.safe == "busy" and said.woke:
            assert said.answer["how"] in ("hook", "waiter", "keys"), said
        if not said.woke:
            assert re.search(place.why, said.answer["reason"]), (said, before, self.session.text())

    def times(self, ident: str) -> int:
        """In how many turns the model was given a message."""
        return len(self.stage.asked(ident))

    def rest(self, *, tidy: bool = False) -> None:
        """Wait until it has read everything and is idle; what a person would do to get it there is done.

        A draft must be one that a person has typed at a place; `tidy`: any is cleared away, and a dialog refused.
        """
        crew, end = self.stage.crew, time.monotonic() + patience(60)
        moved = time.monotonic()  # when something last went on that may bring it there by itself
        still: float | None = None  # since when it is at rest
        while still is None or time.monotonic() - still < 0.6:
            assert time.monotonic() < end, (crew.sessions.get(self.name), self.session.text())
            sight, now = self.stage.look(self.name), time.monotonic()
            shown = sight.screen or seen(self.session)
            quiet = shown.state in ("ready", "idle", "draft", "error", "menu", "shell_mode")
            waits = crew.bus.unread(self.name) or crew.state.open_receipts(self.name)
            if not quiet or sight.state not in ("ready", "idle") or waits or shown.draft:
                still = None
            elif still is None:
                still = now
            if shown.state == "menu" or (tidy and shown.dialog is not None):
                refuse(self.session)
                still = None
            elif quiet and shown.draft:
                assert tidy or _typed(shown.draft), shown
                clear(self.session)
            elif not quiet or not waits:
                moved = now
            elif now - moved > (6 if crew.sessions.waiter(self.name) else 1):
                self.session.prompt("go on")
                until(lambda: seen(self.session).draft != "go on", 10)
                moved = time.monotonic()
            time.sleep(0.15)

    def reckon(self) -> None:
        """Every word reached the model in just one turn."""
        wrong = [(one, self.turns_with(one.id)) for one in self.said if self.times(one.id) != 1]
        assert not wrong, wrong
        assert not self.stage.faults()
        woke = sum(one.woke for one in self.said)
        worst = max((one.answer.get("seconds", 0.0) for one in self.said), default=0.0)
        print(f"{self.name}: {len(self.said)} words, each once in the model's log; {woke} woke; worst {worst} s")

    def turns_with(self, ident: str) -> list[str]:
        """The turns in which the model was given a message, as far as they tell how: when, by whose words."""
        return [
            f"request {one['n']} at {one['t']:.2f}: {one['prompt'][-300:]!r} {one['reminders'][-500:]!r}"
            for one in self.stage.asked(ident)
        ]


def _typed(draft: str) -> bool:
    """Whether it is what a place has typed; of `z` it may be any number."""
    return draft.strip("z") in {place.draft.strip("z") for place in PLACES.values() if place.draft}
