"""Owns `intercom init`: make the bus, then show how to connect an MCP client to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from intercom.cli import show
from intercom.cli.session import Asked, warn
from intercom.core.signature import Arg
from intercom.fleet.programs.known import programs
from intercom.fleet.programs.program import SERVER
from intercom.system.invocation import shell_command

if TYPE_CHECKING:
    from intercom.bus.setup import InitReport
    from intercom.core.config import Config


def init(
    asked: Asked,
    *,
    machine: Annotated[
        str | None, Arg(help="this machine's name in the log's file name (default: the host's)", metavar="NAME")
    ] = None,
    agents: Annotated[
        Sequence[str],
        Arg(
            help="an agent that may send and receive without registering; repeatable (default: claude-code and roo)",
            option="--agent",
            metavar="NAME",
        ),
    ] = (),
) -> int:
    """Make folder, log and ignore rule; name the agents; print the server entry."""
    from intercom.bus import setup
    from intercom.bus.bus import Bus
    from intercom.core import config as configuration

    config = configuration.load(asked.root, machine=machine)
    warn(config)
    report = setup.init(config, agents or config.agents, remember=machine is not None)
    with Bus.open(asked.root) as bus:
        bus.add_agents(report.agents)
    entry = server_entry(config)
    if asked.json:
        show.json_line(
            {
                "root": str(config.root),
                "machine": config.machine,
                "log": str(report.log),
                "created": report.created,
                "ignored": report.ignored,
                "tracked": list(report.tracked),
                "agents": list(report.agents),
                "mcpServers": {SERVER: entry},
            }
        )
    else:
        _tell(config, report, entry)
    return 0


def server_entry(config: Config) -> dict[str, Any]:
    """What an MCP client needs to start our server, in the form of `.mcp.json`."""
    command = [*shell_command(), "mcp"]
    entry: dict[str, Any] = {"command": command[0], "args": command[1:]}
    if not _found_unaided(config.root):
        entry["env"] = {"INTERCOM_ROOT": str(config.root)}
    return entry


def _found_unaided(root: Path) -> bool:
    """Whether a server that starts in `root` finds this bus by itself; then the entry is good on every machine."""
    from intercom.core.errors import UsageError
    from intercom.core.root import git_common_parent

    for folder in (root, *root.parents):
        try:
            common = git_common_parent(folder)
        except UsageError:  # only a pin leads there
            return False
        if common is not None:
            return common == root
    return True


def _tell(config: Config, report: InitReport, entry: dict[str, Any]) -> None:
    """The report for a person."""
    show.line(f"log     {report.log}" + ("" if report.created else " (was there, left as it is)"))
    show.line(f"agents  {', '.join(report.agents)} (and user, for people)")
    rule = {
        "added": "ignores .claude/local/ from now on (.gitignore)",
        "present": "ignores .claude/local/",
        "": "not used here",
    }
    show.line(f"git     {rule[report.ignored]}")
    show.line()
    for program in programs():
        show.line(f"Connect {program.title}, in this folder:")
        show.line()
        show.line(f"  {program.add_server(entry)}")
        show.line()
    show.line(f"or any MCP client, with this entry (.mcp.json in {config.root}):")
    show.line()
    block = json.dumps({"mcpServers": {SERVER: entry}}, indent=2)
    for row in block.splitlines():
        show.line("  ", row)
    show.line()
    show.line(f'Then talk: intercom send --from user {report.agents[0]} "hello"')
