"""Owns one call of a hook: its session, what the event says, and what it proves about earlier deliveries.

What a hook delivers counts as given to the agent process once it is written, and as received at a later hook.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.core.fleet_words import Ruling, SessionState
from intercom.fleet.sessions import Sessions
from intercom.hooks.deadline import Limit
from intercom.hooks.identity import Who
from intercom.store.state.db import State

if TYPE_CHECKING:
    from intercom.core.config import Config
    from intercom.fleet.programs.event import Event
    from intercom.fleet.programs.program import Program

_COMES = 2.0  #: seconds after which the transcript is searched for a wake that had no prompt of its own
_CAME = 60.0  #: seconds after which it must have arrived
Json = Mapping[str, Any]
Answer = dict[str, Any]


class Call(NamedTuple):
    """One event of one of our sessions."""

    config: Config
    state: State
    sessions: Sessions
    who: Who
    event: Event
    environ: Mapping[str, str]
    program: Program
    limit: Limit
    ruling: Ruling | None = None  #: for `asks`: what the project's rules say

    def record(self, state: SessionState, detail: Json | None = None, *, pane: str | None = None) -> None:
        """Record the state of the session."""
        socket = (self.environ.get("TMUX") or "").split(",")[0] if pane else None
        self.sessions.record(
            self.who.name,
            state=state,
            detail=detail,
            session_id=self.who.session_id,
            pid=self.who.pid,
            transcript=self.event.transcript or self._transcript(),
            pane=pane if socket else None,
            socket=socket or None,
            program=self.program.name,
            heard=self.ran_before() if state == "blocked" else None,
        )

    def ran_before(self) -> str | None:
        """When the turn was last heard of before this event; None if there was none then, or in a subagent.

        A dialog is there before its hook can say so. If a person answers it meanwhile, the session is idle since.
        """
        row = self.who.row
        return row.heard if row is not None and row.state in ("running", "blocked") and not self.event.inside else None

    def _transcript(self) -> str | None:
        session = self.who.session_id
        return self.program.transcript(session, self.environ) if session else None

    def confirm(self, nonces: Iterable[str] = (), *, begins: bool = False, stopped: bool = False) -> None:
        """Mark earlier deliveries as received, including wakes with these nonces, because the session goes on.

        If a turn `begins` after one that broke off, the transcript tells what arrived; the rest is given again.
        """
        if begins:
            self._give_back()
        marks = {self.who.mark, *(waiter_mark(self.who.mark, nonce) for nonce in nonces)}
        if stopped:
            self.settle_wakes()
        instance = self.state.instance(self.who.name)
        if instance is not None and instance.pid is not None and instance.started is not None:
            marks.add(f"{instance.pid}.{instance.started}")
        self.sessions.confirm(self.who.name, marks)

    def settle_wakes(self) -> None:
        """Settle wakes that came into a running turn and have no prompt: by now they arrived, or never will.

        A wake does not arrive if its waiter was killed while exiting; then its messages are given again.
        """
        path, late = self.event.transcript, set(self.sessions.wakes(self.who.name, older=_CAME))
        for nonce in self.sessions.wakes(self.who.name, older=_COMES):
            mark = waiter_mark(self.who.mark, nonce)
            given = set(self.sessions.given(self.who.name, mark))
            if given and path is not None:
                if nonce in late:
                    self.sessions.give_back(self.who.name, mark, given - self.program.came(path, given, queued=True))
                elif given - self.program.came(path, given):
                    continue
            if given and (nonce in late or path is not None):
                self.sessions.confirm(self.who.name, {mark})

    def _give_back(self) -> None:
        path = self.event.transcript
        given = self.sessions.given(self.who.name, self.who.mark)
        if given and path is not None:
            lost = set(given) - self.program.retained(path, given)
            self.sessions.give_back(self.who.name, self.who.mark, lost)


def waiter_mark(mark: str, nonce: str) -> str:
    """The session mark under which a waiter's deliveries are recorded until the session is seen to continue."""
    return f"{mark}.{nonce}.w"
