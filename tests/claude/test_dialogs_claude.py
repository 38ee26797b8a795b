"""Every dialog of the real claude, answered by keys: exactly what was meant happens, and nothing else.

The whole choice is driven on the newest version and on the oldest; a soak does it ten times over.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from intercom.core.errors import Refused
from intercom.core.fleet_words import DECISIONS
from intercom.fleet import observe, workers
from intercom.fleet.approve import approve
from intercom.fleet.observe import Observation
from intercom.fleet.programs.claude.versions import OLDEST
from intercom.fleet.workers.launch import launch
from intercom.fleet.workers.plan import tickets
from tests.claude import places
from tests.claude.capture import SERVER, SETTINGS, TALL, held
from tests.claude.lab import Lab, Session
from tests.claude.stage import Stage, call
from tests.processes import until

SOAK = bool(os.environ.get("INTERCOM_SOAK"))
ROUNDS = int(os.environ.get("INTERCOM_ROUNDS") or 10) if SOAK else 1
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
        word.format(n=number) in result for one in stage.requests() for result in one["results"]
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
#: met less often; a soak drives them, too
RARE = {
    "read": Dialog((call("Read", file_path="{o}/outside-{n}"),), told("text of {n}")),
    "write outside": Dialog(
        (call("Write", file_path="{o}/new-{n}", content="alpha\n"),),
        lambda stage, number: (stage.project.parent / f"new-{number}").exists(),
    ),
    "search": Dialog((call("WebSearch", query="weather-{n}"),), told("weather-{n}")),
    "subagent": Dialog(
        (
            call(
                "Agent",
                description="look",
                prompt=call("Bash", command="touch made-{n}"),
                subagent_type="general-purpose",
            ),
        ),
        made,
        "touch made-{n}",
    ),
}


def fill(text: str, stage: Stage, number: str) -> str:
    """A script with its number, its project and the folder around that."""
    return text.replace("{n}", number).replace("{p}", str(stage.project)).replace("{o}", str(stage.project.parent))


@pytest.fixture
def stage(lab: Lab, place: str) -> Iterator[Stage]:
    """A project in which nobody but the screen asks: hooks do not wait for a master."""
    with Stage(lab, place) as found:
        folder = found.project / ".claude"
        folder.mkdir(exist_ok=True)
        (folder / "intercom.toml").write_text("[permissions]\nwait = 0\n")
        yield found


def asks(stage: Stage, name: str = "worker-1", *, whole: bool = False) -> Observation:
    """The worker once it shows a dialog, and the same one a moment later: that of an edit comes up before its text."""

    def look() -> Observation | None:
        seen = stage.look(name)
        if seen.dialog is None or not seen.dialog.choices or (whole and not seen.dialog.whole):
            return None
        time.sleep(0.3)
        again = stage.look(name)
        return again if again.dialog == seen.dialog else None

    try:
        return until(look, 30)
    except AssertionError:
        raise AssertionError(f"{stage.look(name)}\n{stage.screen(name)}") from None


def rest(stage: Stage) -> None:
    """Until the worker has read all and waits."""
    try:
        until(lambda: stage.state("worker-1") in ("ready", "idle") and not stage.crew.bus.unread("worker-1"), 30)
        until(lambda: stage.crew.sessions.waiter("worker-1"), 10)
    except AssertionError:
        raise AssertionError(f"{stage.look('worker-1')}\n{stage.screen('worker-1')}") from None


def session_of(stage: Stage) -> Session:
    """The worker, as a person sits before it."""
    row = stage.crew.sessions.get("worker-1")
    assert row is not None
    assert row.pane is not None
    return Session(stage.lab, row.pane, stage.home, stage.project)


def mode(stage: Stage) -> str:
    """The permission mode that its screen tells."""
    screen = stage.look("worker-1").screen
    return screen.mode if screen is not None else ""


@pytest.mark.every_version
@pytest.mark.parametrize("kinds", ["common", "rare"] if SOAK else ["common"])
def test_every_dialog_by_keys(stage: Stage, kinds: str) -> None:
    """Shown whole, with its subject; another subject decides nothing; allowed it is done, denied it is not."""
    (stage.project / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"team1": {"command": sys.executable, "args": [str(SERVER)]}}})
    )
    (stage.project / ".claude" / "settings.local.json").write_text('{"enableAllProjectMcpServers":true}')
    stage.spawn(perm_mode="default")
    for turn in range(ROUNDS):
        for kind, dialog in (DIALOGS if kinds == "common" else RARE).items():
            for decision in ("deny", "allow"):
                number = f"{kind}-{decision}-{turn}".replace(" ", "-")
                (stage.project.parent / f"outside-{number}").write_text(f"text of {number}\n")
                stage.assign("worker-1", fill("\n".join(dialog.script), stage, number))
                seen = asks(stage, whole=True)
                assert seen.dialog is not None
                if dialog.subject:
                    assert seen.dialog.subject == fill(dialog.subject, stage, number)
                with pytest.raises(Refused, match="something other than"):
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


def test_two_who_answer_the_same_dialog(stage: Stage) -> None:
    """Behind it stands another at once, and a digit acts there from its first moment on: only one of them presses."""
    stage.spawn(perm_mode="default")
    for turn in range(ROUNDS):
        calls = [call("Bash", command=f"touch {name}-{turn}", description="Make it") for name in ("first", "made")]
        stage.assign("worker-1", "\n".join(calls))
        seen = asks(stage)
        assert seen.dialog is not None
        assert seen.dialog.subject == f"touch first-{turn}"
        said: list[str] = []

        def answer(subject: str = seen.dialog.subject, said: list[str] = said) -> None:
            with stage.crew.again() as crew:
                try:
                    done = approve(crew, "worker-1", by="master", decision="allow", expect=subject, timeout=5)
                    said.append(f"answered: {done.answered}")
                except Refused as error:
                    said.append(str(error))

        both = [threading.Thread(target=answer) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert sorted(one == "answered: True" for one in said) == [False, True], said
        until((stage.project / f"first-{turn}").exists)
        after = asks(stage)
        assert after.dialog is not None
        assert after.dialog.subject == f"touch made-{turn}"
        approve(stage.crew, "worker-1", by="master", decision="deny", expect=after.dialog.subject, timeout=10)
        rest(stage)
        assert not made(stage, str(turn))


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


def enter(stage: Stage, script: str) -> None:
    """Start a worker by a script that stands for its command, and do not wait for it."""
    wrapper = stage.project.parent / "command"
    wrapper.write_text(f"#!/bin/sh\n{script}\n")
    wrapper.chmod(0o755)
    plan = workers.Plan(1, wake=False, perm_mode="default", claude_cmd=f"'{wrapper}'")
    launch(stage.crew, plan, tickets(stage.crew, plan)[0], stage.project, by="master")


@pytest.mark.every_version
@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("decision", ["allow", "deny"])
@pytest.mark.parametrize("door", DOORS)
def test_doors(stage: Stage, door: str, decision: str, turn: int) -> None:
    """A dialog before the first prompt, whatever its choices look like: through it, or out."""
    known = stage.home / ".claude.json"
    state = json.loads(known.read_text())
    if door == "trust":
        state["projects"] = {}
    if door == "api_key":
        del state["customApiKeyResponses"]
    known.write_text(json.dumps(state))
    enter(stage, DOORS[door])
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


_TALL = places.asks(f'%tool Bash {{"command":"{TALL}","description":"Many lines"}}')
_PERSONS = {
    **{name: places.PLACES[name] for name in ("question", "elicitation", "plan", "bash-amending")},
    "tall": places.PLACES["bash"]._replace(enter=_TALL),
}


def _left_alone(stage: Stage, decision: str) -> None:
    """What nobody but a person can answer stays as it is, and that is said."""
    until(lambda: stage.look("worker-1").dialog, 30)
    seen = stage.look("worker-1")
    assert seen.dialog is not None
    with pytest.raises(Refused, match="nothing was answered"):
        approve(stage.crew, "worker-1", by="master", decision=decision, expect=seen.dialog.subject or "it", timeout=1)
    after = stage.look("worker-1").dialog
    assert after is not None
    assert after.text == seen.dialog.text


@pytest.mark.skipif(not SOAK, reason="all rounds are for `make soak`")
def test_what_only_a_person_answers(stage: Stage) -> None:
    """Questions, forms, a plan that is to be refused, a command taller than the screen: left alone. A plan goes on."""
    (stage.project / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"team1": {"command": sys.executable, "args": [str(SERVER)]}}})
    )
    (stage.project / ".claude" / "settings.local.json").write_text('{"enableAllProjectMcpServers":true}')
    stage.spawn(perm_mode="default", claude_cmd="claude --allowedTools mcp__team1")
    session = session_of(stage)
    for _ in range(ROUNDS):
        for name, place in _PERSONS.items():
            rest(stage)
            place.enter(session)
            for decision in ("deny",) if name == "plan" else ("allow",) if name == "bash-amending" else DECISIONS:
                _left_alone(stage, decision)
            if name == "plan":
                seen = asks(stage)
                assert seen.dialog is not None
                done = approve(
                    stage.crew, "worker-1", by="master", decision="allow", expect=seen.dialog.subject, timeout=10
                )
                assert (done.answered, done.how) == (True, "keys"), done
                until(lambda: mode(stage) == "default")
            else:
                place.leave(session)
            assert not (stage.project / "made").exists()


#: dialogs of a first start that have no plain yes, or neither -> (what leads there, whether a no is plain)
RARE_DOORS = {
    "mcp-many": ('echo \'{"mcpServers":{"a":{"command":"true"},"b":{"command":"true"}}}\' > .mcp.json', True),
    "auto_offer": ('set --; echo \'{"permissions":{"defaultMode":"acceptEdits"}}\' > ~/.claude/settings.json', True),
    "theme": ("true", False),
    "settings": (f"echo '{SETTINGS}' > ~/.claude/settings.json", False),
}


@pytest.mark.skipif(not SOAK, reason="all rounds are for `make soak`")
@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("door", RARE_DOORS)
def test_rare_doors(lab: Lab, stage: Stage, door: str, turn: int) -> None:
    """No yes is made up: it stays until a person answers; where a no is plain, that is taken."""
    if door == "auto_offer" and lab.version == str(OLDEST):
        pytest.skip("it makes no such offer")
    script, plain = RARE_DOORS[door]
    if door == "theme":
        known = stage.home / ".claude.json"
        known.write_text(json.dumps({"customApiKeyResponses": json.loads(known.read_text())["customApiKeyResponses"]}))
    enter(stage, f'{script}\nexec claude "$@"')
    _left_alone(stage, "allow")
    if not plain:
        _left_alone(stage, "deny")
        return
    seen = asks(stage)
    assert seen.dialog is not None
    done = approve(stage.crew, "worker-1", by="master", decision="deny", expect=seen.dialog.subject or None, timeout=10)
    assert (done.answered, done.how, done.note) == (True, "keys", None), done
    until(lambda: stage.look("worker-1").screen.state in ("ready", "idle"), 20)  # type: ignore[union-attr]
    if door == "auto_offer":
        assert mode(stage) == "acceptEdits"


@pytest.mark.skipif(not SOAK, reason="all rounds are for `make soak`")
def test_a_held_message(lab: Lab, stage: Stage) -> None:
    """Another session's word that waits for a person: nobody lets it through; it is denied where that is asked."""
    if lab.version == str(OLDEST):
        pytest.skip("it holds none")
    stage.spawn(perm_mode="bypassPermissions")
    for _ in range(ROUNDS):
        held(session_of(stage))
        _left_alone(stage, "allow")
        done = approve(stage.crew, "worker-1", by="master", decision="deny", expect="run this please", timeout=10)
        assert (done.answered, done.how, done.note) == (True, "keys", None), done
        rest(stage)
        assert not stage.asked("run this please")


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
        history = stage.crew.bus.history  # whoever sees that it is gone closes it first, and says so then
        said = until(lambda: [one for one in history(thread=request.id) if one.type != "question"])  # noqa: B023
        by = "user" if how == "approve" else "worker-1"
        assert [(one.sender, "master" in one.to) for one in said] == [(by, True)]
        assert ("worker-1" in said[0].to) == (how == "approve")
        again = approve(stage.crew, "worker-1", by="user", decision="deny", expect="x", timeout=0)
        assert (again.answered, "nothing is asked" in str(again.note)) == (False, True), again
        assert not (stage.project / f"made-{how}").exists()
    assert not stage.faults()
