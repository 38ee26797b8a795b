"""Owns the description of an MCP client: how to recognise it, and what sets it up for a bus."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from intercom.fleet.clients.part import Part, Words
from intercom.system import host
from intercom.system.resources import text


class Setup(NamedTuple):
    """The parameters of a set-up."""

    root: Path  #: the project
    home: Path
    environ: Mapping[str, str]
    user: bool  #: set up the user's own files instead of the project's
    entry: Mapping[str, Any]  #: the server entry: command, args, perhaps env
    call: Sequence[str]  #: the words that run Intercom in a shell
    tools: Sequence[str]  #: the names of our tools

    def own(self, folder: str, variable: str, below: str = "") -> Path:
        """The user's folder of a client: what this variable names (`below` in it), else `folder` in the home."""
        said = self.environ.get(variable, "")
        return Path(said, below) if os.path.isabs(said) else self.home / folder

    def base(self, own: Path, folder: str) -> Path:
        """The user's folder for the user, otherwise `folder` in the project."""
        return own if self.user else self.root / folder

    def rules(self, *names: str) -> Words:
        """The rules text, in the first of these files that exists in the project, else in the last."""
        found = next((name for name in names if (self.root / name).exists()), names[-1])
        return Words(self.root / found, text("rules.md").strip())

    def pinned(self) -> dict[str, Any]:
        """The entry with the project's root in it, for a client that may start servers in any folder."""
        env = {**self.entry.get("env", {}), "INTERCOM_ROOT": str(self.root)}
        return {**self.entry, "env": env}

    def hook(self, event: str, program: str) -> str:
        """A hook's shell line. If possible the shell replaces itself, so that the agent is the hook's parent."""
        return host.shell_line([*self.call, "hook", event, "--program", program])


def nothing(_setup: Setup) -> list[str]:
    """No further steps."""
    return []


def nowhere(_setup: Setup) -> list[Path]:
    """Nothing of the user's."""
    return []


class Client(NamedTuple):
    """One client."""

    name: str  #: its name on the command line
    title: str  #: its display name
    parts: Callable[[Setup], list[Part]]  #: what sets it up; empty if it is already set up in another way
    programs: tuple[str, ...] = ()  #: names of its programs on PATH
    folders: tuple[str, ...] = ()  #: files or folders in a project that uses it
    homes: Callable[[Setup], Sequence[Path]] = nowhere  #: the same, of the user's own
    notes: Callable[[Setup], list[str]] = nothing  #: what a person still has to do
    user_only: bool = False  #: it has no project-level file for servers
    #: Everything that it may ever have had, if that differs from `parts`.
    taken: Callable[[Setup], list[Part]] | None = None

    def all_parts(self, setup: Setup) -> list[Part]:
        """Everything that setting it up may have added anywhere."""
        return (self.taken or self.parts)(setup)

    def seen(self, setup: Setup, which: Callable[[str], object]) -> str:
        """Why it seems to be in use here (a file, a program); "" if it does not."""
        for name in self.folders:
            if (setup.root / name).exists():
                return name
        for path in self.homes(setup):
            if path.exists():
                inside = path.is_relative_to(setup.home)
                return str(Path("~", path.relative_to(setup.home)) if inside else path)
        return next((name for name in self.programs if which(name)), "")
