"""What fuzzing found, played back; and any value in any argument of any tool, by hypothesis."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.server.app import App
from intercom.server.plain import Call
from intercom.server.session import Session
from intercom.server.spawned import Spawned
from intercom.server.tool import ON_CREW
from intercom.server.toolbox import TOOLS
from tests import fuzz

CASES = [(name, path) for name in fuzz.TARGETS for path in sorted((fuzz.CORPUS / name).glob("*"))]
ASKED = [tool for tool in TOOLS if tool.on != ON_CREW and tool.name != "intercomm_signoff"]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(0, 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(("name", "path"), CASES, ids=[f"{name}-{path.name[:20]}" for name, path in CASES])
def test_the_corpus(name: str, path: Path) -> None:
    """Each find, and what fuzzing begins with."""
    fuzz.TARGETS[name](path.read_bytes())


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A tool and arguments of its own, with any values."""
    tool = draw(st.sampled_from(ASKED))
    arguments = {name: draw(JSON) for name in tool.properties if name != "wait" and draw(st.booleans())}
    if tool.name == "intercomm_register":
        arguments["role"] = draw(st.sampled_from(["worker", 3, "master"]))
    return tool.name, arguments


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls(), max_size=4))
def test_any_arguments(project: Path, asked: list[tuple[str, dict[str, Any]]]) -> None:
    """Every call is answered, with an error of ours or with JSON, and none breaks the server."""

    async def run() -> None:
        app = App(Session(lambda: Bus.open(project), Spawned("roo", "worker")))
        async with app.running(bind=True):
            for name, arguments in asked:
                result = await app.result("test", Call(1, name, arguments))
                said = result["content"][0]["text"]
                assert "failed inside" not in said, (name, arguments, said)
                json.dumps(result)
        assert app.bus_thread.close()

    asyncio.run(run())
