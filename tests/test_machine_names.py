"""One folder under several machine names: each has a live log of its own, and nothing is lost between them."""

from __future__ import annotations

import os
import random
import re
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


def _page(bus: Bus) -> str:
    return bus.config.log.read_text(encoding="utf-8")


def _save(bus: Bus, text: str) -> None:
    bus.config.log.write_text(text, encoding="utf-8")
    os.utime(bus.config.log, (1, 1))


class _Days:
    """What people and tools do under three names: how each message ends up, what is deleted, what was given."""

    NAMES = ("one", "two", "six")
    DO = ("send", "send", "send", "type", "look", "read", "compact", "edit", "edit", "delete", "restore")

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.texts: dict[str, str] = {}  #: by first word
        self.gone: set[str] = set()
        self.given = Counter[str]()  #: first words

    def step(self, bus: Bus, n: int) -> None:
        """Do one thing."""
        act = self._draw.choice(self.DO)
        text = f"m{n} as it was said"
        if act == "send":
            self.texts[f"m{n}"] = text
            bus.send("roo", text, sender="user", via="cli")
        elif act == "type" and bus.config.log.exists():
            self.texts[f"m{n}"] = text
            append(bus.config.log, by_hand(text, stamp=f"2026-01-12 10:00:{n:02}"))
        elif act == "read":
            self.given.update(body.split()[0] for body in bodies(bus.read("roo")))
        elif act == "compact":
            bus.compact(self._draw.choice([0, 2, 5]))
        elif act == "restore":
            bus.restore()
            self.gone.clear()
        elif act == "delete" and (found := [one for one in bus.history() if one.file == bus.config.log.name]):
            one = self._draw.choice(found)
            bus.delete(one.id)
            self.gone.add(one.body.split()[0])
        elif act == "edit":
            bus.history()
            self._edit(bus, n)
        bus.history()

    def _edit(self, bus: Bus, n: int) -> None:
        page = _page(bus) if bus.config.log.exists() else ""
        if found := re.findall(r"(?m)^m\d+ [^\n]*", page):
            before = self._draw.choice(found)
            self.texts[before.split()[0]] = after = f"{before}, {n}"
            _save(bus, page.replace(f"\n{before}\n", f"\n{after}\n"))


@pytest.mark.parametrize("seed", range(12))
def test_names_in_any_order(project: Path, seed: int) -> None:
    """Whatever is done under three names: each message comes once, and is what it became, under all of them."""
    days = _Days(seed)
    with Bus.open(project, machine="one") as bus:
        bus.add_agents(["roo"])
    for n in range(60):
        with Bus.open(project, machine=random.Random(f"{seed} {n}").choice(days.NAMES)) as bus:
            days.step(bus, n)
    sizes, told = [], Counter[str]()
    for machine in days.NAMES * 3:
        with Bus.open(project, machine=machine) as bus:
            told = Counter(bodies(bus.history()))
            sizes.append(sum(path.stat().st_size for path in bus.config.archive.glob("INTERCOM-*.md")))
            if len(sizes) > len(days.NAMES):
                assert told == Counter(text for name, text in days.texts.items() if name not in days.gone)
                assert {one.body.split()[0] for one in bus.missing()} == days.gone
    assert len({*sizes[len(days.NAMES) :]}) == 1  # nothing is noted again and again
    with Bus.open(project, machine="two") as bus:
        days.given.update(body.split()[0] for body in bodies(bus.read("roo")))
        assert [name for name in days.given if days.given[name] > 1] == []
        assert set(days.texts) - days.gone <= set(days.given)
    with Bus.open(project, machine="one") as bus:
        bus.rebuild()
        assert Counter(bodies(bus.history())) == told
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


def _block(bus: Bus, body: str) -> str:
    """The block of the message on the page that begins with this text."""
    return next(block for block in re.split(r"(?m)^(?=## \[)", _page(bus)) if f"\n{body}" in block)


