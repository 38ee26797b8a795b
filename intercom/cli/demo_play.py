"""Owns the demo's script: what the two agents do, through real servers and the official MCP client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TextIO

from mcp import Client, StdioServerParameters, stdio_client

from intercom.bus.setup import init
from intercom.cli import show
from intercom.core.config import load
from intercom.core.errors import IntercomError
from intercom.core.escaping import framed
from intercom.system.resources import SOURCE

TASK = "Add GET /health to the web server. It answers 200 while the server is up. Commit it on the branch health."
QUESTION = "Should /health look at the database too?"
ANSWER = "No. A slow database must not get the server restarted."
BY_HAND = "Please let it answer with an empty body; nobody reads more."
DONE = "GET /health answers 200 with an empty body. Branch health, commit 4f2c1aa, all tests pass."
WIDTH = 86
_INDENT = " " * 12
_TEXTS = ("message", "role_instructions")  # arguments that are shown below the call


class Agent:
    """One MCP client, as it would sit inside a coding agent, with its own server process."""

    def __init__(self, role: str, client: Client) -> None:
        self.name = role
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and show the call; returns its JSON answer. IntercomError if it refuses."""
        shown = ", ".join(f"{key}={json.dumps(value)}" for key, value in arguments.items() if key not in _TEXTS)
        say(self.name, show.paint(tool, show.BOLD), f"({shown})")
        for text in (arguments[key] for key in _TEXTS if key in arguments):
            quote(text, '"', '"')
        result = await self._client.call_tool(tool, arguments)
        said = "".join(getattr(block, "text", "") for block in result.content)
        if result.is_error:
            raise IntercomError(f"{tool}: {said}")
        answer: dict[str, Any] = json.loads(said)
        return answer

    async def read(self, **arguments: Any) -> list[dict[str, Any]]:
        """Read, and show what came."""
        answer = await self.call("intercomm_read", **arguments)
        messages: list[dict[str, Any]] = answer["messages"]
        for message in messages:
            show_message(message)
        if not messages:
            detail("nothing new")
        return messages


async def play(project: Path, errors: TextIO) -> Path:
    """Run it all in `project`; the servers' stderr goes to `errors`. Returns the log's path."""
    config = load(project, machine="demo", environ={})
    init(config, config.agents)
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        opened = [_agent(stack, project, errors, role) for role in ("master", "worker")]
        master, worker = [await agent for agent in opened]
        show.line(f"  project  {project}")
        show.line(f"  servers  2, each its own process, connected after {time.monotonic() - started:.1f} s")
        title("1. Both register")
        for agent in (master, worker):
            role = agent.name
            agent.name = (await agent.call("intercomm_register", role=role))["name"]
            detail(f"is {agent.name}")
        await _work(master, worker, config.log)
        title("5. What the master can know about its messages")
        _receipts((await master.call("intercomm_status", receipts=True))["receipts"])
    return config.log


async def _work(master: Agent, worker: Agent, log: Path) -> None:
    """Task, question, answer, a person's message, done."""
    title("2. The master assigns a task, the worker asks back")
    task = await master.call("intercomm_assign", worker=worker.name, role_instructions=TASK)
    detail(f"stored as {task['id']}")
    await worker.read()
    await worker.call("intercomm_send", to=master.name, type="question", message=QUESTION)
    title("3. The master answers")
    question = (await master.read())[0]
    await master.call("intercomm_send", to=worker.name, type="answer", reply_to=question["id"], message=ANSWER)
    await worker.read()
    title("4. A person writes into the file, with an editor, while the worker waits")
    waiting = asyncio.create_task(worker.read(wait=20))
    await asyncio.sleep(0.3)  # for show: the worker visibly waits first; nothing depends on it
    _write_by_hand(log, worker.name)
    saved = time.monotonic()
    await waiting
    detail(f"delivered {1000 * (time.monotonic() - saved):.0f} ms after the file was saved")
    await worker.call("intercomm_send", to=master.name, type="done", reply_to=task["id"], message=DONE)
    detail("a done is checked with git; there is no repository here, so it is marked")
    await master.read()


def _write_by_hand(log: Path, to: str) -> None:
    """Write as a person does in an editor: no seconds, a plain arrow, no id, no closing rule."""
    text = f"## [{time.strftime('%Y-%m-%d %H:%M')}] user -> {to} [INFO]\n{BY_HAND}\n"
    for line in text.strip().split("\n"):
        say("user", show.paint(line, show.YELLOW))
    with open(log, "a", encoding="utf-8") as file:
        file.write(text)


async def _agent(stack: AsyncExitStack, project: Path, errors: TextIO, role: str) -> Agent:
    """Start a server and connect the official client to it."""
    server = StdioServerParameters(
        command=sys.executable,  # with SOURCE, it works from a checkout without installing
        args=["-m", "intercom", "mcp"],
        env={"INTERCOM_ROOT": os.fspath(project), "INTERCOM_MACHINE": "demo", "PYTHONPATH": SOURCE},
        cwd=project,
    )
    client = Client(stdio_client(server, errlog=errors), read_timeout_seconds=60)
    return Agent(role, await stack.enter_async_context(client))


def title(text: str) -> None:
    """Print the heading of a part."""
    show.line()
    show.line(show.paint(f"-- {text} ".ljust(WIDTH, "-"), show.DIM))
    show.line()


def say(who: str, *what: show.Part) -> None:
    """Print one action."""
    show.line("  ", show.paint(f"{who:10}", show.GREEN), *what)


def detail(text: str) -> None:
    """Print its result."""
    show.line(_INDENT, show.paint(text, show.DIM))


def quote(text: str, opening: str = "", closing: str = "") -> None:
    """Print a text, indented and wrapped."""
    for line in wrapped("\n".join(framed(f"{opening}{text}{closing}", ""))):
        show.line(_INDENT + line)


def wrapped(text: str, width: int = WIDTH - len(_INDENT)) -> list[str]:
    """The lines of `text`, long ones broken between words."""
    return [part for line in text.split("\n") for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]


def show_message(message: dict[str, Any]) -> None:
    """Print a message as an agent gets it."""
    marks = "  written by hand" if message["via"] == "hand" else ""
    words = f"{_INDENT}{message['from']} \u2192 {message['to']}  [{message['type']}]  {message['id']}"
    show.line(words, show.paint(marks, show.YELLOW))
    quote(message["contract"]["role_instructions"] if "contract" in message else message["body"])


def _receipts(rows: list[dict[str, Any]]) -> None:
    """Print the receipts as a table, with times of day only."""
    table = [(_INDENT + "MESSAGE", "TO", "STORED", "SHOWN", "ACTED ON")]
    for row in rows:
        acted = f"{_clock(row['acted'])}, {row['acted_with']}" if row["acted"] else "-"
        table.append((_INDENT + row["id"], row["to"], _clock(row["stored"]), _clock(row["shown"]), acted))
    show.rows(table)


def _clock(at: str | None) -> str:
    return show.local(at)[-8:] if at else "-"
