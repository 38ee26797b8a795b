"""Owns what the process that started a server says about its session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from intercom.fleet.programs.known import session_of


class Spawned(NamedTuple):
    """What our parent process says about us; all None for an ordinary session."""

    name: str | None = None
    role: str | None = None
    session: str | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Spawned:
        """Read INTERCOM_NAME, INTERCOM_ROLE and the client's own session id."""
        name, role = environ.get("INTERCOM_NAME"), environ.get("INTERCOM_ROLE")
        if role not in ("master", "worker", "agent"):
            role = None
        return cls(name or None, role, session_of(environ))
