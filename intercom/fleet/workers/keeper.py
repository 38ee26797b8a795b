"""Owns a worker without a terminal: a process that starts its program, prompts it, and runs its waiter.

    begins    the program is started and opens its session, or takes up the one that it had; then its first prompt
    turn      what its hooks, or its plugin, say and are given is as in a terminal; a program whose hooks are silent
              there has its keeper for that, which calls them itself
    idle      the waiter, that a program in a terminal has as a hook; what that brings is the next prompt
    asks      its hooks ask the master; what nobody answers is denied: there is no screen on which it could stand
    killed    it is started again, and goes on with its session, which is told again what it did not keep of the turn
              that was broken off; thrice in a row at once, and it is given up

Its output is in a file, for `intercom attach`. Ending this process ends the program, which has its pipes.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

from intercom.bus.names import server_there
from intercom.core.errors import CommandFailed, IntercomError, NotFound
from intercom.core.escaping import value
from intercom.core.fleet_words import DECISIONS, SessionState
from intercom.core.texts import one_line
from intercom.fleet import kept
from intercom.fleet.crew import Crew
from intercom.fleet.programs import event as events
from intercom.fleet.programs import known
from intercom.fleet.programs.known import BESIDE
from intercom.fleet.programs.talk import Ended, Json, Opening, Said
from intercom.store.log.announce import announce
from intercom.system import host, proc
from intercom.system.invocation import own_command

AGAIN = (
    "[intercom] Your program ended in the middle of its work and was started again; this is the same session. Look at "
    "what is done, then go on. Messages that may have been lost with it come again."
)
ANEW = (
    "[intercom] Your program ended and was started again, and could not take up its session: you know nothing of what "
    "was said before. Look at what is done; `intercom log` shows what you were told. Then go on."
)
_QUICK = 20.0  #: seconds; a program that ends sooner failed to start
_STRIKES = 3  #: failed starts in a row before it is given up
_SERVER = 20.0  #: seconds for our server to connect before the first turn, which would have no tools otherwise
_PUT = 10.0  #: seconds within which its hooks put a request to the master
_LEAVE = 2.0  #: seconds for it to exit by itself
_HOOK = 660.0  #: seconds for one of its hooks: a permission waits for a master's answer
_LONG = 14 * 86_400.0  #: seconds for a waiter
_MOST = 4 << 20  #: bytes of output kept, in each of two files


def keep(crew: Crew, name: str) -> int:
    """Keep this worker while it lives; returns the exit status. NotFound if it is unknown."""
    given = kept.kept(crew.bus.config, name)
    if given is None:
        raise NotFound(f"nothing says how {name!r} is started; `intercom spawn --headless` does.")
    kept.note_keeper(crew.bus.config, name)
    strikes, prompt, broken, session, again = 0, given.prompt, "", given.session is not None, False
    reason = ""
    while strikes < _STRIKES:
        began, life = time.monotonic(), Life(crew, name)
        try:
            life.run(prompt, broken, again=again)
        except IntercomError as error:
            reason = life.end(str(error))
        strikes = strikes + 1 if time.monotonic() - began < _QUICK else 1
        if not (life.opened or session):
            life.say(reason)
            break  # it never started: whoever spawned it waits for that
        session, again = True, strikes < _STRIKES
        life.say(f"{reason}; {'it is started again' if again else 'it is given up'}")
        if not again:
            _announce(crew, name, f"it is not started again: {reason}")
        if life.opened:
            prompt, broken = "", life.broken
        time.sleep(0.5)
    crew.sessions.record(name, state="gone", detail={"reason": "ended"})
    return 1


def _announce(crew: Crew, name: str, fate: str) -> None:
    with suppress(IntercomError):
        announce(crew.bus.config, f"{value(name)}'s program ended; {fate}.")


class Life:
    """One process of the program, from its start to its end."""

    def __init__(self, crew: Crew, name: str) -> None:
        self._crew, self._name, self._config = crew, name, crew.bus.config
        given = kept.kept(self._config, name)
        assert given is not None
        self._since = kept.path_of(self._config, name, "keep").stat().st_mtime
        self._given, self._program = given, known.program(given.program)
        self._talk = self._program.talk()
        self._events = {kind: event for event, kind in getattr(self._program, "kinds", {}).items()}
        self._over = threading.Event()
        self._session = ""
        self._words: list[str] = []  # parts of its current output line
        self._writing = threading.Lock()
        self._before: list[str] = []  # earlier prompts of the session that it resumes
        self.opened = False  #: whether it opened a session
        self.broken = ""  #: the prompt of the running turn
        self._line = self._talk.words(given.words, given.session)
        self._child = proc.spoken_to(self._line, cwd=given.cwd, log=kept.path_of(self._config, name, "err"))
        self._wire = self._talk.wire(self._child, self._heard, self._asked)
        threading.Thread(target=self._alone, daemon=True).start()

    def run(self, prompt: str, broken: str, *, again: bool = False) -> None:
        """Run until the program ends: Ended, CommandFailed. `broken`: a prompt that its session may not have kept.

        `again`: after another process of it ended; what is said to its session then, stands for `prompt`.
        """
        given = self._given
        self.broken = broken
        opening = Opening(given.cwd, given.mode, given.server, given.session, self._line, self._since)
        self._session, before = self._talk.open(self._wire, opening)
        if again:
            anew = given.session is not None and self._session != given.session
            fate = f"a new one: {self._program.title} could not take up the one that it had" if anew else "its session"
            _announce(self._crew, self._name, f"it was started again, with {fate}")
            prompt = ANEW if anew else AGAIN
        if broken and _letters(broken) not in _letters("".join([before, *self._before])):
            prompt += f"\n\nWhat you were told last:\n\n{broken}"
        given._replace(session=self._session, prompt="").write(self._config, self._name)
        self.opened = True
        self._record("ready", {"source": "resume" if given.session else "startup"})
        text = self._begin(prompt)
        while True:
            if text:
                text = self._turn(text)
            text = text or self._next()

    def end(self, reason: str) -> str:
        """End the process and everything it left running (it may be a launcher); returns why, in words."""
        self._wire.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_LEAVE)
        host.kill_tree(self._child.pid)
        status = self._child.wait()
        words = kept.last_words(self._config, self._name, "err") if reason == "it ended." else reason
        how = f"it was killed by signal {-status}" if status < 0 else f"it ended with status {status}"
        return f"{how} ({one_line(words, 200)})" if words else how

    def _alone(self) -> None:
        """End what a launcher left behind: it would continue a session that is being resumed."""
        self._child.wait()
        host.kill_tree(self._child.pid)

    # -- its turns --------------------------------------------------------------------------------

    def _begin(self, prompt: str) -> str:
        """Its first prompt, once our server is there, preceded by what a session gets when it begins."""
        welcome = ""
        if self._program.speaks_alone:
            source = "resume" if self._given.session else "startup"
            welcome = _added(self._hook(events.BEGINS, source=source))
        until = time.monotonic() + _SERVER
        while time.monotonic() < until and not self._server_there():
            time.sleep(0.1)
        return "\n\n".join(part for part in (welcome, prompt) if part) if prompt else ""

    def _server_there(self) -> bool:
        if self._child.poll() is not None:
            raise Ended("it ended.")
        found = self._crew.state.instance(self._name)
        return server_there(found, self._child.pid) and found is not None and found.pid != os.getpid()

    def _turn(self, text: str) -> str:
        """Run one turn; returns the next prompt, if something came for it meanwhile."""
        self.say("> " + text)
        self.broken = text
        if self._program.speaks_alone:
            text = "\n\n".join(part for part in (text, _added(self._hook(events.PROMPT, prompt=text))) if part)
        self._over.clear()
        try:
            self._talk.turn(self._wire, self._session, text, self._over.wait)
        except Ended:
            raise
        # Mostly an error of its model's server: wait for the next prompt, as in a terminal.
        except CommandFailed as error:
            self.say(f"! {error}")
        self.broken = ""
        self._flush()
        return _added(self._hook(events.STOPS)) if self._program.speaks_alone else ""

    def _next(self) -> str:
        """Wait for something; returns the next prompt. Ended."""
        if self._program.wakes_itself:
            self._child.wait()
        status, text = self._wait_beside() if self._child.poll() is None else (0, "")
        if self._child.poll() is not None:
            raise Ended("it ended.")
        if status != events.WAKE:
            time.sleep(1.0)  # another waiter exists, or none could start
        return text if status == events.WAKE else ""

    # -- what the program says --------------------------------------------------------------------

    def _heard(self, method: str, params: Json) -> None:
        said = self._talk.said(method, params)
        if said is not None:
            self._note(said)
        if self._talk.ends(method, params):
            self._over.set()

    def _note(self, said: Said) -> None:
        if not self.opened:
            self._before += [said.text] if said.kind == "before" else []
            return  # it replays its history
        if said.kind == "said":
            self._words.append(said.text)
            if "\n" in said.text or sum(map(len, self._words)) > 400:
                self._flush()
            return
        self._flush()
        self.say(f"{'$' if said.kind == 'calls' else '='} {said.text}")
        if self._program.speaks_alone:
            self._hook(events.CALLS, **said.tool)

    def _asked(self, method: str, params: Json) -> Json | None:
        """Answer a request of the program, which may be for a permission."""
        wants = self._talk.wants(method, params)
        if wants is None:
            return None
        if self._talk.ours(params):
            return self._talk.answer(params, "allow")
        if self._program.speaks_alone:
            answer = self._hook(events.ASKS, **wants).get("hookSpecificOutput") or {}
            decision = str((answer.get("decision") or {}).get("behavior") or "")
        else:
            decision = self._decided()
        said = {"allow": "allowed", "deny": "denied"}.get(decision, "nobody answered in time: denied")
        self.say(
            f"? {wants['tool_name']}: {one_line(json.dumps(wants['tool_input'], ensure_ascii=False), 300)}: {said}"
        )
        return self._talk.answer(params, decision if decision in DECISIONS else "deny")

    def _decided(self) -> str:
        """The master's answer to what its own hooks asked; "" for none."""
        with self._crew.again() as crew:
            until, seen = time.monotonic() + _PUT, ""
            while True:
                open_ones = crew.sessions.open_requests(self._name)
                if not open_ones and (seen or time.monotonic() > until):
                    break
                seen = open_ones[0].id if open_ones else seen
                time.sleep(0.1)
            found = crew.sessions.answer_of(seen) if seen else None
        return found.decision if found is not None and found.decision in DECISIONS else ""

    # -- its hooks, its state, its output ---------------------------------------------------------

    def _record(self, state: SessionState, detail: dict[str, Any]) -> None:
        self._crew.sessions.record(
            self._name,
            state=state,
            detail=detail,
            session_id=self._session,
            pid=self._child.pid,
            transcript=self._program.transcript(self._session, os.environ),
            program=self._program.name,
        )

    def _run(self, event: str, payload: dict[str, Any], seconds: float) -> proc.Done:
        words = [*own_command(), "hook", event, "--program", self._program.name, "--spawned"]
        given = {"session_id": self._session, "cwd": self._given.cwd, "hook_event_name": event, **payload}
        row = None if self._program.speaks_alone else self._crew.sessions.get(self._name)
        beside = row.pid if row is not None and row.session_id == self._session else self._child.pid
        env = {**os.environ, BESIDE: str(beside)}  # its hooks may run below a child of what was started
        return proc.run(words, cwd=self._given.cwd, env=env, stdin=json.dumps(given), timeout=seconds, check=False)

    def _hook(self, kind: str, **payload: Any) -> dict[str, Any]:
        """Call one of its hooks and return its answer; empty if anything goes wrong."""
        with suppress(IntercomError, OSError, ValueError):
            answer = json.loads(self._run(self._events[kind], payload, _HOOK).out or "{}")
            return answer if isinstance(answer, dict) else {}
        return {}

    def _wait_beside(self) -> tuple[int, str]:
        try:
            done = self._run("wait", {"hook_event_name": self._events[events.STOPS]}, _LONG)
        except (IntercomError, OSError) as error:
            return 1, str(error)
        return done.code, done.err.strip()

    def _flush(self) -> None:
        words, self._words = "".join(self._words), []
        if words.strip():
            self.say(words.strip())

    def say(self, text: str) -> None:
        """Write a line of its output, for `intercom attach`."""
        path = kept.path_of(self._config, self._name, "out")
        stamp = datetime.now().astimezone().strftime("%H:%M:%S")
        first, *more = text.splitlines() or [""]
        lines = [f"{stamp}  {first}", *(f"          {line}" for line in more)]
        with self._writing, suppress(OSError):
            if path.exists() and path.stat().st_size > _MOST:
                os.replace(path, path.with_name(f"{path.name}.1"))
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write("\n".join(lines) + "\n")


def _letters(text: str) -> str:
    """The letters of a prompt, as a program may lay it out differently."""
    return "".join(filter(str.isalnum, text))


def _added(answer: dict[str, Any]) -> str:
    """The text that a hook adds for the model, or its reason to continue the turn."""
    inner = answer.get("hookSpecificOutput")
    context = inner.get("additionalContext") if isinstance(inner, dict) else None
    return str(context or answer.get("reason") or "")