@pytest.mark.parametrize("writer", ["a tool", "a person"])
@pytest.mark.parametrize(
    ("act", "beside"),
    [
        ("edit", False),
        ("edit", True),
        ("delete", True),
        ("delete by name", False),
        ("edit twice", False),
        ("edit and undo", False),
        ("delete and restore", False),
    ],
)
def test_what_became_of_a_message_holds_under_every_name(project: Path, writer: str, act: str, beside: bool) -> None:
    """Another name's page, which nobody touched there, follows; no look takes back what was done under the first."""
    with Bus.open(project, machine="one") as one, Bus.open(project, machine="two") as two:
        one.add_agents(["roo"])
        for n in range(9):
            one.send("roo", f"m{n}", sender="user", via="cli")
        if writer == "a person":
            append(one.config.log, by_hand("m9", stamp="2026-01-12 10:00:09"))
            os.utime(one.config.log, (1, 1))
            one.history()
            one.send("roo", "m10", sender="user", via="cli")
        name = "m9" if writer == "a person" else "m5"
        assert len(one.read("roo")) == len(two.history()) == len(one.history())
        ident = next(message.id for message in one.history() if message.body == name)
        before, left = _page(one), [f"m{n}" for n in range(11 if writer == "a person" else 9)]
        texts = {"delete": "", "delete by name": "", "edit": f"{name}, better", "edit twice": f"{name}, best"}
        last = texts.get(act, name)
        if act == "delete by name":
            one.delete(ident)
        elif "delete" in act:
            _save(one, before.replace(_block(one, name), ""))
        else:
            _save(one, before.replace(f"\n{name}\n", f"\n{name}, better\n"))
        if beside:
            append(two.config.log, by_hand("beside", stamp="2026-01-12 10:00:59"))
            os.utime(two.config.log, (1, 1))
        one.history()
        if act in {"edit twice", "edit and undo"}:
            two.history()
            _save(one, _page(one).replace(f"\n{name}, better\n", f"\n{last}\n"))
        elif act == "delete and restore":
            two.history()
            one.restore(ident)
        wanted = Counter([last if body == name else body for body in left if body != name or last])
        wanted.update(["beside"] * beside)
        archive = one.config.archive / "INTERCOM-one-000001.md"
        sizes = set()
        assert [Counter(bodies(bus.history())) for bus in (one, two)] == [wanted] * 2
        for bus in (one, two, one, two):
            assert Counter(bodies(bus.history())) == wanted
            assert {body for body in wanted if f"\n{body}\n" not in _page(bus)} == set()
            assert (f"\n{name}\n" in _page(bus)) == (last == name)
            sizes.add(archive.stat().st_size)
        assert len(sizes) < 3  # nothing is noted again and again
        assert bodies(two.read("roo")) == ["beside"] * beside
        assert two.notices == []


def test_a_secret_is_destroyed_on_every_page_and_takes_nobody_elses_words_along(project: Path) -> None:
    """Another message may hold a line of the secret: on the page of another name it stays as it is, too."""
    line = "the tests are green again"
    with Bus.open(project, machine="one") as one, Bus.open(project, machine="two") as two:
        secret = one.send("roo", f"the key is hunter2\n{line}", sender="user", via="cli")
        one.send("roo", f"so\n{line}", sender="user", via="cli")
        two.history()
        append(two.config.log, by_hand(f"and so\n{line}"))
        one.redact(secret.id)
        assert "hunter2" not in _page(one) + _page(two)
        wanted = [f"so\n{line}", f"and so\n{line}"]
        for bus in (one, two, one):
            assert bodies(bus.history())[1:] == wanted
            assert bus.notices == []
        assert _page(two).count(line) == _page(one).count(line) == 2


def test_what_is_written_on_another_names_page_is_in_the_ledger_before_it_is_read(project: Path) -> None:
    """Nothing else keeps it: that page is not synced, and may be deleted."""
    for machine in ("one", "two"):
        _send(project, machine, machine)
    with Bus.open(project, machine="one") as bus:
        bus.history()
        page = bus.config.under("two").log
        append(page, by_hand("by hand"))
        assert "by hand" in bodies(bus.read("roo"))
        page.unlink()
        assert "by hand" in bodies(bus.history())
    assert "by hand" in _bodies(project, "two")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in a Windows folder")
@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", None)])
def test_what_is_no_file_where_another_names_page_was_is_named_and_stops_nobody(project: Path, make: object) -> None:
    """Under this name everything goes on; the page is asked for when its own name is used."""
    for machine in ("two", "one"):
        _send(project, machine, machine)
    page = config.load(project, machine="two").log
    page.unlink()
    assert callable(make)
    make(page)
    with Bus.open(project, machine="one") as bus:
        assert bodies(bus.read("roo")) == ["two", "one"]
        assert ["INTERCOM-two.md is not read" in one for one in bus.notices] == [True]


def test_a_copy_of_another_names_page_is_ours(project: Path) -> None:
    """What a person wrote there is that person's word here, not another machine's."""
    for machine in ("two", "one"):
        _send(project, machine, machine)
    page = config.load(project, machine="two").log
    copy = page.with_name("INTERCOM-two.sync-conflict-20260112-100000-ABCDEFG.md")
    copy.write_bytes(page.read_bytes() + by_hand("by hand").encode())
    os.utime(copy, (1, 1))
    for machine in ("one", "two"):
        with Bus.open(project, machine=machine) as bus:
            [found] = [one for one in bus.history() if one.body == "by hand"]
            assert (found.sender, found.via) == ("user", "hand")


def test_a_name_that_comes_into_use_under_an_open_bus_is_ours(project: Path) -> None:
    """Its page is there before its base is; until then it passes for another machine's."""
    with Bus.open(project, machine="one") as bus:
        bus.send("roo", "one", sender="user", via="cli")
        page = bus.config.under("two").log
        page.write_text("# Notes\n\n", encoding="utf-8")
        os.utime(page, (1, 1))
        assert bodies(bus.history()) == _bodies(project, "two") == ["one"]
        append(page, by_hand("ours", stamp="2026-01-12 10:00:01"))
        assert {one.body: one.sender for one in bus.history()}["ours"] == "user"
