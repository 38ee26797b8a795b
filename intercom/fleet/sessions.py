"""Owns what is known about each agent session: its state by its hooks, wakes on their way, its waiter, what it asks.

Tables of its own inside `state.db`. Hooks write here, the fleet reads: one row for each
name on the bus, from the moment somebody starts a session for it. Nothing here looks at a screen.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from intercom.core.errors import NotFound, UsageError
from intercom.core.message import age, new_id, utc
from intercom.fleet import transcripts
from intercom.fleet.programs.known import DEFAULT
from intercom.store.state import receipts
from intercom.store.state.db import State
from intercom.system.liveness import alive, mark_alive, own_mark, started

STATES = ("starting", "trust", "mcp_approval", "bypass", "blocked", "ready", "running", "idle", "gone", "unknown")
DECISIONS = ("allow", "deny")
ENDED = "ended"  #: how a request ended that nobody is known to have answered
_NOBODY = "0.lost"  #: the mark of no process: what it was given counts as not given
_NONCE_LIFE = 86_400.0  #: seconds after which nobody waits for a nonce any more
QUEUED = 15.0  #: seconds after a turn in which what waited behind it has begun the next one
_ROW = (
    "SELECT name, session_id, pid, started, state, detail, since, pane, socket, worktree, agent, transcript, "
    "spawned_by, heard FROM sessions"
)
_REQUEST = "SELECT id, name, request, message_id, mark, asked FROM requests"


class SessionRow(NamedTuple):
    """One agent session. Times are UTC."""

    name: str  #: canonical, as on the bus
    session_id: str | None  #: the agent's own id of the session; set by its hooks, so None until one ran
    pid: int | None  #: of the agent process
    started: str | None  #: the mark of its start, see `intercom.system.liveness`
    state: str  #: one of STATES
    detail: str  #: JSON object: tool, command, paths, prompt, message … whatever the state has
    since: str  #: since when it is in this state
    pane: str | None = None  #: tmux pane id
    socket: str | None = None  #: tmux server
    worktree: str | None = None
    program: str = DEFAULT  #: which agent program it runs
    transcript: str | None = None
    spawned_by: str | None = None  #: None for a session that a person started
    heard: str | None = None  #: when a hook last said something

    def about(self) -> dict[str, Any]:
        """The detail as a dictionary."""
        found = json.loads(self.detail or "{}")
        return found if isinstance(found, dict) else {}

    @property
    def mark(self) -> str | None:
        """The agent process as `pid.start`, as receipts name it; None where it is not known."""
        return f"{self.pid}.{self.started}" if self.pid is not None and self.started is not None else None

    @property
    def running(self) -> bool:
        """Whether the agent process is known and still there."""
        return self.pid is not None and alive(self.pid, self.started)


class Request(NamedTuple):
    """A permission that a session asks for and waits for."""

    id: str
    name: str  #: who asks
    request: dict[str, Any]  #: tool, command, paths, input …
    message_id: str | None  #: the question on the bus
    asked: str


class Answer(NamedTuple):
    """What was decided about a request."""

    decision: str  #: allow or deny
    by: str
    reason: str | None
    at: str


class Sessions:
    """The agent sessions of one bus. One thread at a time, as its State."""

    def __init__(self, state: State) -> None:
        self._state = state

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, in which what was read stays true."""
        with self._state.transaction() as db:
            yield db

    def _one(self, sql: str, *values: Any) -> Any:
        with self._state.guarded():
            return self._state.db.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._state.guarded():
            return self._state.db.execute(sql, values).fetchall()

    # -- the sessions -----------------------------------------------------------------------------

    def put(self, row: SessionRow) -> None:
        """Store all that is known, in place of what was."""
        _check_state(row.state)
        with self._changing() as db:
            _put(db, row)

    def get(self, name: str) -> SessionRow | None:
        """The session of a name, None if there never was one."""
        row = self._one(f"{_ROW} WHERE name = ?", name) if name.isascii() else None  # names on the bus are
        return SessionRow(*row) if row else None

    def all(self) -> list[SessionRow]:
        """Every session that is known, gone or not."""
        return [SessionRow(*row) for row in self._all(f"{_ROW} ORDER BY name")]

    def drop(self, name: str) -> None:
        """Forget a session, its waiter and what it asks."""
        with self._changing() as db:
            for table in ("sessions", "waiters", "requests", "nonces"):
                db.execute(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608  # our own words
            transcripts.end(db, name)

    def record(
        self,
        name: str,
        *,
        state: str,
        detail: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        pid: int | None = None,
        transcript: str | None = None,
        pane: str | None = None,
        socket: str | None = None,
        program: str | None = None,
    ) -> SessionRow:
        """Note what a hook said; None leaves what was known (but a detail belongs to its state and goes with it)."""
        _check_state(state)
        now = utc()
        with self._changing() as db:
            found = db.execute(f"{_ROW} WHERE name = ?", (name,)).fetchone()
            before = SessionRow(*found) if found else SessionRow(name, None, None, None, state, "{}", now)
            row = before._replace(
                state=state,
                detail=json.dumps(detail or {}),
                since=before.since if before.state == state else now,
                session_id=session_id or before.session_id,
                pid=pid if pid is not None else before.pid,
                started=started(pid) if pid is not None else before.started,
                transcript=transcript or before.transcript,
                pane=pane or before.pane,
                socket=socket or before.socket,
                program=program or before.program,
                heard=now,
            )
            _put(db, row)
            if row.transcript:
                transcripts.note(db, row.name, row.transcript, row.program)
        return row

    def transcripts(self) -> list[transcripts.Transcript]:
        """Every conversation that was ever told of, oldest first."""
        return [transcripts.Transcript(*row) for row in self._all(transcripts.ALL)]

    # -- proof of a wake --------------------------------------------------------------------------

    def expect_nonce(self, nonce: str, name: str, rung: str) -> None:
        """A text with `[intercom:NONCE]` is about to be put before this session, by this rung of the ladder."""
        with self._changing() as db:
            db.execute("DELETE FROM nonces WHERE expected < ?", (utc(time.time() - _NONCE_LIFE),))
            db.execute("INSERT OR REPLACE INTO nonces VALUES (?, ?, ?, ?, NULL)", (nonce, name, rung, utc()))

    def saw_nonce(self, nonce: str) -> bool:
        """A hook of the session saw it; whether anybody expected it."""
        with self._changing() as db:
            done = db.execute("UPDATE nonces SET seen = coalesce(seen, ?) WHERE nonce = ?", (utc(), nonce))
            return done.rowcount > 0

    def nonce_seen(self, nonce: str) -> str | None:
        """When a hook saw it (UTC), None if it has not."""
        row = self._one("SELECT seen FROM nonces WHERE nonce = ?", nonce)
        return row[0] if row else None

    def wakes(self, name: str, *, older: float = 0.0, younger: float = _NONCE_LIFE) -> list[str]:
        """Nonces of the waiter's wakes that no hook has seen, given so many seconds ago."""
        sql = (
            "SELECT nonce FROM nonces WHERE name = ? AND rung = 'waiter' AND seen IS NULL "
            "AND expected BETWEEN ? AND ? ORDER BY expected"
        )
        now = time.time()
        return [row[0] for row in self._all(sql, name, utc(now - younger), utc(now - older))]

    def given_at(self, mark: str) -> str:
        """When a waiter gave what has this mark (UTC); "" for any other mark."""
        nonce = mark.split(".")[-2] if mark.endswith(".w") else ""
        row = self._one("SELECT expected FROM nonces WHERE nonce = ?", nonce) if nonce else None
        return str(row[0]) if row else ""

    def queued(self, row: SessionRow) -> str | None:
        """The nonce of a wake that a command has put before this session, and that no hook has seen yet.

        What waits behind a turn begins the next one. If that turn is over and none has begun since, the wake was lost,
        or the hook that was to see it.
        """
        over = row.state in ("ready", "idle") and age(row.since) > QUEUED
        sql = "SELECT nonce FROM nonces WHERE name = ? AND rung = 'command' AND seen IS NULL AND expected >= ?"
        found = self._one(f"{sql} ORDER BY expected DESC", row.name, row.since if over else "")
        return found[0] if found else None

    def forget_nonce(self, nonce: str) -> None:
        """Its text was never put before anybody."""
        with self._changing() as db:
            db.execute("DELETE FROM nonces WHERE nonce = ?", (nonce,))

    # -- the waiter -------------------------------------------------------------------------------

    def hold_waiter(self, name: str, pid: int, since: str | None) -> bool:
        """Become the one waiter of a session; False where another holds it and lives. `since`: start mark of `pid`."""
        with self._changing() as db:
            row = db.execute("SELECT pid, started FROM waiters WHERE name = ?", (name,)).fetchone()
            if row and row[0] != pid and alive(row[0], row[1]):
                return False
            db.execute("INSERT OR REPLACE INTO waiters VALUES (?, ?, ?)", (name, pid, since))
        return True

    def leave_waiter(self, name: str, pid: int) -> None:
        """Stop being the waiter."""
        with self._changing() as db:
            db.execute("DELETE FROM waiters WHERE name = ? AND pid = ?", (name, pid))

    def waiter(self, name: str) -> tuple[int, str | None] | None:
        """The live waiter of a session as (pid, start mark), None if it has none."""
        row = self._one("SELECT pid, started FROM waiters WHERE name = ?", name)
        return (row[0], row[1]) if row and alive(row[0], row[1]) else None

    def follow(self, row: SessionRow, session_id: str | None) -> None:
        """The session goes on under another id in another process: what its waiter gave in vain is given again.

        Its name is that session's, whose server may take it; the old one's server and waiter have it no more.
        """
        with self._changing() as db:
            db.execute("DELETE FROM waiters WHERE name = ?", (row.name,))
            receipts.hand_over_waiters(db, row.name, row.mark, _NOBODY)
            db.execute(
                "UPDATE instances SET session = ?, pid = NULL, started = NULL WHERE name = ? AND gone IS NULL",
                (session_id, row.name),
            )

    # -- receipts through hooks -------------------------------------------------------------------

    def adopt(self, name: str, mark: str) -> None:
        """What this process gave `name` has left it: the session `mark` has it now, and a later hook confirms."""
        with self._changing() as db:
            receipts.hand_over(db, name, own_mark(), mark)

    def confirm(self, name: str, marks: Iterable[str]) -> None:
        """The session acts: what these processes gave for it counts as received."""
        given = {one.session for one in self._state.open_receipts(name)}
        for mark in given.intersection(marks):
            self._state.confirm(name, mark)

    def given(self, name: str, mark: str) -> list[str]:
        """Messages that this process has, and that were not seen to be received."""
        return [one.id for one in self._state.open_receipts(name) if one.session == mark]

    def give_back(self, name: str, mark: str, idents: Iterable[str]) -> None:
        """The session lost these: they are given again, marked."""
        with self._changing() as db:
            receipts.hand_over(db, name, mark, _NOBODY, idents)

    # -- permissions ------------------------------------------------------------------------------

    def ask(self, name: str, request: Mapping[str, Any], message_id: str | None) -> str:
        """Open a request, for as long as this process lives; returns its id."""
        ident = new_id()
        with self._changing() as db:
            values = (ident, name, json.dumps(dict(request)), message_id, own_mark(), utc())
            db.execute(
                "INSERT INTO requests (id, name, request, message_id, mark, asked) VALUES (?, ?, ?, ?, ?, ?)", values
            )
        return ident

    def set_message(self, request_id: str, message_id: str) -> None:
        """Name the message on the bus that carries a request."""
        with self._changing() as db:
            db.execute("UPDATE requests SET message_id = ? WHERE id = ?", (message_id, request_id))

    def answer(self, request_id: str, decision: str, by: str, reason: str | None = None) -> bool:
        """Decide a request: True if its session still waits and will do as told. NotFound, UsageError."""
        if decision not in DECISIONS:
            raise UsageError(f"{decision!r} is not a decision; nothing was answered. Use allow or deny.")
        with self._changing() as db:
            row = db.execute("SELECT mark, decision, closed FROM requests WHERE id = ?", (request_id,)).fetchone()
            if row is None:
                raise NotFound(f"there is no request {request_id!r}; nothing was answered.")
            if row[1] or row[2] or not mark_alive(row[0]):
                return False
            db.execute(
                "UPDATE requests SET decision = ?, decided_by = ?, reason = ?, answered = ? WHERE id = ?",
                (decision, by, reason, utc(), request_id),
            )
        return True

    def answer_of(self, request_id: str) -> Answer | None:
        """What was decided, None if nothing was."""
        row = self._one("SELECT decision, decided_by, reason, answered FROM requests WHERE id = ?", request_id)
        return Answer(*row) if row and row[0] else None

    def close(self, request_id: str) -> Answer | None:
        """Stop waiting: the answer if there is one, else none can come any more."""
        with self._changing() as db:
            db.execute("UPDATE requests SET closed = ? WHERE id = ?", (utc(), request_id))
        return self.answer_of(request_id)

    def settle(self, request_id: str, decision: str, by: str) -> bool:
        """Note how a request ended that no hook waits for: one of DECISIONS, or ENDED; True for the first to say."""
        with self._changing() as db:
            done = db.execute(
                "UPDATE requests SET decision = ?, decided_by = ?, answered = ?, closed = coalesce(closed, ?4) "
                "WHERE id = ?5 AND decision IS NULL",
                (decision, by, utc(), utc(), request_id),
            )
            return done.rowcount > 0

    def reopen(self, request_id: str) -> None:
        """It was not decided after all."""
        with self._changing() as db:
            db.execute("UPDATE requests SET decision = NULL, decided_by = NULL WHERE id = ?", (request_id,))

    def unsettled(self, name: str) -> list[Request]:
        """What `name` asked and nobody has decided, waited for or not, oldest first."""
        return [Request(row[0], row[1], json.loads(row[2]), row[3], row[5]) for row in self._undecided(name)]

    def decided(self, name: str, *, younger: float) -> list[Request]:
        """What `name` asked and was answered within so many seconds."""
        sql = f"{_REQUEST} WHERE decision IS NOT NULL AND name = ? AND answered >= ?"
        found = self._all(sql, name, utc(time.time() - younger))
        return [Request(row[0], row[1], json.loads(row[2]), row[3], row[5]) for row in found]

    def unblock(self, name: str, state: str) -> None:
        """A dialog went, and no hook has said so: from `blocked` to this state."""
        _check_state(state)
        with self._changing() as db:
            db.execute(
                "UPDATE sessions SET state = ?, detail = '{}', since = ? WHERE name = ? AND state = 'blocked'",
                (state, utc(), name),
            )

    def died(self, row: SessionRow) -> bool:
        """Note that a session's process is gone; True for the first to say, unless a hook had said that it ends."""
        with self._changing() as db:
            done = db.execute(
                "UPDATE sessions SET state = 'gone', detail = '{}', since = ? "
                "WHERE name = ? AND pid IS ? AND started IS ? AND state != 'gone'",
                (utc(), row.name, row.pid, row.started),
            )
            return done.rowcount > 0

    def _undecided(self, name: str | None, where: str = "") -> list[Any]:
        sql = f"{_REQUEST} WHERE decision IS NULL {where} AND (?1 IS NULL OR name = ?1) ORDER BY asked, id"
        return self._all(sql, name)

    def open_requests(self, name: str | None = None) -> list[Request]:
        """What is asked and still waited for, oldest first; of one session or of all."""
        rows = [row for row in self._undecided(name, "AND closed IS NULL") if mark_alive(row[4])]
        return [Request(row[0], row[1], json.loads(row[2]), row[3], row[5]) for row in rows]


def _put(db: sqlite3.Connection, row: SessionRow) -> None:
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT OR REPLACE INTO sessions VALUES ({marks})", row)  # noqa: S608  # only question marks


def _check_state(state: str) -> None:
    if state not in STATES:
        raise UsageError(f"{state!r} is not a state of a session; nothing was noted. Use one of {', '.join(STATES)}.")
