"""Owns `intercom demo`: a scratch project, the play, and what to look at afterwards."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
import tempfile
from pathlib import Path

from intercom.cli import demo_play, show
from intercom.cli.session import own_command
from intercom.errors import IntercomError

INTRODUCTION = """\
Two agents work on one project. Each has its own `intercom mcp` server, started over
stdio the way Claude Code starts it. They talk through MCP tools; what they say is a
markdown file that you can read, and write into. No network, no model: their lines are
scripted, everything else is real."""


def demo(_: argparse.Namespace) -> int:
    """Play the demo in a new folder, which stays."""
    project = Path(tempfile.mkdtemp(prefix="intercom-demo-")).resolve()
    print()
    print(show.paint("Intercom: agents talk through a markdown log", show.BOLD))
    print()
    print(INTRODUCTION)
    print()
    with open(project / "servers-stderr.txt", "w+", encoding="utf-8") as errors:
        try:
            log = asyncio.run(demo_play.play(project, errors))
        except Exception as error:
            errors.seek(0)
            sys.stderr.write(errors.read())
            raise IntercomError(f"the demo broke off: {_cause(error)} What there is lies in {project}.") from error
    (project / "servers-stderr.txt").unlink()
    _show_log(log)
    _show_next(project, log)
    return 0


def _cause(error: BaseException) -> str:
    """The first real error inside the groups that concurrent clients wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, IntercomError) else f"{type(error).__name__}: {error}."


def _show_log(log: Path) -> None:
    """Print the log as it lies on disk, without the introduction that every log begins with."""
    demo_play.title("The log itself")
    text = log.read_text(encoding="utf-8")
    start = text.find("\n## [") + 1
    if start:
        print(
            show.paint(f"  | ({text.count(chr(10), 0, start)} lines that tell people how to write into it)", show.DIM)
        )
        print("  |")
        text = text[start:]
    for line in text.rstrip().split("\n"):
        first, *rest = demo_play.wrapped(show.visible(line), demo_play.WIDTH - 6)
        print(f"  | {show.paint(first, show.CYAN) if line.startswith('## [') else first}".rstrip())
        for part in rest:
            print(f"  :   {part}")


def _show_next(project: Path, log: Path) -> None:
    demo_play.title("Where it lies")
    print(f"  {log}")
    print()
    own = shlex.join(own_command())
    print("  Look around:   " + show.paint(f"cd {shlex.quote(str(project))}", show.BOLD))
    print("                 " + show.paint(f"{own} log", show.BOLD) + "       the same messages, as a list")
    print("                 " + show.paint(f"{own} status", show.BOLD) + "    who is there, what is unread")
    print("  In a project:  " + show.paint(f"{own} init", show.BOLD) + "      makes a log, prints the MCP server entry")
    print(f"  Throw away:    rm -r {project}")
    print()
