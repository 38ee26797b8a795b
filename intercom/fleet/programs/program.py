"""Owns the interface to an agent program. What applies to one program only is in that program's package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from intercom.core.fleet_words import PermissionDecision, Ruling
from intercom.fleet.programs.event import Ask, Event
from intercom.fleet.programs.screen import Dialog, Screen
from intercom.fleet.programs.talk import Talk
from intercom.fleet.programs.usage import Call, Meter

SERVER = "intercomm"  #: the name of our MCP server
CALL_SECONDS = 3700  #: time limit of a call in seconds: a read may wait for an hour
TERMINAL, HEADLESS = "terminal", "headless"  #: in a tmux terminal; without one, driven through an API


class Start(NamedTuple):
    """The parameters of a session that is to start."""

    session: str  #: its session id, a UUID
    root: Path  #: the project
    cwd: Path  #: its working directory
    mode: str  #: its permission mode
    command: Sequence[str]  #: the command that runs Intercom from anywhere
    identity: Mapping[str, str]  #: its identity, as environment variables for its server
    environ: Mapping[str, str]  #: the environment of whoever starts it
    prompt: str = ""  #: its first prompt, for a program that needs one


class Prepared(NamedTuple):
    """How to start it."""

    words: list[str]  #: the complete command line
    left_out: tuple[str, ...]  #: the project's MCP servers that it does without
    told: Mapping[str, str] = {}  # what our server has in its environment besides identity (never changed in place)


class Status(NamedTuple):
    """A program's own report on one of its processes."""

    state: str  #: idle, running or asked; "" for an unknown word
    since: float  #: seconds since 1970
    moved: str = ""  #: prefix of the id of the session that continues it in another process; "" if none does
    apart: bool = False  #: whether it runs in the background, whatever a terminal shows


class Connection(NamedTuple):
    """How a program's own settings connect it to a bus."""

    servers: tuple[tuple[str, Mapping[str, Any]], ...]  #: entries for our server: (place, entry)
    off: str  #: the place of an entry that is disabled, "" if none is
    hooks: tuple[str, ...]  #: the places of our hooks
    commands: tuple[tuple[str, str], ...] = ()  #: of hooks in settings: (place, shell line)


class Program(Protocol):
    """One agent program. Its files are read and never written, except those made for a worker."""

    name: str  #: its name in settings and sessions
    title: str  #: its display name
    command: str  #: its default command
    install: str  #: what to do if it is missing
    switch: str  #: where a person enables or disables a server
    files: tuple[str, ...]  #: suffixes of the files that `prepare` writes
    reads: str  #: suffix of the file from which a session takes prompts, "" for none
    door: str  #: suffix of the socket at which a worker in a terminal takes prompts, "" for none
    submit: str  #: the key that submits the input box
    clear: str  #: the key that empties the input box
    modes: Mapping[str, str]  #: permission modes, each with what it allows without a question
    forms: tuple[str, ...]  #: how it can run as a worker, TERMINAL or HEADLESS, the default first
    speaks_alone: bool  #: whether its hooks are silent without a terminal, so that its keeper calls them
    hooked: bool  #: whether a worker is started with hooks of its own
    wakes_itself: bool  #: whether it keeps a waiter of its own beside each idle session without a terminal
    needs_prompt: bool  #: whether its hooks report, and it can be reached, only once it has begun a turn

    def check(self, argv: Sequence[str], environ: Mapping[str, str]) -> str:
        """The version of the program. ProgramMissing if it is missing, too old, or something else."""

    def untried(self, version: str) -> str:
        """A warning if this version is newer than any that Intercom was tried on; "" otherwise."""

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """Prepare the start of a session; `write` stores a text under one of `files` and returns the path.

        It gets no prompt except the given one, if it needs one.
        """

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `prepare`, for a session without a terminal and without a prompt: `talk` provides all prompts."""

    def talk(self) -> Talk:
        """The API to drive that session with."""

    def prompting(self, session: str, text: str, door: Path | None = None) -> list[str] | None:
        """The command that prompts a session in a terminal, whatever is in its box; None if there is none.

        `door`: the socket of this session.
        """

    def prompt_line(self, text: str) -> str:
        """The line that prompts a session that reads prompts from the file with suffix `reads`."""

    def connection(self, root: Path, environ: Mapping[str, str]) -> Connection:
        """How a session in `root` would be connected to the bus."""

    def add_server(self, entry: Mapping[str, Any]) -> str:
        """The shell line with which a person adds this entry (command, args, env) for our server."""

    def inherits(self, variable: str) -> bool:
        """Whether a worker of this program should inherit this variable from the spawner's environment."""

    def session_of(self, environ: Mapping[str, str]) -> str | None:
        """The id of the session that a process with this environment runs in; None if it is not this program's."""

    def project_of(self, environ: Mapping[str, str]) -> str | None:
        """The project of that session; None if it does not say."""

    def status(self, pid: int, environ: Mapping[str, str]) -> Status | None:
        """The program's own report on its process `pid`; None if there is none."""

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """Parse a hook's input; None for an unknown event. For `wait`, the event that started the waiter."""

    def context(self, event: Event, text: str) -> dict[str, Any]:
        """The hook's answer that adds `text` to the model's context."""

    def decision(self, event: Event, decision: PermissionDecision, message: str | None) -> dict[str, Any]:
        """The hook's answer that allows or denies a tool call; `message` says why."""

    def ruled(self, ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> Ruling | None:
        """The verdict by rules in the program's own syntax; None if none matches. Deny wins."""

    def speaks(self, rule: str) -> bool:
        """Whether such a rule can match any call at all."""

    def retained(self, transcript: str, idents: Iterable[str]) -> set[str]:
        """The messages among these that the conversation has, and keeps, from hooks."""

    def came(self, transcript: str, idents: Iterable[str], *, queued: bool = False) -> set[str]:
        """The messages among these that came into the conversation by a wake; `queued`: or are queued."""

    def transcript(self, session: str, environ: Mapping[str, str]) -> str | None:
        """What `meter` reads of a session whose hooks do not name it; None where that is not known."""

    def meter(self, transcript: str) -> Meter | None:
        """A reader of a conversation's token counts; None if the program does not record them."""

    def cost(self, call: Call) -> float | None:
        """The list price of a call in US dollars; None if unknown."""

    def price_list(self) -> str:
        """The source and date of the prices; "" if there are none."""

    def import_ahead(self) -> None:
        """Import everything that a waiter may need of this program: an upgrade may replace the package meanwhile."""

    def read(self, text: str, *, title: str = "", in_mode: bool = False, dead: bool = False) -> Screen:
        """The meaning of a captured pane.

        `text` is the output of `tmux capture-pane -p`, preferably with `-e`, `title` the pane's title; `in_mode` and
        `dead` are tmux's own flags of the pane.
        """

    def choice_for(self, dialog: Dialog, decision: PermissionDecision) -> int | None:
        """The position of the choice that allows once, or denies; None unless exactly one says that."""
