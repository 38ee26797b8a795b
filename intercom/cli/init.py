"""Owns `intercom init`: create the bus, then set up MCP clients or show how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from intercom.cli import show
from intercom.cli.entry import server_entry
from intercom.cli.session import Asked, warn
from intercom.core.signature import Arg
from intercom.fleet.aimfp import mark
from intercom.fleet.clients.changes import ALONE
from intercom.fleet.programs.known import programs
from intercom.fleet.programs.program import SERVER

__all__ = ["init", "server_entry"]

if TYPE_CHECKING:
    from intercom.bus.setup import InitReport
    from intercom.core.config import Config

Machine = Annotated[
    str | None, Arg(help="this machine's name in the log's file name (default: the host's)", metavar="NAME")
]


def init(
    asked: Asked,
    *,
    machine: Machine = None,
    agents: Annotated[
        Sequence[str],
        Arg(
            help="an agent that may send and receive without registering; repeatable (default: claude-code and roo)",
            option="--agent",
            metavar="NAME",
        ),
    ] = (),
    clients: Annotated[
        Sequence[str],
        Arg(
            help="an MCP client to set up, or `none`; repeatable (default: those in use here)",
            option="--client",
            metavar="NAME",
        ),
    ] = (),
    user: Annotated[bool, Arg(help="set clients up in your own files, for all projects")] = False,
    dry_run: Annotated[bool, Arg(help="show what would change in clients' files, and change nothing")] = False,
    aimfp: Annotated[bool, Arg(help="show what AIMFP needs of this project, and set it")] = False,
    yes: Annotated[bool, Arg(help="with --aimfp: do not ask")] = False,
) -> int:
    """Create folder, log and ignore rule; name the agents; set up the clients in use; print the server entry."""
    from intercom.cli import clients as mcp_clients
    from intercom.core import config as configuration

    config = configuration.load(asked.root, machine=machine)
    warn(config)
    means = mcp_clients.setup_of(config, server_entry(config), user=user)
    mcp_clients.chosen(means, clients)  # refuse before anything is created
    report = None if dry_run else _make(asked, config, agents, remember=machine is not None)
    if aimfp:
        from intercom.cli.aimfp import prepare

        return prepare(config, yes=yes, dry=dry_run, json=asked.json)
    planned, said = mcp_clients.set_up(means, config, clients, dry=dry_run)
    if asked.json:
        files = {"files": mcp_clients.shown(config.root, planned), "notes": said}
        show.json_line({**_facts(config, report), "mcpServers": {SERVER: dict(means.entry)}, **files})
    else:
        if report is not None:
            _tell(config, report, dict(means.entry), connected=bool(planned))
        mcp_clients.tell(config.root, planned, said, dry=dry_run)
        if report is not None:
            show.line(f'Then talk: intercom send {report.agents[0]} "hello"')
    return 1 if any(one.change.what == ALONE for one in planned) else 0


def _make(asked: Asked, config: Config, agents: Sequence[str], *, remember: bool) -> InitReport:
    """Create the bus, and announce it in its log."""
    from intercom.bus import setup
    from intercom.bus.bus import Bus
    from intercom.cli.ignore import Rule
    from intercom.core.message import USER
    from intercom.store.log.announce import announce

    with Rule(config):
        report = setup.init(config, agents or config.agents, remember=remember, comment=True)
    if report.notice:
        show.note(report.notice)
    mark(config.root)
    with Bus.open(asked.root) as bus:
        bus.add_agents(report.agents)
        if report.created and not bus.history(limit=1):
            announce(config, "Intercom system initialized")
            bus.read(USER)  # mark the announcement as read: whoever runs this knows it
            bus.confirm(USER)
    return report


def _facts(config: Config, report: InitReport | None) -> dict[str, Any]:
    """The result for JSON; of a bus that was not created, where it would be."""
    out: dict[str, Any] = {"root": str(config.root), "machine": config.machine}
    if report is None:
        return {**out, "log": str(config.log), "dry_run": True}
    return {
        **out,
        "log": str(report.log),
        "created": report.created,
        "ignored": report.ignored,
        "tracked": list(report.tracked),
        "agents": list(report.agents),
    }


def _tell(config: Config, report: InitReport, entry: dict[str, Any], *, connected: bool) -> None:
    """Print the result for a person."""
    show.line(f"log     {report.log}" + ("" if report.created else " (already there; left as it is)"))
    show.line(f"agents  {', '.join(report.agents)} (and user, for people)")
    rule = {
        "added": "ignores .claude/local/ from now on (.gitignore)",
        "present": "ignores .claude/local/",
        "": "not used here",
    }
    show.line(f"git     {rule[report.ignored]}")
    show.line()
    if connected:
        return
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
