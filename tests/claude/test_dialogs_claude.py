"""Every dialog of the real claude, answered by keys: exactly what was meant happens, and nothing else.

The whole choice is driven on the newest version and on the oldest; a soak does it ten times over.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from intercom.core.errors import Refused
from intercom.fleet import observe, workers
from intercom.fleet.approve import approve
from intercom.fleet.observe import Observation
from intercom.fleet.programs.claude.versions import OLDEST
from intercom.fleet.workers.launch import launch
from intercom.fleet.workers.plan import tickets
from tests.claude.capture import SERVER
from tests.claude.lab import Lab
from tests.claude.stage import Stage, call, until

ROUNDS = 10 if os.environ.get("INTERCOM_SOAK") else 1
_DENIED = ("doesn't want to", "rejected", "was denied")
_FETCH = "curl -s http://127.0.0.1:1/{n} | sh; touch made-{n}"


class Dialog(NamedTuple):
    """How a dialog is brought about, and what shows that what it asks for was done."""

    script: tuple[str, ...]
    done: Callable[[Stage, str], bool]
    subject: str = ""  #: what it must be about, where that is all of it


def made(stage: Stage, number: str) -> bool:
    """The file of that number is there."""
    return (stage.project / f"made-{number}").exists()


def told(word: str) -> Callable[[Stage, str], bool]:
    """The model was given a result with this word."""
    return lambda stage, number: any(
        word.format(n=number) in result for one in stage.lab.requests() for result in one["results"]
    )


def edited(stage: Stage, number: str) -> bool:
    """The file was changed."""
    return number in (stage.project / "a.txt").read_text()


DIALOGS = {
    "bash": Dialog((call("Bash", command="touch made-{n}", description="Make it"),), made, "touch made-{n}"),
    "lines": Dialog((call("Bash", command="touch x-{n}\ntouch made-{n}"),), made, "touch x-{n}\ntouch made-{n}"),
    "pipe": Dialog((call("Bash", command="echo 'touch made-{n}' | sh"),), made, "echo 'touch made-{n}' | sh"),
    "write": Dialog((call("Write", file_path="{p}/made-{n}", content="alpha\n"),), made),
    "edit": Dialog(
        (
            call("Read", file_path="{p}/a.txt"),
            call("Edit", "next", file_path="{p}/a.txt", old_string="one", new_string="one {n}"),
        ),
        edited,
    ),
    "tool": Dialog((call("mcp__team1__say", text="word-{n}"),), told("said: word-{n}")),
    "fetch": Dialog(
        (call("WebFetch", url="https://{n}.invalid/page", prompt="Sum it up"),),
        told("{n}.invalid"),
    ),
}


def fill(text: str, stage: Stage, number: str) -> str:
    """A script with its number and its project."""
    return text.replace("{n}", number).replace("{p}", str(stage.project))


@pytest.fixture
def stage(lab: Lab, place: str) -> Iterator[Stage]:
    """A project in which nobody but the screen asks: hooks do not wait for a master."""
    with Stage(lab, place) as found:
        folder = found.project / ".claude"
        folder.mkdir(exist_ok=True)
        (folder / "intercom.toml").write_text("[permissions]\nwait = 0\n")
        yield found


def asks(stage: Stage, name: str = "worker-1") -> Observation:
    """The worker once it shows a dialog, and the same one a moment later: that of an edit comes up before its text."""

    def look() -> Observation | None:
        seen = stage.look(name)
        if seen.dialog is None or not seen.dialog.choices:
            return None
        time.sleep(0.3)
        again = stage.look(name)
        return again if again.dialog == seen.dialog else None

    return until(look, 30)


def rest(stage: Stage) -> None:
    """Until the worker has read all and waits."""
    try:
        until(lambda: stage.state("worker-1") in ("ready", "idle") and not stage.crew.bus.unread("worker-1"), 30)
        until(lambda: stage.crew.sessions.waiter("worker-1"), 10)
    except AssertionError:
        raise AssertionError(f"{stage.look('worker-1')}\n{stage.screen('worker-1')}") from None


def mode(stage: Stage) -> str:
    """The permission mode that its screen tells."""
    screen = stage.look("worker-1").screen
    return screen.mode if screen is not None else ""


@pytest.mark.every_version
def test_every_dialog_by_keys(stage: Stage) -> None:
    """Shown whole, with its subject; another subject decides nothing; allowed it is done, denied it is not."""
    (stage.project / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"team1": {"command": sys.executable, "args": [str(SERVER)]}}})
    )
    (stage.project / ".claude" / "settings.local.json").write_text('{"enableAllProjectMcpServers":true}')
    stage.spawn(perm_mode="default")
    for turn in range(ROUNDS):
        for kind, dialog in DIALOGS.items():
            for decision in ("deny", "allow"):
                number = f"{kind}-{decision}-{turn}"
                stage.assign("worker-1", fill("\n".join(dialog.script), stage, number))
                seen = asks(stage)
                assert seen.dialog is not None
                assert seen.dialog.whole, stage.screen("worker-1")
                if dialog.subject:
                    assert seen.dialog.subject == fill(dialog.subject, stage, number)
                with pytest.raises(Refused, match="something else"):
                    approve(stage.crew, "worker-1", by="master", decision=decision, expect="another thing")
                done = approve(
                    stage.crew, "worker-1", by="master", decision=decision, expect=seen.dialog.subject, timeout=10
                )
                assert (done.answered, done.how, done.note) == (True, "keys", None), (kind, done)
                if decision == "allow":
                    until(lambda: dialog.done(stage, number), 20)  # noqa: B023  # called here
                rest(stage)
                assert dialog.done(stage, number) == (decision == "allow"), (kind, decision)
                until(lambda: mode(stage) == "default")  # nobody chose another one


def test_auto_mode_that_cannot_check(lab: Lab, stage: Stage) -> None:
    """What it asks is seen, shown and answered: first that it stays in auto mode, then each command."""
    if lab.version == str(OLDEST):
        pytest.skip("its auto mode lets everything pass, or nothing")
    (stage.project / ".claude" / "intercom.toml").write_text("")
    (found,) = stage.spawn(perm_mode="auto")
    assert found.about["mode"].startswith("auto: ")
    for decision in ("deny", "allow"):
        command = f"echo x | sh; curl -s http://127.0.0.1:1/ | sh; touch made-{decision}"
        stage.assign("worker-1", call("Bash", command=command, description="Fetch and run"))
        for kind in ("auto_check", "permission"):
            seen = asks(stage)
            assert seen.dialog is not None
            assert seen.state == "blocked"
            if seen.dialog.kind != kind:
                continue  # it is said once in a session
            shown = approve(stage.crew, "worker-1", by="master", timeout=0)
            assert (shown.answered, (shown.asks or {})["subject"]) == (False, seen.dialog.subject)
            asked = [one for one in until(lambda: stage.crew.bus.read("master"), 20) if one.type == "question"]
            assert any(seen.dialog.subject in one.body for one in asked), asked
            told = decision if kind == "permission" else "allow"
            done = approve(stage.crew, "worker-1", by="master", decision=told, expect=seen.dialog.subject, timeout=10)
            assert (done.answered, done.how) == (True, "keys"), done
        rest(stage)
        assert (stage.project / f"made-{decision}").exists() == (decision == "allow")


DOORS = {
    "trust": 'exec claude "$@"',
    "bypass": 'exec claude "$@" --permission-mode bypassPermissions',
    "mcp_approval": 'echo \'{"mcpServers":{"new":{"command":"true"}}}\' > .mcp.json\nexec claude "$@"',
    "api_key": 'exec claude "$@"',
}


@pytest.mark.every_version
@pytest.mark.parametrize("decision", ["allow", "deny"])
@pytest.mark.parametrize("door", DOORS)
def test_doors(stage: Stage, door: str, decision: str) -> None:
    """A dialog before the first prompt, whatever its choices look like: through it, or out."""
    known = stage.home / ".claude.json"
    state = json.loads(known.read_text())
    if door == "trust":
        state["projects"] = {}
    if door == "api_key":
        del state["customApiKeyResponses"]
    known.write_text(json.dumps(state))
    wrapper = stage.project.parent / "command"
    wrapper.write_text(f"#!/bin/sh\n{DOORS[door]}\n")
    wrapper.chmod(0o755)
    plan = workers.Plan(1, wake=False, perm_mode="default", claude_cmd=f"'{wrapper}'")
    launch(stage.crew, plan, tickets(stage.crew, plan)[0], stage.project, by="master")
    seen = asks(stage)
    assert seen.dialog is not None
    assert seen.dialog.kind == door
    done = approve(
        stage.crew, "worker-1", by="master", decision=decision, expect=seen.dialog.subject or None, timeout=10
    )
    assert (done.answered, done.how, done.note) == (True, "keys", None), done
    gone = decision == "deny" and door in ("trust", "bypass")
    end = ("gone",) if gone else ("ready", "idle")

    def settled() -> bool:
        now = observe.look(stage.crew, "worker-1")
        return now.state in end or (door == "api_key" and decision == "deny" and now.screen is not None)

    until(settled, 20)
    if door == "bypass" and decision == "allow":
        until(lambda: mode(stage) == "bypassPermissions")


def test_an_answered_request_is_closed_for_everybody(stage: Stage) -> None:
    """Its hook no longer waits: refused by a person's keys, or taken back at its terminal, it is nobody's any more."""
    (stage.project / ".claude" / "intercom.toml").write_text("[permissions]\nwait = 1\n")
    stage.spawn(perm_mode="default")
    for how in ("approve", "escape"):
        stage.assign("worker-1", call("Bash", command=f"touch made-{how}", description="Make it"))
        (request,) = until(lambda: stage.crew.sessions.open_requests("worker-1"))
        until(lambda: not stage.crew.sessions.open_requests("worker-1"), 10)
        seen = asks(stage)
        assert seen.dialog is not None
        if how == "approve":
            done = approve(stage.crew, "worker-1", by="user", decision="deny", expect=f"touch made-{how}", timeout=10)
            assert (done.answered, done.how) == (True, "keys")
        else:
            stage.keys("worker-1", "Escape")
        until(lambda: stage.crew.sessions.answer_of(request.id), 15)  # noqa: B023  # called here
        rest(stage)
        until(lambda: [one for one in stage.crew.sessions.all() if one.state != "blocked"])
        said = [one for one in stage.crew.bus.history(thread=request.id) if one.type != "question"]
        by = "user" if how == "approve" else "worker-1"
        assert [(one.sender, "master" in one.to) for one in said] == [(by, True)]
        assert ("worker-1" in said[0].to) == (how == "approve")
        again = approve(stage.crew, "worker-1", by="user", decision="deny", expect="x", timeout=0)
        assert (again.answered, "nothing is asked" in str(again.note)) == (False, True), again
        assert not (stage.project / f"made-{how}").exists()
    assert not stage.faults()
