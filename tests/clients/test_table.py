"""The README's table of clients: each cell is what a test saw, and which one stands here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from intercom.fleet.clients.known import MODULES
from intercom.fleet.programs import known
from intercom.fleet.programs.program import HEADLESS, TERMINAL

ROOT = Path(__file__).parents[2]
SET_UP = "tests/clients/test_init_clients.py::test_set_up_by_init_it_talks_at_once"
IN_TURN = "tests/clients/test_hooks_clients.py::test_a_message_comes_into_the_turn_that_runs"
WORKER = "tests/clients/test_spawn.py::test_a_worker"
ALONE = "tests/claude/test_alone_claude.py::test_a_worker_without_a_terminal"
ROUNDS = "tests/clients/test_rounds.py::test_each_message_once_and_in_time"
DRAFT = "tests/clients/test_rounds.py::test_a_draft_stays_as_it_is"
NOT = "tests/clients/test_table.py::test_what_does_not_work"
#: Of each client, the tests behind each cell, from left to right.
CELLS = {
    "Claude Code": (
        "tests/test_clients_setup.py::test_every_client_finds_its_entry",
        "tests/claude/test_hooks_claude.py::test_urgent_at_the_next_tool_ordinary_at_the_end",
        "tests/claude/test_hooks_claude.py::test_a_waiter_wakes_an_idle_session",
        f"tests/claude/test_fleet_claude.py::test_the_demo {ALONE}",
    ),
    "Codex": (
        SET_UP,
        IN_TURN,
        f"tests/clients/test_wake_codex.py::test_an_idle_codex_begins_a_turn_with_what_came {ROUNDS} {DRAFT}",
        WORKER,
    ),
    "Gemini CLI": (SET_UP, IN_TURN, NOT, WORKER),
    "Qwen Code": (SET_UP, IN_TURN, ROUNDS, WORKER),
    "Cline": (SET_UP, IN_TURN, NOT, WORKER),
    "opencode": (
        SET_UP,
        IN_TURN,
        "tests/clients/test_wake_opencode.py::test_an_idle_session_begins_a_turn_with_what_came",
        WORKER,
    ),
    "Kilo": (
        SET_UP,
        IN_TURN,
        "tests/clients/test_wake_opencode.py::test_an_idle_session_begins_a_turn_with_what_came",
        WORKER,
    ),
    "Continue": (SET_UP, SET_UP, NOT, NOT),
}
FORMS = {
    "in tmux": (TERMINAL,),
    "without a terminal": (HEADLESS,),
    "in tmux or without a terminal": (TERMINAL, HEADLESS),
    "no": (),
}
NAMES = {"Claude Code": "claude", "Gemini CLI": "gemini", "Qwen Code": "qwen"}


def table() -> dict[str, list[str]]:
    """The README's rows, by client."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found, _, _ = text[text.index("| client | set up by `init` |") :].partition("\n\n")
    cells = [row.split(" | ") for row in re.findall(r"^\| (.+) \|$", found, re.MULTILINE)]
    return {first: rest for first, *rest in cells[1:]}


def test_each_cell_has_its_test() -> None:
    """As many cells as tests; each is there, and runs for that client."""
    found = table()
    assert found.keys() == CELLS.keys()
    for client, tests in CELLS.items():
        assert len(found[client]) == len(tests), client
        for cell, test in zip(found[client], tests, strict=True):
            for path, name in (one.split("::") for one in test.split()):
                source = ast.parse((ROOT / path).read_text(encoding="utf-8"))
                assert name in {node.name for node in source.body if isinstance(node, ast.FunctionDef)}, test
            assert (test == NOT) == cell.startswith("no"), (client, cell)


@pytest.mark.parametrize("client", CELLS)
def test_what_does_not_work(client: str) -> None:
    """What the table says of workers is what `spawn` can do, and nothing wakes where it says so."""
    name = NAMES.get(client, client.lower())
    assert name in MODULES
    _, _, idle, worker = table()[client]
    forms = known.program(name).forms if name in known.WORKERS else ()
    assert forms == FORMS[worker]
    if idle.startswith("no") and name in known.HOOKED:
        runs = known.program(name)
        assert (runs.prompting("s", "x"), runs.reads, runs.wakes_itself) == (None, "", False)
