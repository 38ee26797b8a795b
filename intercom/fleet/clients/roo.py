"""Owns setting up Roo Code, and its successor Zoo: `.roo/mcp.json`, and a rules file of our own."""

from __future__ import annotations

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Member, Own, Part
from intercom.fleet.programs.program import SERVER
from intercom.system.resources import text

_LONGEST = 3600  #: seconds; the most that it accepts


def parts(setup: Setup) -> list[Part]:
    """The server, its tools approved; the rules text."""
    entry = {**setup.entry, "alwaysAllow": list(setup.tools), "timeout": _LONGEST}
    return [
        Member(setup.root / ".roo" / "mcp.json", ("mcpServers", SERVER), entry),
        Own(setup.root / ".roo" / "rules" / "intercom.md", text("rules.md")),
    ]


CLIENT = Client("roo", "Roo Code", parts, folders=(".roo", ".roorules"))
