"""Owns `intercom demo`: a scratch project, the play, and what to look at afterwards."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from intercom.cli import demo_play, show
from intercom.cli.session import Asked
from intercom.core.errors import IntercomError
from intercom.core.escaping import framed
from intercom.system import host
from intercom.system.invocation import shell_command

INTRODUCTION = """\
Two agents work on one project. Each has its own `intercom mcp` server, started over
stdio the way an agent starts it. They talk through MCP tools; what they say is a
markdown file that you can read, and write into. No network, no model: their lines are
scripted, everything else is real."""


def demo(_: Asked) -> int:
    """Run the demo in a new folder, which stays."""
    project = Path(tempfile.mkdtemp(prefix="intercom-demo-")).resolve()
    show.line()
    show.line(show.paint("Intercom: agents talk through a markdown log", show.BOLD))
    show.line()
    show.block(INTRODUCTION)
    show.line()
    with open(project / "servers-stderr.txt", "w+", encoding="utf-8") as errors:
        try:
            log = asyncio.run(demo_play.play(project, errors))
        except Exception as error:
            errors.seek(0)
            show.block(errors.read(), error=True)
            raise IntercomError(f"the demo broke off: {_cause(error)} What there is lies in {project}.") from error
    (project / "servers-stderr.txt").unlink()
    _show_log(log)
    _show_next(project, log)
    return 0


def _cause(error: BaseException) -> str:
    """The first real error inside the exception groups of concurrent clients."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, IntercomError) else f"{type(error).__name__}: {error}."


def _show_log(log: Path) -> None:
    """Print the log as it is on disk, without the introduction that every log has."""
    demo_play.title("The log itself")
    text = log.read_text(encoding="utf-8")
    start = text.find("\n## [") + 1
    if start:
        lines = f"({text.count(chr(10), 0, start)} lines that tell people how to write into it)"
        show.line("  | ", show.paint(lines, show.DIM))
        show.line("  |")
        text = text[start:]
    for line in framed(text.rstrip(), ""):
        first, *rest = demo_play.wrapped(line, demo_play.WIDTH - 6)
        show.line("  | " if first else "  |", show.paint(first, *([show.CYAN] if line.startswith("## [") else [])))
        for part in rest:
            show.line(f"  :   {part}")


def _show_next(project: Path, log: Path) -> None:
    demo_play.title("Where it lies")
    show.line(f"  {log}")
    show.line()
    own = host.as_typed(shell_command())
    for said, command, about in (
        ("Look around:", host.as_typed(["cd", str(project)]), ""),
        ("", f"{own} log", "       the same messages, as a list"),
        ("", f"{own} status", "    who is there, what is unread"),
        ("In a project:", f"{own} init", "      makes a log, sets up your MCP clients"),
    ):
        show.line(f"  {said:15}", show.paint(command, show.BOLD), about)
    show.line(f"  Throw away:    {host.as_typed([*host.REMOVES, str(project)])}")
    show.line()
