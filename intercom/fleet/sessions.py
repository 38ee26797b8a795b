"""Owns the records of agent sessions: state by hooks, wakes under way, the waiter, permission requests.

They are tables inside `state.db`. Hooks write them, the fleet reads them: one row per name on the bus, from the
moment a session is started for it. Nothing here looks at a screen.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from intercom.core.errors import NotFound, UsageError
from intercom.core.fleet_words import DECISIONS, SESSION_STATES, Outcome, PermissionDecision, SessionState
from intercom.core.message import age, new_id, utc
from intercom.fleet import transcripts
from intercom.fleet.programs.known import DEFAULT
from intercom.store.state import receipts
from intercom.store.state.db import State
from intercom.system.liveness import alive, mark_alive, own_mark, started

ENDED: Literal["ended"] = "ended"  #: outcome of a request that nobody is known to have answered
_NOBODY = "0.lost"  #: a mark of no process: what it was given counts as not given
_NONCE_LIFE = 86_400.0  #: seconds after which a nonce expires
QUEUED = 15.0  #: seconds within which a queued prompt begins the next turn
_ROW = (
    "SELECT name, session_id, pid, started, state, detail, since, pane, socket, worktree, agent, transcript, "
    "spawned_by, heard FROM sessions"
)
_REQUEST = "SELECT id, name, request, message_id, mark, asked FROM requests"


class SessionRow(NamedTuple):
    """One agent session. Times are UTC."""

    name: str  #: canonical, as on the bus
    session_id: str | None  #: the program's own session id; None until a hook has run
    pid: int | None  #: of the agent process
    started: str | None  #: the process's start mark, see `intercom.system.liveness`
    state: SessionState
    detail: str  #: JSON object with details of the state: tool, command, paths, prompt, message …
    since: str  #: since when it is in this state
    pane: str | None = None  #: tmux pane id
    socket: str | None = None  #: tmux server
    worktree: str | None = None
    program: str = DEFAULT  #: its agent program
    transcript: str | None = None
    spawned_by: str | None = None  #: None if a person started it
    heard: str | None = None  #: when a hook last reported

    def about(self) -> dict[str, Any]:
        """The detail as a dictionary."""
        found = json.loads(self.detail or "{}")
        return found if isinstance(found, dict) else {}

    @property
    def mark(self) -> str | None:
        """The agent process as `pid.start`, the form used in receipts; None if unknown."""
        return f"{self.pid}.{self.started}" if self.pid is not None and self.started is not None else None

    @property
    def running(self) -> bool:
        """Whether the agent process is known and alive."""
        return self.pid is not None and alive(self.pid, self.started)


class Request(NamedTuple):
    """A permission that a session asks for and waits for."""

    id: str
    name: str  #: who asks
    asks: dict[str, Any]  #: tool, command, paths, input …
    message_id: str | None  #: the question on the bus
    asked: str


class Answer(NamedTuple):
    """The decision on a request."""

    decision: Outcome
    by: str
    reason: str | None
    at: str


class Sessions:
    """The records of one bus's sessions. One thread at a time, as its State."""

    def __init__(self, state: State) -> None:
        self._state = state

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, in which earlier reads stay valid."""
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
        """Store a row, replacing the former one."""
        _check_state(row.state)
        with self._changing() as db:
            _put(db, row)

    def get(self, name: str) -> SessionRow | None:
        """The session of a name, None if there never was one."""
        row = self._one(f"{_ROW} WHERE name = ?", name) if name.isascii() else None  # names on the bus are ASCII
        return SessionRow(*row) if row else None

    def all(self) -> list[SessionRow]:
        """Every known session, gone or not."""
        return [SessionRow(*row) for row in self._all(f"{_ROW} ORDER BY name")]

    def drop(self, name: str) -> None:
        """Forget a session, its waiter and its requests."""
        with self._changing() as db:
            for table in ("sessions", "waiters", "requests", "nonces"):
                db.execute(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608  # our own words
            transcripts.end(db, name)

    def record(
        self,
        name: str,
        *,
        state: SessionState,
        detail: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        pid: int | None = None,
        transcript: str | None = None,
        pane: str | None = None,
        socket: str | None = None,
        program: str | None = None,
        heard: str | None = None,
    ) -> SessionRow:
        """Record a hook's report, true as of `heard` (UTC; None: now). Else None keeps what was, but not a detail."""
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
                heard=heard or now,
            )
            _put(db, row)
            if row.transcript:
                transcripts.note(db, row.name, row.transcript, row.program)
        return row

    def transcripts(self) -> list[transcripts.Transcript]:
        """Every recorded conversation, oldest first."""
        return [transcripts.Transcript(*row) for row in self._all(transcripts.ALL)]

    # -- proof of a wake --------------------------------------------------------------------------

    def expect_nonce(self, nonce: str, name: str, rung: str) -> None:
        """Record that a text with `[intercom:NONCE]` is about to be put before this session, by this rung."""
        with self._changing() as db:
            db.execute("DELETE FROM nonces WHERE expected < ?", (utc(time.time() - _NONCE_LIFE),))
            db.execute("INSERT OR REPLACE INTO nonces VALUES (?, ?, ?, ?, NULL)", (nonce, name, rung, utc()))

    def saw_nonce(self, nonce: str) -> bool:
        """Record that a hook of the session saw it; returns whether it was expected."""
        with self._changing() as db:
            done = db.execute("UPDATE nonces SET seen = coalesce(seen, ?) WHERE nonce = ?", (utc(), nonce))
            return done.rowcount > 0

    def nonce_seen(self, nonce: str) -> str | None:
        """When a hook saw it (UTC), None if none has."""
        row = self._one("SELECT seen FROM nonces WHERE nonce = ?", nonce)
        return row[0] if row else None

    def wakes(self, name: str, *, older: float = 0.0, younger: float = _NONCE_LIFE) -> list[str]:
        """Nonces of the waiter's wakes that no hook has seen, given within this range of seconds ago."""
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
        """The nonce of a wake that a command has queued for this session, and that no hook has seen yet.

        A queued prompt begins the next turn, and they come in order. If the turn before it is over and none has begun
        since, or a later one was seen, the wake, or the hook that should have seen it, was lost.
        """
        over = row.state in ("ready", "idle") and age(row.since) > QUEUED
        sql = "SELECT nonce, seen FROM nonces WHERE name = ? AND rung = 'command' AND expected >= ?"
        found = self._one(f"{sql} ORDER BY expected DESC", row.name, row.since if over else "")
        return found[0] if found and found[1] is None else None

    def forget_nonce(self, nonce: str) -> None:
        """Forget a nonce whose text was never put before anybody."""
        with self._changing() as db:
            db.execute("DELETE FROM nonces WHERE nonce = ?", (nonce,))

    # -- the waiter -------------------------------------------------------------------------------

    def hold_waiter(self, name: str, pid: int, since: str | None) -> bool:
        """Become the session's only waiter; False if another live one holds it. `since`: start mark of `pid`."""
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
        """Move a session to another id and process: what its waiter gave in vain is given again.

        The name then belongs to that session, whose server may take it; the old server and waiter lose it.
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
        """Move what this process gave `name` to session `mark`: it has been output, and a later hook confirms it."""
        with self._changing() as db:
            receipts.hand_over(db, name, own_mark(), mark)

    def confirm(self, name: str, marks: Iterable[str]) -> None:
        """Mark what these processes gave the session as received, because the session acts."""
        given = {one.session for one in self._state.open_receipts(name)}
        for mark in given.intersection(marks):
            self._state.confirm(name, mark)

    def given(self, name: str, mark: str) -> list[str]:
        """Messages that this process was given and that are not known to be received."""
        return [one.id for one in self._state.open_receipts(name) if one.session == mark]

    def give_back(self, name: str, mark: str, idents: Iterable[str]) -> None:
        """Have these messages, which the session lost, given again, marked."""
        with self._changing() as db:
            receipts.hand_over(db, name, mark, _NOBODY, idents)

    # -- permissions ------------------------------------------------------------------------------

    def ask(self, name: str, request: Mapping[str, Any], message_id: str | None) -> str:
        """Open a request, valid while this process lives; returns its id."""
        ident = new_id()
        with self._changing() as db:
            values = (ident, name, json.dumps(dict(request)), message_id, own_mark(), utc())
            db.execute(
                "INSERT INTO requests (id, name, request, message_id, mark, asked) VALUES (?, ?, ?, ?, ?, ?)", values
            )
        return ident

    def set_message(self, request_id: str, message_id: str) -> None:
        """Record the message on the bus that carries a request."""
        with self._changing() as db:
            db.execute("UPDATE requests SET message_id = ? WHERE id = ?", (message_id, request_id))

    def answer(self, request_id: str, decision: str, by: str, reason: str | None = None) -> bool:
        """Decide a request; True if its session still waits and will comply. NotFound, UsageError."""
        decision = decision_of(decision)
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
        """The decision, None if there is none."""
        row = self._one("SELECT decision, decided_by, reason, answered FROM requests WHERE id = ?", request_id)
        return Answer(*row) if row and row[0] else None

    def close(self, request_id: str) -> Answer | None:
        """Stop waiting: returns the answer if there is one; afterwards none can come."""
        with self._changing() as db:
            db.execute("UPDATE requests SET closed = ? WHERE id = ?", (utc(), request_id))
        return self.answer_of(request_id)

    def settle(self, request_id: str, decision: Outcome, by: str) -> bool:
        """Record the outcome of a request that no hook waits for; True for the first."""
        with self._changing() as db:
            done = db.execute(
                "UPDATE requests SET decision = ?, decided_by = ?, answered = ?, closed = coalesce(closed, ?4) "
                "WHERE id = ?5 AND decision IS NULL",
                (decision, by, utc(), utc(), request_id),
            )
            return done.rowcount > 0

    def reopen(self, request_id: str) -> None:
        """Undo the decision of a request."""
        with self._changing() as db:
            db.execute("UPDATE requests SET decision = NULL, decided_by = NULL WHERE id = ?", (request_id,))

    def unsettled(self, name: str) -> list[Request]:
        """Requests of `name` without a decision, waited for or not, oldest first."""
        return [_request(row) for row in self._undecided(name)]

    def decided(self, name: str, *, younger: float) -> list[Request]:
        """Requests of `name` whose answer took effect within this many seconds, or is yet to be taken by their hook."""
        sql = f"{_REQUEST} WHERE decision IS NOT NULL AND name = ? AND "
        found = self._all(f"{sql} max(answered, coalesce(closed, '')) >= ?", name, utc(time.time() - younger))
        waits = [row for row in self._all(f"{sql} closed IS NULL", name) if row not in found and mark_alive(row[4])]
        return [_request(row) for row in (*found, *waits)]

    def unblock(self, name: str, state: SessionState) -> None:
        """Record that a dialog closed without a hook: from `blocked` to this state."""
        _check_state(state)
        with self._changing() as db:
            db.execute(
                "UPDATE sessions SET state = ?, detail = '{}', since = ? WHERE name = ? AND state = 'blocked'",
                (state, utc(), name),
            )

    def died(self, row: SessionRow) -> bool:
        """Record that a session's process is gone; True for the first to notice, unless a hook had reported its end."""
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
        """Requests still waited for, oldest first; of one session or of all."""
        rows = [row for row in self._undecided(name, "AND closed IS NULL") if mark_alive(row[4])]
        return [_request(row) for row in rows]


def _request(row: tuple[Any, ...]) -> Request:
    return Request(row[0], row[1], json.loads(row[2]), row[3], row[5])


def _put(db: sqlite3.Connection, row: SessionRow) -> None:
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT OR REPLACE INTO sessions VALUES ({marks})", row)  # noqa: S608  # only question marks


def decision_of(text: str) -> PermissionDecision:
    """The decision with this name. UsageError."""
    for known in DECISIONS:
        if text == known:
            return known
    raise UsageError(f"{text!r} is not a decision; nothing was answered. Use allow or deny.")


def _check_state(state: str) -> None:
    if state not in SESSION_STATES:
        raise UsageError(
            f"{state!r} is not a state of a session; nothing was noted. Use one of {', '.join(SESSION_STATES)}."
        )
