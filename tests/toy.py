"""Toy, a second agent program: a prompt in a terminal that calls hooks, and what Intercom has to know about it.

Run with the file that it was given at its start, it is the agent; run as `toy.py hook EVENT`, one of its hooks.
"""
# ruff: noqa: ARG002  # a program is asked more than this one needs to know

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from intercom.core.fleet_words import PermissionDecision, Ruling
from intercom.fleet.programs import event as events
from intercom.fleet.programs.event import Ask, Event
from intercom.fleet.programs.known import PROGRAMS
from intercom.fleet.programs.program import Connection, Prepared, Start, Status
from intercom.fleet.programs.screen import Dialog, Screen
from intercom.fleet.programs.talk import Talk
from intercom.fleet.programs.usage import Call, Meter

PROMPT = "toy> "
BUSY = "toy is at work"


class Toy:
    """All that there is to know about it."""

    name = "toy"
    title = "Toy"
    command = "toy"
    install = "build a toy"
    switch = "toy --servers"
    files: tuple[str, ...] = ("toy.json",)
    reads = ""
    door = ""
    submit = "Enter"
    clear = "C-u"
    modes: Mapping[str, str] = {}  # never changed in place
    needs_prompt = False
    forms: tuple[str, ...] = ("terminal",)
    speaks_alone = False
    hooked = False
    wakes_itself = False

    def check(self, argv: Sequence[str], environ: Mapping[str, str]) -> str:
        """There is one version."""
        return "1.0"

    def untried(self, version: str) -> str:  # there is one
        """Nothing is newer."""
        return ""

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """It takes one file."""
        given = {"session": start.session, "command": [*start.command], "env": {**start.identity}}
        return Prepared([*argv, str(write("toy.json", json.dumps(given)))], ())

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """It needs its terminal."""
        raise NotImplementedError

    def talk(self) -> Talk:
        """The same."""
        raise NotImplementedError

    def prompting(self, session: str, text: str, door: Path | None = None) -> list[str] | None:
        """It has no command for that."""
        return None

    def prompt_line(self, text: str) -> str:
        """It reads none."""
        return text

    def connection(self, root: Path, environ: Mapping[str, str]) -> Connection:
        """It has no settings."""
        return Connection((), "", ())

    def add_server(self, entry: Mapping[str, Any]) -> str:
        """It is told at its start."""
        return f"toy add {entry['command']}"

    def inherits(self, variable: str) -> bool:
        """One switch."""
        return variable == "TOY_COLOUR"

    def session_of(self, environ: Mapping[str, str]) -> str | None:
        """Its servers are not told."""
        return None

    def project_of(self, environ: Mapping[str, str]) -> str | None:
        """Its hooks run where it does."""
        return None

    def status(self, pid: int, environ: Mapping[str, str]) -> Status | None:
        """It keeps no file of its processes."""
        return None

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """Its events bear our names."""
        return Event(event, event, **payload) if event in events.KINDS else None

    def context(self, event: Event, text: str) -> dict[str, Any]:
        """Its hooks answer in words."""
        return {"context": text}

    def decision(self, event: Event, decision: PermissionDecision, message: str | None) -> dict[str, Any]:
        """In these, too."""
        return {"decision": decision, "message": message}

    def ruled(self, ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> Ruling | None:
        """A rule names a tool."""
        if ask.tool in deny:
            return "deny", ask.tool
        return ("allow", ask.tool) if ask.tool in allow else None

    def speaks(self, rule: str) -> bool:
        """Any may."""
        return bool(rule)

    def retained(self, transcript: str, idents: Iterable[str]) -> set[str]:
        """It writes no transcript."""
        return set()

    def came(self, transcript: str, idents: Iterable[str], *, queued: bool = False) -> set[str]:
        """The same."""
        return set()

    def transcript(self, session: str, environ: Mapping[str, str]) -> str | None:
        """Nor is one found."""
        return None

    def meter(self, transcript: str) -> Meter | None:
        """It counts nothing."""
        return None

    def cost(self, call: Call) -> float | None:
        """It is free, and says nothing of it."""
        return None

    def price_list(self) -> str:
        """It has none."""
        return ""

    def import_ahead(self) -> None:
        """All of it is here."""

    def read(self, text: str, *, title: str = "", in_mode: bool = False, dead: bool = False) -> Screen:
        """What stands behind the last prompt."""
        if dead:
            return Screen("gone")
        _, found, rest = text.rpartition(PROMPT.strip())
        if not found:
            return Screen("unknown")
        draft = rest.strip()
        return Screen("running") if BUSY in rest else Screen("draft" if draft else "idle", draft=draft)

    def choice_for(self, dialog: Dialog, decision: PermissionDecision) -> int | None:
        """It shows no dialogs."""
        return None


def hook(event: str, **payload: Any) -> dict[str, Any]:
    """Call a hook and hear what it says."""
    line = [sys.executable, os.path.abspath(__file__), "hook", event]
    done = subprocess.run(line, input=json.dumps(payload), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def agent(given: dict[str, Any]) -> None:
    """The program itself: it does what a message asks, and paints where it may."""
    session = given["session"]
    environ = {**os.environ, **given["env"]}
    with subprocess.Popen([*given["command"], "mcp"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environ):
        hook(events.BEGINS, session=session, source="startup", fresh=True)
        while True:
            line = input(PROMPT)
            print(BUSY, flush=True)
            told = hook(events.PROMPT, session=session, text=line).get("context", "")
            if "paint" in told:
                wall: dict[str, Any] = {"tool": {"tool": "Paint", "subject": "the wall"}, "inputs": {"wall": 1}}
                answer = hook(events.ASKS, session=session, cwd=os.getcwd(), **wall)
                print("it is painted" if answer.get("decision") == "allow" else "it is left as it is")
                hook(events.CALLED, session=session, **wall)
            hook(events.STOPS, session=session, text="done")


if __name__ == "__main__":
    PROGRAMS["toy"] = Toy
    if sys.argv[1] == "hook":
        from intercom.hooks import run

        sys.exit(run(sys.argv[2], None, "toy"))
    agent(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
