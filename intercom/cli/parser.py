"""Owns the table of commands, and parsing the command line with it.

Each command names its function, which is imported only when that command runs; its arguments are the function's.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from intercom.cli import arguments
from intercom.cli.session import Asked
from intercom.core.escaping import sentence
from intercom.core.signature import Parameter, parameters
from intercom.core.version import __version__

DESCRIPTION = """\
A message bus for AI coding agents. The messages are a markdown file that
people can read and edit: .claude/local/INTERCOM-<machine>.md in your project."""

EPILOG = """\
start:    intercom init        makes the log here and connects the agents to it
try:      intercom demo        two agents talk, in a scratch folder
people:   intercom status, intercom inbox, intercom send roo "main is red"
scripts:  intercom read --id roo --json
A message that begins with '-' goes after '--', or on standard input:
          intercom send roo -
exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted"""


#: Commands, and what people who know other programs call them.
_SYNONYMS = {
    "send": "post msg message mail tell say ask write new dm",
    "reply": "answer respond",
    "read": "unread receive get",
    "log": "show cat messages head",
    "status": "ls list ps who agents workers info",
    "watch": "tail follow",
    "search": "find grep",
    "edit": "open vi vim nano",
    "delete": "rm remove del unsend",
    "restore": "undo undelete recover",
    "history": "diff versions",
    "init": "setup install connect",
    "register": "join login",
    "signoff": "leave quit exit logout",
    "spawn": "start launch",
    "teardown": "stop kill",
    "queue": "merge",
    "doctor": "check health",
}
_CLOSE = 0.6  #: from 0 to 1: similarity from which a word is suggested


class Help(argparse.RawDescriptionHelpFormatter):
    """A help formatter as wide as the terminal, without importing `shutil` (8 ms) to find out."""

    def __init__(self, prog: str, indent_increment: int = 2, max_help_position: int = 28, width: int = 0) -> None:
        super().__init__(prog, indent_increment, max_help_position, width or _columns())


def _columns() -> int:
    """The width for help, in columns."""
    try:
        return max(60, min(int(os.environ.get("COLUMNS", "")), 120))
    except ValueError:
        pass
    try:
        return max(60, min(os.get_terminal_size().columns - 2, 120))
    except (OSError, ValueError):
        return 100


class Parser(argparse.ArgumentParser):
    """A parser that reports an error on one line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and `message`, and exit with 2."""
        from intercom.cli import show

        self.print_usage(sys.stderr)
        show.line(f"{self.prog}: error: {sentence(self._plain(message))}", error=True)
        self.exit(2)

    def _plain(self, message: str) -> str:
        """An error of argparse in our words, with the nearest word for a mistyped one."""
        import re

        found = re.match(r"argument ([^:]+): invalid choice: '(.*)' \(choose from (.*)\)\Z", message, re.DOTALL)
        if found is None:
            return message
        known = re.findall(r"[\w.-]+", found[3])
        if found[1] == "COMMAND":
            return f"{found[2]!r} is not a command{nearest(found[2], known) or '; `intercom --help` lists them'}"
        tip = f"; a name goes after --name: --name {found[2]}" if "--name" in self._option_string_actions else ""
        return f"{found[2]!r} is not one of {', '.join(known)}{tip or nearest(found[2], known)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` for a mistyped word, "" if nothing is near."""
    import difflib

    known = list(known)
    near = [meant for meant, words in _SYNONYMS.items() if word.casefold() in words.split() and meant in known]
    near = near or difflib.get_close_matches(word, known, n=1, cutoff=_CLOSE)
    return f"; did you mean {near[0]}?" if near else ""


def _as_options(args: Sequence[str]) -> list[str]:
    """The arguments with `help`, `help COMMAND` and `version` as the options that people mean by them."""
    if args and args[0] == "help":
        return [*args[1:2], "--help"]
    return ["--version"] if list(args) == ["version"] else list(args)


class TopParser(Parser):
    """The top-level parser; errors after a command's name are reported by that command's parser."""

    commands: Any = None  #: argparse's subparsers

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; on wrong usage print why and exit with 2."""
        found, extra = self.parse_known_args(_as_options(sys.argv[1:] if args is None else args), namespace)
        if extra:
            words = " ".join(extra)
            command = self.commands.choices[found.command]
            known = [option for option in command._option_string_actions if option.startswith("--")]  # noqa: SLF001
            option = next((word for word in extra if word.startswith("-")), "")
            hint = nearest(option.partition("=")[0], known) if option else ""
            meant = "--limit" if words.isdecimal() else "--id"
            tip = f"; did you mean {meant} {words}?" if meant in known and len(extra) == 1 else ""
            what = f"{option!r} is not an option of this command{hint}" if option else f"too many words: {words}{tip}"
            command.error(what)
        return found


class CommandParser(Parser):
    """A command's parser, which gets its arguments on demand, so that only that command's module is imported."""

    command: Command | None = None

    def complete(self) -> None:
        """Add the arguments, once."""
        command, self.command = self.command, None
        if command is not None:
            arguments.add(self, command.takes())
            _root(self, argparse.SUPPRESS)
            if command.json:
                self.add_argument("--json", action="store_true", help="JSON, one object per line")
            self.set_defaults(run=command.run)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Complete the parser, then parse."""
        self.complete()
        return super().parse_known_args(args, namespace)


