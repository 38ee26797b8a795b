"""Owns waking by a command: one that the settings name for an agent, or one that its program provides.

The command gets the id of the message, never its text, which others wrote. Its exit status proves nothing; that the
session continued with the message does.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from intercom.core.errors import IntercomError, UsageError
from intercom.core.message import age, new_id
from intercom.fleet import kept
from intercom.fleet.crew import Crew
from intercom.fleet.programs import known
from intercom.fleet.sessions import QUEUED, SessionRow
from intercom.system import host, proc
from intercom.system.files import append

LINE = "[intercom] There is a new message for you. If it is not below, call intercomm_read."
_LOG = "wake.log"  #: in the private folder: output of the last command
_QUICK = 10.0  #: time limit in seconds for a program's own command


def of_settings(crew: Crew, name: str, message: str) -> list[str] | None:
    """The command under `[agents.NAME]` for this message; None if there is none. UsageError."""
    about = crew.bus.config.section("agents").get(name, {})
    command = about.get("wake", "") if isinstance(about, Mapping) else ""
    try:
        words = host.split_words(command) if isinstance(command, str) else None
    except ValueError:
        words = None
    if words is None:
        raise UsageError(f"`wake` under [agents.{name}] in .claude/intercom.toml must be a command line.")
    return [*words, message] if words else None


def of_program(crew: Crew, row: SessionRow, text: str) -> Callable[[], object] | None:
    """A function that prompts the session by its program's own means; None if it has none.

    If the session has a keeper, the keeper does it.
    """
    runs = known.program(row.program)
    if not row.session_id or kept.keeper(crew.bus.config, row.name) is not None:
        return None
    door = kept.path_of(crew.bus.config, row.name, runs.door) if runs.door and row.spawned_by is not None else None
    if words := runs.prompting(row.session_id, text, door if door is not None and door.is_socket() else None):
        env = _environment(crew, row.name, "")
        return lambda: proc.run(words, cwd=crew.bus.config.root, env=env, timeout=_QUICK)
    path = kept.path_of(crew.bus.config, row.name, runs.reads) if runs.reads else None
    return functools.partial(_append, path, runs.prompt_line(text)) if path is not None and path.exists() else None


def _append(path: Path, line: str) -> None:
    append(path, f"{line}\n".encode())


def prompt(crew: Crew, row: SessionRow, said: str) -> str | None:
    """Have the session's program submit a line, unless one is still queued; returns the nonce that will prove it.

    None if the program has no such command. CommandFailed, ProgramMissing.
    """
    if (waiting := crew.sessions.queued(row)) is not None:
        return waiting  # queued behind a draft or a running turn: do not queue a second one
    nonce = new_id()
    put = of_program(crew, row, f"{said} [intercom:{nonce}]")
    if put is None:
        return None
    crew.sessions.expect_nonce(nonce, row.name, "command")
    try:
        put()
    except (IntercomError, OSError):
        crew.sessions.forget_nonce(nonce)
        raise
    return nonce


def begins_itself(row: SessionRow) -> bool:
    """Whether a worker is about to begin the turn that its start asked for: a line put there now may be lost."""
    own = row.state == "ready" and row.spawned_by is not None and known.program(row.program).needs_prompt
    return own and age(row.since) < QUEUED


def usher(crew: Crew, name: str) -> None:
    """Tell an idle session of its unread messages, if its program has a command for that and nothing else does."""
    row = crew.sessions.get(name)
    if row is None or not row.running or row.state not in ("ready", "idle") or crew.sessions.waiter(name):
        return
    if crew.bus.unread(name) and not begins_itself(row):
        prompt(crew, row, LINE)


def run(crew: Crew, name: str, message: str, words: list[str]) -> None:
    """Start the command in the project and do not wait: it may be a whole turn. ProgramMissing, CommandFailed."""
    log: Path = crew.bus.config.private / _LOG
    proc.detach(words, cwd=crew.bus.config.root, env=_environment(crew, name, message), log=log)


def _environment(crew: Crew, name: str, message: str) -> dict[str, str]:
    """The command's environment: who is woken, and for what message; the caller's own identity is removed."""
    ours = ("INTERCOM_NAME", "INTERCOM_ROLE", known.SPAWN, known.OWN_HOOKS)
    env = {key: value for key, value in crew.environ.items() if key not in ours}
    return {**env, "INTERCOM_ROOT": os.fspath(crew.bus.config.root), "INTERCOM_TO": name, "INTERCOM_MESSAGE": message}
