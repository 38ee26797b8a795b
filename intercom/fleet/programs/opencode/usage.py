"""Owns reading token counts from opencode's database, and the prices that it puts on them.

A transcript is the database and, behind a `#`, the session. Those that a session began, as for a subagent, belong to
it. Input excludes what came from caches, output excludes reasoning. A price of 0 means none: the program has none for
models that it does not know.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from intercom.core import document, xdg
from intercom.fleet.programs.tail import count
from intercom.fleet.programs.usage import Call
from intercom.system.files import check_regular, sqlite_uri

_WAIT = 0.2  #: seconds for a writer; then what was read before is told
_REPLIES = """
WITH RECURSIVE family(id) AS (
    SELECT ? UNION SELECT session.id FROM session JOIN family ON session.parent_id = family.id
)
SELECT message.id, message.time_updated, message.data FROM message JOIN family ON message.session_id = family.id
WHERE message.time_updated >= ? ORDER BY message.time_updated
"""


class Meter:
    """One session, and those that it began."""

    def __init__(self, transcript: str) -> None:
        path, _, self._session = transcript.rpartition("#")
        self._path = Path(path)
        self._calls: dict[str, Call] = {}
        self._seen = 0  #: when what was read last had changed

    def calls(self) -> Mapping[str, Call] | None:
        """As `intercom.fleet.programs.usage.Meter` says."""
        try:
            check_regular(self._path)
            with closing(sqlite3.connect(sqlite_uri(self._path), uri=True, timeout=_WAIT)) as db:
                rows = db.execute(_REPLIES, (self._session, self._seen)).fetchall()
        except (sqlite3.Error, OSError, ValueError):  # not there, of another version, or busy
            return self._calls or None
        for ident, changed, data in rows:
            self._seen = max(self._seen, changed) if isinstance(changed, int) else self._seen
            try:
                call = _call(document.json(data))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # of a person, or of a version that writes it otherwise
            if call.prompt or call.output:
                self._calls[str(ident)] = call  # it grows while the reply comes
        return self._calls


def _call(found: Any) -> Call:
    tokens, cost = found["tokens"], found.get("cost")
    known = type(cost) in {int, float} and math.isfinite(cost) and cost > 0
    return Call(
        float(found["time"]["created"]) / 1000,
        str(found["modelID"]),
        count(tokens, "input"),
        count(tokens, "output") + count(tokens, "reasoning"),
        count(tokens.get("cache"), "read"),
        count(tokens.get("cache"), "write"),
        dollars=float(cost) if known else None,
    )


def transcript(session: str, environ: Mapping[str, str], name: str = "opencode") -> str | None:
    """Where a session's replies stand, of the program or a fork of that name; None where its home is not known."""
    data = xdg.base(xdg.DATA, environ)
    path = os.path.join(data or "", name, environ.get(f"{name.upper()}_DB") or f"{name}.db")
    return f"{path}#{session}" if os.path.isabs(path) and session else None
