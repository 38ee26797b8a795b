"""Owns what is known of an MCP client: how it is recognised, and what sets it up for a bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from intercom.fleet.clients.part import Part, Words
from intercom.system import host
from intercom.system.resources import text


class Setup(NamedTuple):
    """What is to be set up."""

    root: Path  #: the project
    home: Path
    environ: Mapping[str, str]
    user: bool  #: in the user's own files instead of the project's
    entry: Mapping[str, Any]  #: how our server is started: command, args, perhaps env
    call: Sequence[str]  #: how Intercom is called in a shell
    tools: Sequence[str]  #: the names of our tools

    def base(self, folder: str) -> Path:
        """`folder` in the home for the user, in the project otherwise."""
        return (self.home if self.user else self.root) / folder

    def rules(self, *names: str) -> Words:
        """The words for agents, in the first of these files of the project that is there, else in the last."""
        found = next((name for name in names if (self.root / name).exists()), names[-1])
        return Words(self.root / found, text("rules.md").strip())

    def pinned(self) -> dict[str, Any]:
        """The entry with the project's root in it, for a client that starts servers anywhere."""
        env = {**self.entry.get("env", {}), "INTERCOM_ROOT": str(self.root)}
        return {**self.entry, "env": env}

    def hook(self, event: str, program: str) -> str:
        """The shell line of a hook. Where a shell can make room, the hook's parent is the agent itself."""
        return host.shell_line([*self.call, "hook", event, "--program", program])


def nothing(_setup: Setup) -> list[str]:
    """No more to be done."""
    return []


class Client(NamedTuple):
    """One client."""

    name: str  #: on the command line
    title: str  #: as people know it
    parts: Callable[[Setup], list[Part]]  #: what sets it up; nothing where that is done by other means already
    programs: tuple[str, ...] = ()  #: on PATH
    folders: tuple[str, ...] = ()  #: files or folders of a project that uses it
    homes: tuple[str, ...] = ()  #: the same, of a home
    notes: Callable[[Setup], list[str]] = nothing  #: what is left for a person to do
    user_only: bool = False  #: it has no file of a project's for servers
    taken: Callable[[Setup], list[Part]] | None = None  #: all that it may ever have had, where that is not `parts`

    def all_parts(self, setup: Setup) -> list[Part]:
        """All that setting it up may have put anywhere."""
        return (self.taken or self.parts)(setup)

    def seen(self, setup: Setup, which: Callable[[str], object]) -> str:
        """Why it is thought to be in use here: a file, a program; "" if nothing says so."""
        for base, names in ((setup.root, self.folders), (setup.home, self.homes)):
            for name in names:
                if (base / name).exists():
                    return str(Path("~" if base == setup.home else "", name))
        return next((name for name in self.programs if which(name)), "")
