"""Owns the words of the command line: every command, argument and help text, and nothing that runs.

A command names the module and function that run it; `cli.main` imports only that one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from intercom.cli import words_fleet
from intercom.core.display import sentence
from intercom.core.version import __version__
from intercom.fleet.programs.known import DEFAULT

Add = Callable[[argparse.ArgumentParser], None]

DESCRIPTION = """\
A message bus for AI coding agents. The messages are a markdown file that people can read and edit:
.claude/local/INTERCOM-<machine>.md in your project."""

EPILOG = """\
start:    intercom init        makes the log here and prints the MCP server entry to paste
try:      intercom demo        two agents talk, in a scratch folder
people:   intercom send --from user claude-code "the tests on main are red"
scripts:  intercom read --id roo --json
A message that begins with '-' goes after '--', or on standard input: intercom send --from user roo -
exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted"""


class Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, without importing `shutil` (8 ms) to ask how wide that is."""

    def __init__(self, prog: str, indent_increment: int = 2, max_help_position: int = 28, width: int = 0) -> None:
        super().__init__(prog, indent_increment, max_help_position, width or _columns())


def _columns() -> int:
    """Columns to print help in."""
    try:
        return max(60, min(int(os.environ.get("COLUMNS", "")), 120))
    except ValueError:
        pass
    try:
        return max(60, min(os.get_terminal_size().columns - 2, 120))
    except (OSError, ValueError):
        return 100


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong on one line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and `message`, and exit with 2."""
        from intercom.cli import show

        self.print_usage(sys.stderr)
        show.line(f"{self.prog}: error: {sentence(message)}", error=True)
        self.exit(2)


class CommandParser(Parser):
    """A command's parser, which gets its arguments when that command is the one (building all costs 4 ms)."""

    command: Command | None = None

    def complete(self) -> None:
        """Add the arguments, once."""
        command, self.command = self.command, None
        if command is not None:
            command.arguments(self)
            _root(self, argparse.SUPPRESS)
            if command.json:
                self.add_argument("--json", action="store_true", help="JSON, one object a line")
            self.set_defaults(module=command.module, function=command.function)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Complete the parser, then parse."""
        self.complete()
        return super().parse_known_args(args, namespace)


class Command(NamedTuple):
    """One row of the command table."""

    name: str
    module: str  #: under intercom.cli
    function: str
    help: str
    arguments: Add
    json: bool = True


def _count(text: str) -> int:
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 up")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 up")
    return value


_count.__name__, _seconds.__name__ = "number", "number of seconds"  # argparse shows these to people


def _init(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--machine", metavar="NAME", help="this machine's name in the log's file name (default: the host's)"
    )
    add.add_argument(
        "--agent",
        metavar="NAME",
        action="append",
        dest="agents",
        help="an agent that may send and receive without registering; repeatable (default: claude-code and roo)",
    )


def _register(add: argparse.ArgumentParser) -> None:
    add.add_argument("role", nargs="?", choices=("master", "worker"), default="worker", help="default: worker")
    add.add_argument("--name", metavar="N", help="default: master, or the lowest free worker-N")


def _signoff(add: argparse.ArgumentParser) -> None:
    add.add_argument("--id", metavar="ID", required=True, help="the name that leaves")


def _from(add: argparse.ArgumentParser) -> None:
    add.add_argument("--from", metavar="ID", dest="sender", required=True, help="who sends; `user` for a person")


def _type(add: argparse.ArgumentParser, default: str) -> None:
    add.add_argument(
        "--type",
        metavar="T",
        default=default,
        help=f"task, status, question, answer, announce, done, or a tag such as WARN (default: {default})",
    )


def _send(add: argparse.ArgumentParser) -> None:
    _from(add)
    add.add_argument("to", metavar="TO", help="a registered name, an agent, user, or all")
    add.add_argument("message", metavar="MESSAGE", help="the text; - reads it from standard input")
    _type(add, "status")
    add.add_argument("--priority", choices=("normal", "urgent"), help="urgent marks it [URGENT]")
    add.add_argument("--reply-to", metavar="ID", help="id of the message this one answers")
    add.add_argument("--thread", metavar="ID", help="a word that ties messages together")


def _broadcast(add: argparse.ArgumentParser) -> None:
    _from(add)
    add.add_argument("message", metavar="MESSAGE", help="the text; - reads it from standard input")
    _type(add, "announce")


def _filters(add: argparse.ArgumentParser, limit: str) -> None:
    add.add_argument("--thread", metavar="T", help="only this thread")
    add.add_argument("--from", metavar="F", dest="sender", help="only from this sender")
    add.add_argument("--type", metavar="T", help="only this type, in either vocabulary (question or ASK)")
    add.add_argument("--limit", metavar="N", type=_count, help=limit)


def _read(add: argparse.ArgumentParser) -> None:
    add.add_argument("--id", metavar="ID", required=True, help="who reads")
    add.add_argument("--all", action="store_true", help="everything ID may see, read or not; marks nothing as read")
    add.add_argument("--wait", metavar="SECONDS", type=_seconds, help="wait until there is a message, at most so long")
    _filters(add, "at most N messages, urgent ones first; the rest stay unread")


def _log(add: argparse.ArgumentParser) -> None:
    _filters(add, "the newest N")
    add.add_argument("--to", metavar="T", help="only to this recipient")
    add.add_argument("--since", metavar="WHEN", help="2026-01-31, 2026-01-31T09:30, or an age: 10m, 2h, 3d")
    add.add_argument("--raw", action="store_true", help="the markdown itself")


def _search(add: argparse.ArgumentParser) -> None:
    add.add_argument("query", metavar="QUERY", nargs="+", help="words that a message must hold")
    add.add_argument("--limit", metavar="N", type=_count, default=50, help="at most N, the best first (default: 50)")


def _receipts(add: argparse.ArgumentParser) -> None:
    add.add_argument("--from", metavar="ID", dest="sender", required=True, help="whose messages")
    add.add_argument("message_id", metavar="MESSAGE_ID", nargs="?", help="only this one")


def _restore(add: argparse.ArgumentParser) -> None:
    add.add_argument("id", metavar="ID", nargs="?", help="this message; without an argument, list what could come back")
    add.add_argument("--since", metavar="WHEN", help="those sent since then: 2026-01-31, 2026-01-31T09:30, 10m, 2h, 3d")
    add.add_argument("--all", action="store_true", help="all of them")


def _one(add: argparse.ArgumentParser) -> None:
    add.add_argument("id", metavar="ID", help="the message")


def _redact(add: argparse.ArgumentParser) -> None:
    _one(add)
    add.add_argument("--yes", action="store_true", help="do not ask")


def _edit(add: argparse.ArgumentParser) -> None:
    add.add_argument("--to", metavar="TO", default="all", help="who the prepared message is for (default: all)")
    add.add_argument("--type", metavar="T", default="INFO", help="its type, as it stands in the log (default: INFO)")


def _watch(add: argparse.ArgumentParser) -> None:
    add.add_argument("--limit", metavar="N", type=_count, default=10, help="begin with the last N (default: 10)")


def _nothing(_: argparse.ArgumentParser) -> None:
    """A command without arguments of its own."""


def _hook(add: argparse.ArgumentParser) -> None:
    add.add_argument("event", metavar="EVENT", help="as the agent program names it, or wait; others are let pass")
    add.add_argument("--program", metavar="NAME", default=DEFAULT, help=f"whose event it is (default: {DEFAULT})")


def _keep(default: int) -> Add:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--keep", metavar="N", type=_count, default=default, help=f"messages that stay (default: {default})"
        )

    return add


COMMANDS = (
    Command("init", "init", "init", "make the log in this project; safe to repeat", _init),
    Command("register", "people", "register", "take a name on the bus", _register),
    Command("signoff", "people", "signoff", "give a name back", _signoff),
    Command("send", "send", "send", "send a message; prints its id", _send),
    Command("broadcast", "send", "broadcast", "send a message to everybody", _broadcast),
    Command("read", "read", "read", "new messages for a name", _read),
    Command("log", "log", "log", "history, archives included; marks nothing as read", _log),
    Command("search", "log", "search", "find words in all messages", _search),
    Command("receipts", "receipts", "receipts", "what became of sent messages", _receipts),
    Command("status", "status", "status", "who is here, what is unread", _nothing),
    Command("watch", "watch", "watch", "follow the log as it grows", _watch),
    Command("edit", "edit", "edit", "write a message, or mend the log, in $EDITOR", _edit, json=False),
    Command("restore", "mend", "restore", "bring back what was deleted by hand or lost", _restore),
    Command("history", "mend", "history", "every text that an edited message had", _one),
    Command(
        "redact", "mend", "redact", "destroy the text of a message everywhere; the only command that does", _redact
    ),
    Command("compact", "upkeep", "compact", "move older messages to the archive", _keep(50)),
    Command("clear", "upkeep", "compact", "the same, by InterComm's name; deletes nothing", _keep(100)),
    Command("rebuild", "upkeep", "rebuild", "make the index anew from the logs", _nothing),
    Command("doctor", "doctor", "doctor", "check that all is as it must be; changes nothing", _nothing),
    Command("spawn", "fleet", "spawn", "start workers in tmux, side by side", words_fleet.spawn),
    Command("scan", "fleet", "scan", "what each worker does and asks", words_fleet.prefix),
    Command("wake", "fleet", "wake", "store a message for a worker and wake it", words_fleet.wake),
    Command("approve", "fleet", "approve", "answer what a worker asks permission for", words_fleet.approve),
    Command("teardown", "fleet", "teardown", "end workers that spawn started", words_fleet.teardown),
    Command("attach", "fleet", "attach", "show a worker's terminal in this one", words_fleet.attach, json=False),
    Command(
        "worktree", "fleet", "worktree", "workers' git worktrees: add, list, set-status, remove", words_fleet.worktree
    ),
    Command("mcp", "mcp", "mcp", "the MCP server, on standard input and output", _nothing, json=False),
    Command("hook", "hook", "hook", "serve a hook of an agent program; its settings call this", _hook, json=False),
    Command("demo", "demo", "demo", "two agents talk through a log, in a scratch folder", _nothing, json=False),
)


def build() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = Parser(prog="intercom", description=DESCRIPTION, epilog=EPILOG, formatter_class=Help, allow_abbrev=False)
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
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            formatter_class=Help,
            allow_abbrev=False,
        )
        sub.command = command
    return parser


def _root(parser: argparse.ArgumentParser, default: str | None) -> None:
    """`--root` may stand before or after the command."""
    parser.add_argument(
        "--root", metavar="DIR", default=default, help="the project (default: INTERCOM_ROOT, or found from here)"
    )


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse `argv`; on wrong usage argparse prints why and exits with 2."""
    return build().parse_args(argv)
