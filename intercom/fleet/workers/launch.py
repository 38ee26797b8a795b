"""Owns starting one worker: its worktree, its files, its environment, its tmux session.

A worker gets its information through its environment and files of its own in `.claude/local/.intercom/workers/`. The
shell that becomes the worker reads the environment file and deletes it, so no secret is on a command line.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from intercom.core.document import text_of
from intercom.core.message import utc
from intercom.fleet import kept
from intercom.fleet.crew import Crew
from intercom.fleet.kept import FOLDER
from intercom.fleet.programs import known
from intercom.fleet.programs.known import OWN_HOOKS, SPAWN
from intercom.fleet.programs.program import Prepared, Start
from intercom.fleet.sessions import SessionRow
from intercom.fleet.workers.environment import as_shell, bootstrap_environment, worker_environment
from intercom.fleet.workers.plan import Plan, Ticket, command_of
from intercom.fleet.worktrees import worktree
from intercom.system import host, proc, tmux
from intercom.system.files import make_private_folder
from intercom.system.invocation import own_command
from intercom.system.liveness import started

#: A pane inherits its tmux server's environment, perhaps all of its starter's: nothing of it but this is passed on.
_BARE = 'exec env -i TERM="$TERM" TMUX="$TMUX" TMUX_PANE="$TMUX_PANE" PATH="$PATH" sh -c "$0" "$@"'
_SCRIPT = 'set -a; . "$0"; set +a; command -p rm -f -- "$0"; exec "$@"'  # -p: whatever PATH was set


class Launched(NamedTuple):
    """A worker whose process was started."""

    row: SessionRow
    left_out: tuple[str, ...]  #: the project's MCP servers that it does without


_git = threading.Lock()  # concurrent `git worktree add` in one repository may collide


def place(crew: Crew, plan: Plan, ticket: Ticket) -> Path:
    """The worker's folder: its worktree, created if necessary, or the project."""
    if not plan.worktrees:
        return crew.bus.config.root
    if ticket.reuse is not None:
        return Path(ticket.reuse)
    with _git:
        return Path(crew.worktrees.add(ticket.name, plan.worktree_base).path)


def prepare(crew: Crew, plan: Plan, ticket: Ticket, cwd: Path) -> str | None:
    """Run the bootstrap in a new worktree; returns the path of its output. CommandFailed, with its last line."""
    if not plan.bootstrap or ticket.reuse is not None:
        return None
    log = folder(crew) / f"{ticket.name}.bootstrap.log"
    log.unlink(missing_ok=True)
    worktree.bootstrap(cwd, plan.bootstrap, log, env=bootstrap_environment(crew))
    return str(log)


def launch(crew: Crew, plan: Plan, ticket: Ticket, cwd: Path, *, by: str, prompt: str = "") -> Launched:
    """Start the worker in `cwd`, with `prompt` if it needs one, and record it in the sessions.

    CommandFailed, Refused, StorageError.
    """
    program = known.program(plan.program)
    own = identity(crew, ticket)
    mode, root = plan.perm_mode, crew.bus.config.root
    start = Start(ticket.session, root, cwd, mode, own_command(), own, crew.environ, prompt)
    make = program.alone if plan.headless else program.prepare
    prepared = make(command_of(plan), start, lambda end, text: _file(crew, f"{ticket.name}.{end}", text))
    environ = {**worker_environment(crew, program), **own}
    if program.hooked:
        environ[OWN_HOOKS] = ticket.session
    _file(crew, f"{ticket.name}.spawn", ticket.session)
    row = SessionRow(
        ticket.name,
        None,
        None,
        None,
        "starting",
        "{}",
        utc(),
        socket=crew.server.socket,
        worktree=str(cwd) if plan.worktrees else None,
        program=plan.program,
        spawned_by=by,
    )
    crew.sessions.put(row)  # first, so that after a kill a teardown still knows whose it is
    if plan.headless:
        pid, pane = _without_terminal(crew, start, plan.program, environ, prepared), None
    else:
        pid, pane = _in_tmux(crew, ticket.name, environ, prepared.words, cwd)
    row = row._replace(pid=pid, started=started(pid), pane=pane)
    crew.sessions.put(row)
    crew.bus.register("worker", ticket.name, pid=pid, session=ticket.session)
    return Launched(row, prepared.left_out)


def _in_tmux(crew: Crew, name: str, environ: Mapping[str, str], words: list[str], cwd: Path) -> tuple[int, str]:
    """Start it in tmux; returns its process and its pane."""
    env = _file(crew, f"{name}.env", as_shell(environ))
    # Not in tmux's own environment: a person's process in another pane of that session is not this worker.
    pane = tmux.new_session(crew.server, name, ["sh", "-c", _BARE, _SCRIPT, str(env), *words], cwd=cwd)
    return pane.pid, pane.id


def _without_terminal(crew: Crew, start: Start, program: str, environ: Mapping[str, str], prepared: Prepared) -> int:
    """Start its keeper, which starts the program."""
    config, name = crew.bus.config, start.identity["INTERCOM_NAME"]
    for end in kept.ENDS:
        kept.path_of(config, name, end).unlink(missing_ok=True)
    server = {
        "command": start.command[0],
        "args": [*start.command[1:], "mcp"],
        "env": {**start.identity, **prepared.told},
    }
    kept.Kept(program, prepared.words, os.fspath(start.cwd), start.mode, server, start.prompt).write(config, name)
    log = _file(crew, f"{name}.out", "")
    return proc.detach([*own_command(), "keep", name], cwd=config.root, env=environ, log=log).pid


def identity(crew: Crew, ticket: Ticket) -> dict[str, str]:
    """Variables that say who the worker is, and where its bus is."""
    config = crew.bus.config
    return {
        "INTERCOM_NAME": ticket.name,
        "INTERCOM_ROLE": "worker",
        "INTERCOM_ROOT": os.fspath(config.root),
        "INTERCOM_MACHINE": config.machine,
        "INTERCOM_TMUX_SOCKET": crew.server.socket,
        SPAWN: ticket.session,
    }


def folder(crew: Crew) -> Path:
    """The folder of workers' files."""
    where = crew.bus.config.private / FOLDER
    make_private_folder(crew.bus.config.private)
    make_private_folder(where)
    return where


def spawn_id(crew: Crew, name: str) -> str | None:
    """The spawn id of a worker launched here, None if there is none any more."""
    try:
        return text_of(kept.path_of(crew.bus.config, name, "spawn")) or None
    except (OSError, ValueError):
        return None


def forget_files(crew: Crew, name: str) -> None:
    """Delete a worker's files, for whatever program; the output of its bootstrap stays."""
    of_programs = (end for name in {*known.PROGRAMS, *known.WORKERS} for end in known.program(name).files)
    ends = {"env", "spawn", "keys", *kept.ENDS, "out.1", *of_programs}
    for end in ends:
        kept.path_of(crew.bus.config, name, end).unlink(missing_ok=True)


def _file(crew: Crew, name: str, text: str) -> Path:
    path = folder(crew) / name
    path.unlink(missing_ok=True)
    handle = host.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    return path
