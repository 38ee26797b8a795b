"""Owns the resources for work on the fleet: the bus, the records of sessions and worktrees, the tmux server.

A Crew belongs to one thread. Opening it touches no file and starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from intercom.bus.bus import Bus
from intercom.fleet.sessions import Sessions
from intercom.fleet.worktrees.register import Worktrees
from intercom.store.state.db import State
from intercom.system import tmux


class Crew:
    """One project's fleet. Open it with `Crew.open`; close it or use it as a context manager."""

    def __init__(self, bus: Bus, environ: Mapping[str, str]) -> None:
        self.bus = bus
        self.environ = environ
        self.state = State(bus.config.private)
        self.sessions = Sessions(self.state)
        self.worktrees = Worktrees(self.state, bus.config.root, bus.config.section("worktrees"))
        self.server = tmux.server(environ, str(bus.config.section("tmux").get("socket", "")))
        bus.confirms = False  # it acts for its caller, and must not confirm what the caller has read

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str] | None = None,
        *,
        machine: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Crew:
        """The crew of the bus at `root`, found as by `Bus.open`; workers inherit from `environ`."""
        return cls(Bus.open(root, machine=machine), os.environ if environ is None else environ)

    def again(self) -> Crew:
        """The same crew for another thread."""
        config = self.bus.config
        return Crew.open(config.root, machine=config.machine, environ=self.environ)

    def tmux_of(self, socket: str | None) -> tmux.Server:
        """The tmux server that a session was started on."""
        return self.server if socket is None else tmux.Server(socket)

    def close(self) -> None:
        """Close the databases."""
        self.state.close()
        self.bus.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
