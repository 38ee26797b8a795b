"""One folder under several machine names: each has a live log of its own, and nothing is lost between them."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core import config
from tests.killing import dies
from tests.people_kit import append, bodies, by_hand


def _send(root: Path, machine: str, body: str) -> None:
    with Bus.open(root, machine=machine) as bus:
        bus.send("roo", body, sender="user", via="cli")


def _bodies(root: Path, machine: str) -> list[str]:
    with Bus.open(root, machine=machine) as bus:
        return bodies(bus.history())


def test_what_one_name_sent_is_not_deleted_by_the_other(project: Path) -> None:
    """A log that never held a message is no proof that somebody deleted it."""
    for n in range(3):
        _send(project, "one", f"m{n}")
    assert _bodies(project, "two") == ["m0", "m1", "m2"]
    _send(project, "two", "m3")
    _send(project, "one", "m4")
    _send(project, "two", "m5")
    everything = [f"m{n}" for n in range(6)]
    for machine in ("two", "one", "two"):
        with Bus.open(project, machine=machine) as bus:
            assert bodies(bus.history()) == everything
            assert bus.missing() == []
            assert bus.notices == []
    with Bus.open(project, machine="two") as bus:
        assert bodies(bus.read("roo")) == everything
    with Bus.open(project, machine="one") as bus:
        assert bus.read("roo") == []


def test_what_a_person_deletes_stays_deleted(project: Path) -> None:
    """Also where the log is used under another name afterwards."""
    for n in range(9):
        _send(project, "one", f"m{n}")
    with Bus.open(project, machine="one") as bus:
        assert len(bus.read("roo")) == 9
        text = bus.config.log.read_text(encoding="utf-8")
        start = text.index("## ", text.index("\nm3\n"))
        bus.config.log.write_text(text[:start] + text[text.index("## ", start + 3) :], encoding="utf-8")
        left = [f"m{n}" for n in range(9) if n != 4]
        assert bodies(bus.history()) == left
    for machine in ("two", "one"):
        assert _bodies(project, machine) == left


@pytest.mark.parametrize("seed", range(12))
def test_names_in_any_order(project: Path, seed: int) -> None:
    """Sends, hand-written messages, looks, reads and compactions under three names: each message comes once."""
    rng, wanted, got = random.Random(seed), [], Counter[str]()
    with Bus.open(project, machine="one") as bus:
        bus.add_agents(["roo"])
    for n in range(60):
        with Bus.open(project, machine=rng.choice(["one", "two", "six"])) as bus:
            act = rng.choice(["send", "send", "send", "hand", "look", "read", "compact"])
            if act == "send":
                wanted.append(f"sent {n}")
                bus.send("roo", wanted[-1], sender="user", via="cli")
            elif act == "hand" and bus.config.log.exists():
                wanted.append(f"typed {n}")
                append(bus.config.log, by_hand(wanted[-1], stamp=f"2026-01-12 10:00:{n:02}"))
            elif act == "look":
                bus.history()
            elif act == "read":
                got.update(bodies(bus.read("roo")))
            elif act == "compact":
                bus.compact(rng.choice([0, 2, 5]))
    for machine in ("two", "one", "six", "two"):
        with Bus.open(project, machine=machine) as bus:
            got.update(bodies(bus.read("roo")))
            assert [body for body in got if got[body] > 1] == []
            assert set(wanted) == set(bodies(bus.history()))
            assert bus.missing() == []
    assert got == Counter(wanted)
    with Bus.open(project, machine="one") as bus:
        bus.rebuild()
        assert Counter(bodies(bus.history())) == Counter(wanted)
        assert bus.read("roo") == []


def _look(root: str) -> None:
    with Bus.open(root, machine="two") as bus:
        bus.history()


@pytest.mark.slow
def test_a_look_under_another_name_can_be_killed(project: Path, tmp_path: Path) -> None:
    """kill -9 before any call of it: nothing is lost, nothing comes twice, in either log."""
    for n in range(4):
        _send(project, "one", f"m{n}")
    _look(str(project))
    _send(project, "two", "m4")
    _send(project, "one", "m5")
    _send(project, "two", "m6")
    step, more = 0, True
    while more:
        step += 1
        root = tmp_path / f"{step}"
        shutil.copytree(project, root)
        more = dies(_look, root, step)
        for machine in ("two", "one"):
            assert _bodies(root, machine) == [f"m{n}" for n in range(7)], step
        _send(root, "two", "m7")
        with Bus.open(root, machine="one") as bus:
            assert bodies(bus.read("roo")) == [f"m{n}" for n in range(8)]
            assert bus.missing() == []
    assert step > 3


def test_a_host_that_is_renamed_keeps_its_log(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As laptops are by networks: the first name stays, and everything comes once."""
    monkeypatch.delenv("INTERCOM_MACHINE")
    for name in ("home", "office", "home"):
        monkeypatch.setattr(config, "_host_name", lambda name=name: name)
        with Bus.open(project) as bus:
            bus.send("roo", name, sender="user", via="cli")
            bus.history()
    with Bus.open(project) as bus:
        assert bodies(bus.read("roo")) == ["home", "office", "home"]
        assert bus.notices == []
    assert [path.name for path in project.glob(".claude/local/*.md")] == ["INTERCOM-home.md"]
