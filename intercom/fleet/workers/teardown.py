"""Owns ending workers: only those that Intercom started, and everything that runs for them.

What runs for a worker is the process tree below its pane, and everything else with its spawn id in the environment:
a server that its model put into the background is no longer its child.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from intercom.core.errors import IntercomError, NotFound, UnknownName
from intercom.fleet import kept
from intercom.fleet.crew import Crew
from intercom.fleet.programs.known import SPAWN
from intercom.fleet.sessions import SessionRow
from intercom.fleet.workers.launch import forget_files, spawn_id
from intercom.fleet.workers.plan import begins
from intercom.system import proc, tmux
from intercom.system.liveness import alive, started


class Torn(NamedTuple):
    """The result for one worker: processes ended, and its worktree (removed, kept, or None: not requested)."""

    name: str
    ended: int
    worktree: str | None = None
    reason: str | None = None
    kept: dict[str, Any] | None = None  #: unsaved work of a removed worktree: its files, and the ref that has them

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {key: value for key, value in self._asdict().items() if value is not None}

    def told(self) -> str:
        """The result in words, for the log."""
        parts = [
            f"{self.name}: {self.ended} processes ended",
            *([f"worktree {self.worktree}"] if self.worktree else []),
        ]
        if self.kept:
            parts.append(f"unsaved work under {self.kept['ref']}: {', '.join(self.kept['files'])}")
        return "; ".join([*parts, *([self.reason] if self.reason else [])])


def teardown(crew: Crew, prefix: str = "worker", *, worktrees: bool = False, force: bool = False) -> list[Torn]:
    """End every spawned worker whose name has this prefix; with `worktrees`, remove those too.

    A worktree with unsaved work is kept and named, unless `force`: then the work is kept under a ref, which is
    named.
    """
    out = []
    rows = [row for row in crew.sessions.all() if row.spawned_by is not None and begins(row.name, prefix)]
    for row in rows:
        try:
            ended = end(crew, row)
            forget(crew, row.name)
        except IntercomError as error:
            out.append(Torn(row.name, 0, reason=f"it could not be ended: {error}"))
            continue
        out.append(_worktree(crew, row.name, ended, force=force) if worktrees else Torn(row.name, ended))
    names = {row.name for row in rows}
    for entry in crew.worktrees.entries() if worktrees else []:
        left = entry.status != "removed" and begins(entry.worker, prefix) and entry.worker not in names
        if left and not _in_use(crew, entry.worker):
            out.append(_worktree(crew, entry.worker, 0, force=force))
    return out


def _worktree(crew: Crew, name: str, ended: int, *, force: bool) -> Torn:
    """Remove the worktree of a worker that has ended."""
    entry = crew.worktrees.get(name)
    if crew.worktrees.living(name) is None and (entry is None or entry.status == "removed"):
        return Torn(name, ended)
    try:
        gone = crew.worktrees.remove(name, force=force)
    except IntercomError as error:
        return Torn(name, ended, "kept", str(error))
    kept = {"ref": gone.ref, "files": list(gone.kept)} if gone.ref else None
    return Torn(name, ended, "removed", kept=kept)


def _in_use(crew: Crew, name: str) -> bool:
    """Whether a session that is not ours to end works in that worktree."""
    row = crew.sessions.get(name)
    alive_there = any(one.name == name and one.state in ("alive", "stale") for one in crew.bus.instances())
    return alive_there or (row is not None and row.running)


def end(crew: Crew, row: SessionRow, *, spawn: str | None = None) -> int:
    """End everything that runs for a worker, and its tmux session; returns the number of processes. CommandFailed."""
    crew.sessions.died(row)  # ended by us: nobody needs a notice of its death
    server = crew.tmux_of(row.socket)
    mark = spawn or spawn_id(crew, row.name)
    pane = _own_pane(server, row, mark)
    keeper = kept.keeper(crew.bus.config, row.name)
    roots = [keeper] if keeper is not None else []  # first, because it would restart what ends
    roots += [proc.Process(row.pid, row.started)] if row.pid is not None and alive(row.pid, row.started) else []
    if pane is not None and not pane.dead:
        roots += [proc.Process(pane.pid, started(pane.pid))]
    waiter = crew.sessions.waiter(row.name)
    roots += [proc.Process(*waiter)] if waiter else []
    found: dict[int, proc.Process] = {}
    for one in roots:
        found |= {each.pid: each for each in (one, *proc.children(one.pid))}
    ended = proc.end_all(found.values())
    for _ in range(3):  # again, for processes that were just starting
        late = _marked(mark) if mark else []
        if not late:
            break
        ended += proc.end_all(late)
    if pane is not None:
        tmux.kill_session(server, pane.session)
    return len(ended)


def forget(crew: Crew, name: str) -> None:
    """Release the worker's name, and delete the record of its session."""
    try:
        crew.bus.signoff(name)
    except (UnknownName, NotFound):
        pass  # it signed off itself
    crew.sessions.drop(name)
    forget_files(crew, name)


def _own_pane(server: tmux.Server, row: SessionRow, mark: str | None) -> tmux.Pane | None:
    """The pane we started the worker in, if it is still that one: a new tmux server numbers panes from 0 again.

    The process in it may be a script around the agent, and no longer the one that we started. If whoever started it
    was killed before recording the pane, the session's name leads to it.
    """
    try:
        pane = tmux.pane(server, row.pane or row.name)
    except NotFound:
        return None
    if pane.session != tmux.session_name(row.name):
        return None
    ours = (pane.dead and row.pane is not None) or pane.pid == row.pid or _has_mark(pane.pid, mark)
    return pane if ours or any(one.pid == row.pid for one in proc.children(pane.pid)) else None


def _marked(mark: str) -> list[proc.Process]:
    """Every process with this spawn id in its environment, as far as we may see."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        if not name.isdigit() or int(name) == os.getpid() or not _has_mark(int(name), mark):
            continue
        since = started(int(name))
        if since is not None:
            found.append(proc.Process(int(name), since))
    return found


def _has_mark(pid: int, mark: str | None) -> bool:
    """Whether a process has this spawn id in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark is not None and f"{SPAWN}={mark}".encode() in file.read().split(b"\0")
    except OSError:
        return False