class Command(NamedTuple):
    """One row of the command table. Its arguments are read from the signature of its function.

    The function is `function(asked, …)` in its module here, and returns the exit status. For a `verb` of the fleet
    the arguments are the verb's, and `function(asked, found)` prints the verb's result.
    """

    name: str
    function: str  #: under intercom.cli, as module.name
    help: str
    json: bool = True
    verb: str = ""

    def _function(self) -> Callable[..., Any]:
        module, _, name = self.function.partition(".")
        found: Callable[..., Any] = getattr(importlib.import_module(f"intercom.cli.{module}"), name)
        return found

    def takes(self) -> tuple[Parameter, ...]:
        """Its arguments."""
        if self.verb:
            from intercom.fleet import verbs

            return parameters(getattr(verbs, self.verb), 2)
        return parameters(self._function(), 1)

    def run(self, args: argparse.Namespace) -> int:
        """Run it; returns the exit status."""
        asked = Asked(args.root, self.json and args.json)
        given = arguments.given(args, self.takes())
        if not self.verb:
            return int(self._function()(asked, **given))
        from intercom.cli.fleet import called, crew_of

        with crew_of(asked, makes=self.verb in {"spawn", "wake", "assign"}) as crew:
            found = called(asked, crew, self.verb, given)
        return int(self._function()(asked, found))


COMMANDS = (
    Command("init", "init.init", "make the log in this project; safe to repeat"),
    Command("uninstall", "clients.uninstall", "remove Intercom from MCP clients' files; the log stays"),
    Command("register", "people.register", "take a name on the bus"),
    Command("signoff", "people.signoff", "give a name back"),
    Command("send", "send.send", "send a message; prints its id"),
    Command("reply", "send.reply", "answer a message"),
    Command("broadcast", "send.broadcast", "send a message to everybody"),
    Command("read", "read.read", "show new messages for a name"),
    Command("inbox", "inbox.inbox", "what waits for your answer; reading does not empty it"),
    Command("log", "log.log", "history, archives included; marks nothing as read"),
    Command("search", "log.search", "find words in all messages"),
    Command("receipts", "receipts.receipts", "what became of sent messages"),
    Command("status", "status.status", "who waits for you, what each agent does; the stuck first"),
    Command("ui", "ui.ui", "one screen: who works, what was said, what waits for you"),
    Command("notify", "notify.notify", "tell a person elsewhere what waits for them, once", json=False),
    Command("report", "report.report", "what was said, waited for and done, as one HTML file"),
    Command("watch", "watch.watch", "follow the log as it grows"),
    Command("edit", "edit.edit", "write a message, or mend the log, in $EDITOR", json=False),
    Command("delete", "mend.delete", "take a message off the page, and from whoever has not read it"),
    Command("restore", "mend.restore", "bring back what was deleted by hand or lost"),
    Command("history", "mend.history", "every text that an edited message had"),
    Command("redact", "mend.redact", "destroy the text of a message everywhere; the only command that does"),
    Command("compact", "upkeep.compact", "move older messages to the archive"),
    Command("clear", "upkeep.clear", "compact, under InterComm's name; deletes nothing"),
    Command("rebuild", "upkeep.rebuild", "rebuild the index from the logs"),
    Command("trust", "trust.trust", "trust another machine, or what the settings allow; or list both"),
    Command("doctor", "doctor.doctor", "check that everything is in order; changes nothing unless asked"),
    Command("spawn", "fleet.spawned", "start workers side by side, in tmux or without a terminal", verb="spawn"),
    Command("scan", "fleet.scanned", "what each worker does and asks", verb="scan"),
    Command("wake", "fleet.woken", "store a message for a worker and wake it", verb="wake"),
    Command("assign", "fleet.assigned", "give a worker a task, as a contract, and wake it", verb="assign"),
    Command("approve", "fleet.approved", "allow or deny what a worker asks permission for", verb="approve"),
    Command("teardown", "fleet.torn", "end the workers that spawn started", verb="teardown"),
    Command("attach", "fleet.attach", "show a worker's terminal in this one", json=False),
    Command("worktree", "fleet.worktree", "workers' git worktrees: add, list, set-status, remove"),
    Command("queue", "queue.queued", "what waits to be merged, in what order, and why", verb="worktree_list"),
    Command("import", "importing.take", "take over the messages that InterComm kept, once"),
    Command("mcp", "mcp.mcp", "the MCP server, on standard input and output", json=False),
    Command("hook", "hook.hook", "serve a hook of an agent program; its settings call this", json=False),
    Command("keep", "hook.keep", "keep a worker that has no terminal; spawn calls this", json=False),
    Command("completion", "completion.completion", "print the completion script of a shell", json=False),
    Command("demo", "demo.demo", "two agents talk through a log, in a scratch folder", json=False),
)


def build(known: Sequence[Command] = COMMANDS) -> argparse.ArgumentParser:
    """The command-line parser with these commands."""
    how: dict[str, Any] = {"formatter_class": Help, "allow_abbrev": False}
    parser = TopParser(prog="intercom", description=DESCRIPTION, epilog=EPILOG, **how)
    parser.add_argument("-V", "--version", action="version", version=f"intercom {__version__}")
    _root(parser, None)
    commands = parser.add_subparsers(
        prog="intercom",
        metavar="COMMAND",
        title="commands",
        dest="command",
        required=True,
        parser_class=CommandParser,
    )
    parser.commands = commands
    for command in known:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            **how,
        )
        sub.command = command
    return parser


def _root(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Allow `--root` before and after the command."""
    parser.add_argument(
        "--root", metavar="DIR", default=default, help="the project (default: INTERCOM_ROOT, or found from here)"
    )


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse `argv`; if empty, print the help; on wrong usage argparse prints why and exits with 2."""
    alone = [command for command in COMMANDS if argv and command.name == argv[0]]  # building all of them is slow
    parser = build(alone or COMMANDS)
    if not argv:
        parser.print_help()
        parser.exit(0)
    return parser.parse_args(argv)
