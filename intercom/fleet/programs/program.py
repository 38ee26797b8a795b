"""Owns what Intercom asks of an agent program, whichever it is. What one program alone knows stands in its package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from intercom.fleet.programs.event import Ask, Event
from intercom.fleet.programs.screen import Dialog, Screen
from intercom.fleet.programs.talk import Talk
from intercom.fleet.programs.usage import Call, Meter

SERVER = "intercomm"  #: the name of our MCP server
CALL_SECONDS = 3700  #: for a call: a read may wait for an hour
TERMINAL, HEADLESS = "terminal", "headless"  #: with a terminal, in tmux; without one, driven through an API


class Start(NamedTuple):
    """A session that is to begin."""

    session: str  #: its id, a UUID
    root: Path  #: the project
    cwd: Path  #: where it works
    mode: str  #: its permission mode
    command: Sequence[str]  #: how Intercom is called from anywhere
    identity: Mapping[str, str]  #: who it is: the environment of its server
    environ: Mapping[str, str]  #: of whoever starts it
    prompt: str = ""  #: what it begins with, for a program that needs one


class Prepared(NamedTuple):
    """How it begins."""

    words: list[str]  #: the whole command line
    left_out: tuple[str, ...]  #: MCP servers of the project that it goes without
    told: Mapping[str, str] = {}  # what our server has in its environment besides identity (never changed in place)


class Status(NamedTuple):
    """What a program says of one of its processes in a file of its own."""

    state: str  #: idle, running or asked; "" for a word that is not known
    since: float  #: seconds since 1970
    moved: str = ""  #: how the id of the session begins that goes on for it in another process; "" where none does
    apart: bool = False  #: it runs in the background, whatever a terminal shows


class Connection(NamedTuple):
    """How a program's own settings connect it to a bus."""

    servers: tuple[tuple[str, Mapping[str, Any]], ...]  #: entries for our server: (where it stands, the entry)
    off: str  #: where an entry stands that is turned off again, "" if none is
    hooks: tuple[str, ...]  #: where our hooks stand
    commands: tuple[tuple[str, str], ...] = ()  #: of hooks in settings: (where it stands, the shell line)


class Program(Protocol):
    """One agent program. Its files are read and never written, but for those that a worker is given."""

    name: str  #: as it stands in settings and sessions
    title: str  #: as people know it
    command: str  #: how it is called where nothing else is said
    install: str  #: what to do where it is missing
    switch: str  #: where a person turns a server on or off
    files: tuple[str, ...]  #: ends of the names of the files that `prepare` writes
    reads: str  #: the end of the name of the one from which a session takes prompts, "" for none
    submit: str  #: the key that sends what is in the box
    clear: str  #: the key that empties the box
    modes: Mapping[str, str]  #: permission modes, each with what it lets pass without a question
    forms: tuple[str, ...]  #: in which it can be a worker, TERMINAL or HEADLESS, the usual one first
    speaks_alone: bool  #: whether its hooks are silent where it has no terminal: then its keeper speaks for them
    wakes_itself: bool  #: whether it keeps a waiter of its own beside each idle session
    needs_prompt: bool  #: whether its hooks speak, and it can be reached, only once it has begun a turn

    def check(self, argv: Sequence[str], environ: Mapping[str, str]) -> str:
        """The version of the program. ProgramMissing where it is not there, too old, or something else."""

    def untried(self, version: str) -> str:
        """What it means that this version is newer than any that Intercom was tried on; "" where it is not."""

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """Get a session ready to begin; `write` stores a text under one of `files` and says where.

        No prompt but the one that it is given, if it needs one.
        """

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `prepare`, for a session without a terminal. It has no prompt: `talk` gives it all."""

    def talk(self) -> Talk:
        """How that session is driven."""

    def prompting(self, session: str, text: str) -> list[str] | None:
        """The command that puts a prompt before a session in a terminal, whatever stands in its box; None: none."""

    def prompt_line(self, text: str) -> str:
        """The line that does so where the session reads it from the file under `reads`."""

    def connection(self, root: Path, environ: Mapping[str, str]) -> Connection:
        """How a session in `root` would be connected to the bus."""

    def add_server(self, entry: Mapping[str, Any]) -> str:
        """The shell line by which a person adds this entry (command, args, env) for our server."""

    def inherits(self, variable: str) -> bool:
        """Whether a worker has this variable of the environment of whoever starts it, for this program's sake."""

    def session_of(self, environ: Mapping[str, str]) -> str | None:
        """The id of the session that a process with this environment runs in; None if it is not this program's."""

    def project_of(self, environ: Mapping[str, str]) -> str | None:
        """The project of that session, None where it does not say."""

    def status(self, pid: int, environ: Mapping[str, str]) -> Status | None:
        """What the program itself says of its process `pid`; None where it says nothing."""

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """What a hook was told; None for an event that nobody knows. For `wait`, the event that began the waiter."""

    def context(self, event: Event, text: str) -> dict[str, Any]:
        """The hook's answer that adds `text` to what the model sees."""

    def decision(self, event: Event, decision: str, message: str | None) -> dict[str, Any]:
        """The hook's answer that allows or denies a tool; `message` says why."""

    def ruled(self, ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> tuple[str, str] | None:
        """("deny" or "allow", the rule) by rules in the program's own syntax, None where none speaks. Deny is first."""

    def speaks(self, rule: str) -> bool:
        """Whether such a rule can be about any call at all."""

    def kept(self, transcript: str, idents: Iterable[str]) -> set[str]:
        """Which of these messages the conversation has from hooks, and keeps."""

    def came(self, transcript: str, idents: Iterable[str], *, queued: bool = False) -> set[str]:
        """Which of these messages came into the conversation by a wake; `queued`: or wait for their turn."""

    def meter(self, transcript: str) -> Meter | None:
        """What reads how many tokens a conversation used; None where the program does not tell."""

    def cost(self, call: Call) -> float | None:
        """What a call costs in US dollars by its maker's list; None where that is not known."""

    def price_list(self) -> str:
        """Whose list that is, and of when; "" where there is none."""

    def import_ahead(self) -> None:
        """Import all that a waiter may need of this program: in its days, an upgrade may replace the package."""

    def read(self, text: str, *, title: str = "", in_mode: bool = False, dead: bool = False) -> Screen:
        """What a captured pane shows.

        `text` is what `tmux capture-pane -p` printed, best with `-e`, `title` the pane's title, `in_mode` and `dead`
        are tmux's own facts about the pane.
        """

    def choice_for(self, dialog: Dialog, decision: str) -> int | None:
        """The place of the choice that allows once, or denies, by its words; None unless just one says that."""
