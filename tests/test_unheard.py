"""What people write and nobody gets is said once, counted until it is put right, and delivered once when it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.bus import freshness
from intercom.cli import main
from intercom.core.message import Message
from intercom.format import parse, render
from intercom.format.near import near_misses
from intercom.format.record import seal
from intercom.format.roster import Roster
from intercom.repair import reread, unheard
from intercom.store.state import known
from tests.people_kit import append, bodies, by_hand, said
from tests.server_client import BareClient
from tests.strategies import logs, messages

T = "2026-06-05 08:34"


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus with a master and a worker, who asked something."""
    with Bus.open(project) as found:
        found.add_agents(["claude-code", "roo"])
        found.register("master")
        found.register("worker", "worker-1")
        found.send("master", "Which branch?", sender="worker-1", type="question")
        found.read("master")
        yield found


#: What is written, what of it is put right, and whose it is then.
MISSES = {
    "a misspelt recipient": (f"## [{T}] user -> mastre [ASK]\n\nstop\n", "mastre", "master", "master"),
    "a name that nobody bears": (f"## [{T}] user -> zaphod [ASK]\n\nstop\n", "zaphod", "roo", "roo"),
    "one of two": (f"## [{T}] user -> master, wroker-1\n\nstop\n", "wroker-1", "worker-1", "worker-1"),
    "a mention": ("@mastre please stop\n", "@mastre", "@master", "master"),
    "an answer without a name": ("ok do it\n", "ok do it", "@worker-1 ok do it", "worker-1"),
    "a quoted answer": ("> Which branch?\n\nhealth\n", "> Which branch?", "@worker-1 health", "worker-1"),
    "a line with a misspelt name": ("[14:32] roo -> mastre: done\n", "mastre", "master", "master"),
    "a line from nobody": ("[2026-06-05 08:34] zaphod to master: hi\n", "zaphod", "roo", "master"),
    "a list item": ("- [14:32] roo -> mastre: done\n", "mastre", "master", "master"),
    "a date of another country": (
        "[06-05-2026 08:34] roo -> master: hi\n",
        "06-05-2026 08:34",
        "08:34",
        "master",
    ),
    "a date in words": ("[le 5 juin 2026 08:34] roo -> master: hi\n", "le 5 juin 2026 08:34", "08:34", "master"),
    "a type before the names": ("[ASK] roo -> master: hi\n", "[ASK] ", "", "master"),
    "a time and a type before the names": ("[14:32] [ASK] roo -> master: hi\n", "[ASK] ", "", "master"),
    "signs": ("§ roo → master: hi\n", "§ ", "", "master"),
    "an arrow to the left": ("master ← roo: hi\n", "master ← roo", "roo → master", "master"),
    "as in a letter": ("From: roo To: master\n\nhi\n", "From: roo To: master", "roo → master:", "master"),
    "in words": ("Message from roo to master: hi\n", "Message from roo to master:", "roo → master:", "master"),
    "two words": ("mastre -> roo: hello\n", "mastre", "master", "roo"),
}


@pytest.mark.parametrize("name", MISSES)
def test_a_near_miss_is_said_once_and_put_right(bus: Bus, name: str) -> None:
    """Said in the log to `user`, with what to write; counted; once it is put right it is delivered, once."""
    text, wrong, right, reader = MISSES[name]
    log = bus.config.log
    append(log, text)
    before = len(bus.read(reader))
    [notice] = bus.read("user")
    assert notice.sender == "system"
    assert text.partition("\n")[0].strip() in notice.body
    assert len(bus.status().unheard) == 1
    assert "reaches nobody" in bus.status().warnings[-1]
    bus.rebuild()
    append(log, by_hand("something else", stamp="2026-06-05 09:00:00"))
    assert bus.read("user") == []
    assert len(bus.status().unheard) == 1
    written = log.read_text(encoding="utf-8")
    log.write_text(written.replace(wrong, right, 1), encoding="utf-8")
    found = [message for message in bus.read(reader) if "something else" not in message.body]
    assert [message.via for message in found] == ["hand"]
    assert before in {0, 1}
    assert bus.read(reader) == []
    assert bus.status().unheard == []
    assert bus.read("user") == []
    known = [(message.id, message.body, message.at) for message in bus.history()]
    bus.rebuild()
    assert [(message.id, message.body, message.at) for message in bus.history()] == known


@pytest.mark.parametrize(
    "text", [f"## [{T}] user -> worker-2\n\ngo\n", "[14:32] user to worker-2: go\n", "@worker2 go\n"]
)
def test_a_name_comes(bus: Bus, text: str) -> None:
    """What was for a name that nobody bore is delivered when somebody takes it, once, and counts no more."""
    append(bus.config.log, text)
    assert bus.read("master") == []
    assert len(bus.status().unheard) == 1
    bus.register("worker", "worker-2")
    assert bodies(bus.read("worker-2")) == ["go"]
    assert bus.read("worker-2") == []
    assert bus.status().unheard == []
    before = [(message.id, message.seq, message.body) for message in bus.history()]
    bus.rebuild()
    assert [(message.id, message.seq, message.body) for message in bus.history()] == before
    append(bus.config.log, "@worker2 and on\n")
    assert bodies(bus.read("worker-2")) == ["and on"]


@pytest.mark.parametrize("text", ["## [{T}] user -> {to}\n\ngo\n", "[14:32] user to {to}: go\n", "@{to} go\n"])
def test_a_name_at_a_machine_that_is_not_here(bus: Bus, text: str) -> None:
    """Whoever writes `worker-1@nowhere` is told what to write instead."""
    append(bus.config.log, text.format(T=f"{T}:00", to="worker-1@nowhere"))
    [notice] = bus.read("user")
    assert "worker-1@nowhere" in notice.body
    [found] = bus.status().unheard
    assert "worker-1@nowhere" in found.line
    assert "worker-1" in found.instead
    assert "worker-1@nowhere" not in found.instead
    page = bus.config.log.read_text(encoding="utf-8")
    bus.config.log.write_text(page.replace("worker-1@nowhere", "worker-1", 1), encoding="utf-8")
    assert bodies(bus.read("worker-1")) == ["go"]
    assert bus.status().unheard == []
    assert bus.read("user") == []
    bus.config.folder.joinpath("INTERCOM-far.md").write_text(by_hand("x"), encoding="utf-8")
    append(bus.config.log, by_hand("go", to="worker-1@far"))
    assert bus.status().unheard == []


def test_more_is_added_below_a_near_miss(bus: Bus) -> None:
    """Another paragraph, later, is another answer; a text of several that came at once is one."""
    append(bus.config.log, "ok do it\n\nbut slowly\n")
    assert ["ok do it" in one.body for one in bus.read("user")] == [True]
    for _ in range(2):
        text = bus.config.log.read_text(encoding="utf-8").replace("but slowly\n", "but slowly\n\nand stop\n", 1)
        bus.config.log.write_text(text, encoding="utf-8")
        assert ["and stop" in one.body for one in bus.read("user")] == [True]
    assert [one.line for one in bus.status().unheard] == ["ok do it", "and stop", "and stop"]
    append(bus.config.log, by_hand("something else", stamp="2026-06-05 09:00:00"))
    assert bus.read("user") == []


@pytest.mark.parametrize(
    "text",
    [
        "## [{T}:00] user -> worker-1@testbox\n\ngo\n",
        "## [{T}:00] user → roo, Worker 1@TestBox\n\ngo\n",
        "[14:32] user to worker-1@testbox: go\n",
        "@worker-1@testbox go\n",
        "@roo and @worker-1@testbox: go\n",
    ],
)
def test_a_name_at_this_machine(bus: Bus, text: str) -> None:
    """Is that name: delivered once, and as it was written by hand."""
    append(bus.config.log, text.format(T=T))
    [message] = bus.read("worker-1")
    assert (message.body, message.via) == ("go", "hand")
    assert bus.read("worker-1") == []
    assert bus.status().unheard == []
    assert bus.read("user") == []
    before = bus.config.log.read_bytes()
    bus.rebuild()
    assert bus.read("worker-1") == []
    assert (bus.config.log.read_bytes(), len(bus.history())) == (before, 2)
    bus.redact(message.id)
    assert bus.read("worker-1") == []


def test_a_name_at_this_machine_from_before_it_was_known(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier version took for nobody's comes with the next look, once."""
    names = known.roster
    with monkeypatch.context() as patch:
        for module in (known, reread, unheard, freshness):
            patch.setattr(module, "roster", lambda *about: Roster(names(*about).people))
        append(bus.config.log, f"## [{T}:00] user → worker-1@testbox\n\ngo\n")
        assert bus.read("worker-1") == []
    with Bus.open(bus.config.root) as again:
        append(bus.config.log, f"## [{T}:01] user → roo\n\nnow\n")
        assert bodies(again.read("worker-1")) == ["go"]
        assert again.read("worker-1") == []
        told = [one.body for one in again.history()]
        assert (told.count("go"), told.count("now")) == (1, 1)


def test_nobody_speaks_in_anothers_name_by_a_machine(bus: Bus) -> None:
    """A sender at this machine by hand is by hand, and no order."""
    append(bus.config.log, f"## [{T}:00] master@testbox → worker-1@testbox [TASK]\n\n```task\ngoal: x\n```\n")
    [message] = bus.read("worker-1")
    assert message.via == "hand"


def test_a_name_of_the_settings_comes(bus: Bus) -> None:
    """As one that is named with `init`, or in the log's front matter."""
    append(bus.config.log, "[14:32] user to gemini: go\n\n[14:33] user to qwen: go\n")
    assert len(bus.status().unheard) == 2
    bus.add_agents(["gemini"])
    assert [text[:3] for text in bodies(bus.read("gemini"))] == ["go\n"]
    text = bus.config.log.read_text(encoding="utf-8").replace("agents:\n", "agents:\n- qwen\n", 1)
    bus.config.log.write_text(text.replace("agents: []\n", "agents:\n- qwen\n", 1), encoding="utf-8")
    assert bodies(bus.read("qwen")) == ["go"]
    assert bus.status().unheard == []


def test_everything_without_notice(bus: Bus) -> None:
    """Prose, messages that arrive, rules and Intercom's own notices, edited or not, are never a near miss."""
    append(bus.config.log, by_hand("codex and roo\n\n- a -> b\n- v1 → v2\n\n## [1.2.0] - 2024-01-01\n\n| a | b |"))
    append(bus.config.log, "@worker-1 go on\n\nwith that\n\n---\n")
    append(bus.config.log, by_hand("x", sender="roo", to="all"))
    assert bodies(bus.read("user")) == ["x"]
    assert bus.status().unheard == []
    append(bus.config.log, "@mastre stop\n")
    [notice] = bus.read("user")
    text = bus.config.log.read_text(encoding="utf-8")
    for changed in (text.replace("nobody gets", "Nobody gets"), text.replace(notice.body, f"{notice.body}\n\nmore")):
        bus.config.log.write_text(changed, encoding="utf-8")
        assert bus.read("user") == []
        assert len(bus.status().unheard) == 1


def test_an_answer_below_a_message_by_hand(bus: Bus) -> None:
    """Below the closing rule of what another wrote by hand it reads as a part of that: said once, until it is gone."""
    append(bus.config.log, by_hand("Which one?", sender="roo", to="worker-1"))
    append(bus.config.log, by_hand("mine", to="worker-1", stamp="2026-06-05 09:00:00"))
    assert bodies(bus.read("worker-1")) == ["Which one?", "mine"]
    text = bus.config.log.read_text(encoding="utf-8")
    changed = text.replace("Which one?\n\n---\n", "Which one?\n\n---\n\nok do it\n")
    bus.config.log.write_text(f"{changed}PS: soon\n", encoding="utf-8")
    assert bus.read("worker-1") == []
    [notice] = bus.read("user")
    assert "ok do it" in notice.body
    assert [one.instead for one in bus.status().unheard] == ["@roo ok do it"]
    append(bus.config.log, by_hand("more", stamp="2026-06-05 09:00:01"))
    assert bus.read("user") == []
    assert len(bus.status().unheard) == 1
    text = bus.config.log.read_text(encoding="utf-8").replace("\nok do it", "\n@roo ok do it", 1)
    bus.config.log.write_text(text, encoding="utf-8")
    assert sorted(bodies(bus.read("roo"))) == ["more", "ok do it"]
    assert bus.status().unheard == []


def test_a_text_right_after_the_name(bus: Bus) -> None:
    """`→ master stop now` names nobody: what is meant is said, also where nothing stands below and it waits."""
    append(bus.config.log, f"## [{T}] roo -> master stop now\n")
    assert bus.status().unheard == []  # somebody may still be writing
    os.utime(bus.config.log, (1, 1))
    [found] = bus.status().unheard
    assert (found.instead, bus.read("user")) == (f"## [{T}] roo → master: stop now", [])
    append(bus.config.log, "\nplease\n")
    [notice] = bus.read("user")
    assert f"Write instead: ## [{T}] roo → master: stop now" in notice.body
    text = bus.config.log.read_text(encoding="utf-8").replace("-> master stop now", "-> master: stop now", 1)
    bus.config.log.write_text(text, encoding="utf-8")
    assert bodies(bus.read("master")) == ["stop now\n\nplease"]
    assert bus.status().unheard == []


def test_a_phantoms_text_is_edited(bus: Bus) -> None:
    """That nobody gets it was said; another text of it is not said again."""
    append(bus.config.log, by_hand("hello", to="mastre"))
    assert len(bus.read("user")) == 1
    text = bus.config.log.read_text(encoding="utf-8")
    bus.config.log.write_text(text.replace("\nhello\n", "\nhello, you\n", 1), encoding="utf-8")
    assert bus.read("user") == []
    assert len(bus.status().unheard) == 1


def test_a_tools_header_is_corrected_to_nobody(bus: Bus) -> None:
    """A person changes whom a tool's message is for, and misspells it."""
    text = bus.config.log.read_text(encoding="utf-8").replace("worker-1 → master", "worker-1 → mastre", 1)
    bus.config.log.write_text(text, encoding="utf-8")
    [notice] = bus.read("user")
    assert "worker-1 → master [ASK]" in notice.body
    assert len(bus.status().unheard) == 1


def test_many_at_once_are_not_many_notices(bus: Bus) -> None:
    """An old log in which nobody is known: ten are said, the others counted."""
    append(bus.config.log, "".join(by_hand("x", to=f"someone-{n}", stamp=f"{T}:{n:02}") for n in range(30)))
    told = [message for message in bus.read("user") if message.sender == "system"]
    assert len(told) == 11
    assert "20 more" in told[-1].body
    assert len(bus.status().unheard) == 30
    append(bus.config.log, by_hand("y"))
    assert bus.read("user") == []


def test_a_log_from_before(project: Path) -> None:
    """What people wrote before the first tool came is told of as well."""
    with Bus.open(project) as bus:
        bus.config.folder.mkdir(parents=True)
        bus.config.log.write_text(by_hand("hi") + by_hand("ho", to="mastre") + "[14:32] roo -> mastre: x\n")
        assert bodies(bus.read("roo")) == ["hi"]
        assert len(said(bus)) == 2
        assert len(bus.status().unheard) == 2


def test_the_state_is_lost(bus: Bus) -> None:
    """Without it nobody is known: nothing is lost, nothing comes twice, and no notice is said again."""
    append(bus.config.log, "@worker-1 go\n\n@mastre go\n")
    assert bodies(bus.read("worker-1")) == ["go\n\n@mastre go"]
    count = len(bus.history())
    bus.close()
    for path in bus.config.private.glob("*"):
        if path.is_file():
            path.unlink()
    with Bus.open(bus.config.root) as again:
        again.history()
        again.register("master")
        again.register("worker", "worker-1")
        assert len(again.history()) == count
        assert bodies(again.read("worker-1")) == ["go\n\n@mastre go"]
        assert again.read("worker-1") == []


def test_a_compaction_takes_the_message_above(bus: Bus) -> None:
    """What stood under it reaches nobody as before: it counts until it is put right, and no other gets it as a text."""
    append(bus.config.log, "ok do it\n\n```\nmake all\n```\n")
    bus.read("user")
    bus.send("roo", "Which one?", sender="worker-1")
    append(bus.config.log, "@mastre stop\n\nyes\n")
    text = bus.config.log.read_text(encoding="utf-8")
    at = text.rindex("\n## [") + 1
    bus.config.log.write_text(f"{text[:at]}## [{T}] user -> master\n\nhand\n\n{text[at:]}", encoding="utf-8")
    assert bodies(bus.read("master")) == ["hand"]
    assert {one.line for one in bus.status().unheard} == {"ok do it", "@mastre stop"}
    for keep in (3, 1, 0):
        bus.compact(keep)
        assert {one.line for one in bus.status().unheard} == {"ok do it", "@mastre stop"}
        append(bus.config.log, by_hand(f"later {keep}"))
        assert len(bodies(bus.read("roo"))) == 1 + (keep == 3)
        assert bus.edited("master") == []
    assert len(said(bus)) == 2
    text = bus.config.log.read_text(encoding="utf-8").replace("@mastre", "@master").replace("ok do it", "@worker-1 ok")
    bus.config.log.write_text(text, encoding="utf-8")
    assert len(bus.read("worker-1")) == len(bus.read("master")) == 1
    assert bus.status().unheard == []


#: What is written, what puts it right once it is archived (`{id}` is the message's), and who then gets how many.
PAST = {
    "to a misspelt name, written anew": (by_hand("stop", to="mastre"), by_hand("stop", to="master"), ("master", 1)),
    "to a misspelt name, sent anew": (by_hand("stop", to="mastre"), "send master stop --from user", ("master", 1)),
    "to nobody, who comes": (by_hand("stop", to="zaphod"), "zaphod", ("zaphod", 1)),
    "to nobody, deleted": (by_hand("stop", to="zaphod"), "delete {id}", ("master", 0)),
    "a line in a message": (
        f"## [{T}] user -> roo\n\ntext\n\n[14:32] roo -> mastre: done\n\n---\n",
        "[14:32] roo -> master: done\n",
        ("master", 1),
    ),
    "a mention in a message": (f"## [{T}] user -> roo\n\ntext\n\n@mastre stop\n", "@master stop\n", ("master", 1)),
    "under a message by hand": (by_hand("x", sender="roo", to="worker-1"), "@roo ok do it\n", ("roo", 1)),
}


@pytest.mark.parametrize("name", PAST)
def test_what_was_archived_before_anybody_put_it_right(bus: Bus, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, though the page is compacted before the next look, and counts until it is written anew or deleted."""
    text, right, (reader, count) = PAST[name]
    append(bus.config.log, text)
    if name.startswith("under"):
        bus.read("worker-1")
        append(bus.config.log, "ok do it\n")
    bus.compact(0)
    assert len([one for one in bus.read("user") if one.sender == "system"]) == 1
    bus.read("roo")
    (found,) = bus.status().unheard
    assert found.id
    assert f"intercom delete {found.id}" in found.why
    bus.rebuild()
    assert len(bus.status().unheard) == 1
    if right == "zaphod":
        bus.add_agents([right])
    elif right.startswith(("send", "delete")):
        root = ["--root", str(bus.config.root)]
        assert main([*right.format(id=found.id).split(), *root]) == 0, capsys.readouterr()
    else:
        append(bus.config.log, right)
    assert len(bodies(bus.read(reader))) == count
    assert bus.status().unheard == []
    assert len([one for one in bus.read("user") if one.sender == "system"]) == 0


def test_it_is_in_json(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    """`status --json` has each, and a warning."""
    from intercom.cli import main

    append(bus.config.log, "@mastre stop\n")
    assert main(["--root", str(bus.config.root), "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["unheard"][0]["line"] == "@mastre stop"
    assert found["unheard"][0]["instead"] == "@master stop"
    assert "reaches nobody" in found["warnings"][-1]
    assert main(["--root", str(bus.config.root), "status"]) == 0
    assert "@master stop" in capsys.readouterr().out
    main(["--root", str(bus.config.root), "doctor"])
    assert "write instead: @master stop" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["testbox", "other"])
@pytest.mark.parametrize("stamp", ["{DATE}", "14:32", "YYYY-MM-DD HH:MM:SS", "2026-05-15T08:05:00Z"])
def test_a_message_has_one_time_for_ever(project: Path, name: str, stamp: str) -> None:
    """What it says, else when it was first seen, in our log or another's: also when the index was thrown away."""
    with Bus.open(project) as bus:
        bus.config.folder.mkdir(parents=True)
        log = bus.config.folder / f"INTERCOM-{name}.md"
        log.write_text(by_hand("one", stamp=stamp) + by_hand("two", stamp=stamp), encoding="utf-8")
        before = {message.body: message.at for message in bus.history()}
        assert len(before) == 2
        assert all(before.values())
        if stamp.endswith("Z"):
            assert set(before.values()) == {"2026-05-15T08:05:00.000Z"}
            assert bus.history(since="2026-05-15T08:06:00.000Z") == []
        assert len(bus.history(since="2026-05-15T08:04:00.000Z")) == 2
        bus.rebuild()
        assert {message.body: message.at for message in bus.history()} == before
        bus.config.private.joinpath("index2.db").unlink(missing_ok=True)
        append(log, by_hand("three", stamp=stamp))
        found = {message.body: message.at for message in bus.history()}
        assert found.pop("three")
        assert found == before


def test_an_edit_is_told_wherever_a_reader_reads(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command, the tool and a hook's page: once each, in a line, and the message does not come again."""
    from intercom.cli import main
    from intercom.hooks.deliver import unread_page

    with Bus.open(project) as bus, BareClient(project) as client:
        client.call("intercomm_register", role="master")
        bus.add_agents(["roo", "ann"])
        append(bus.config.log, by_hand("How is it going?", to="master, roo, ann", stamp="2026-06-05 08:34"))
        assert len(client.call("intercomm_read")["messages"]) == len(bus.read("roo")) == len(bus.read("ann")) == 1
        text = bus.config.log.read_text(encoding="utf-8").replace("How is it going?", "Stop, wait for me.")
        bus.config.log.write_text(text, encoding="utf-8")
        answer = client.call("intercomm_read")
        assert answer["messages"] == []
        [line] = answer["changed"]
        assert "Stop, wait for me." in line
        assert "changed" not in client.call("intercomm_read")
        page = unread_page(bus, "ann")
        assert "Stop, wait for me." in page
        assert "\n" not in page
        assert unread_page(bus, "ann") == ""
        assert main(["--root", str(project), "read", "--id", "roo"]) == 0
        found = capsys.readouterr().out
        assert "No new messages" in found
        assert "Stop, wait for me." in found
        assert main(["--root", str(project), "read", "--id", "roo"]) == 0
        assert "Stop" not in capsys.readouterr().out
        assert said(bus) == []


def test_a_postscript_in_a_log_of_two_messages(project: Path) -> None:
    """However little else the log holds, it is an edit: no damage, no second message, and who had read is told."""
    with Bus.open(project) as bus:
        log = bus.config.log
        log.parent.mkdir(parents=True)
        log.write_text(by_hand("hi") + by_hand("bye", to="claude-code", stamp="2026-01-12 10:00:09"), encoding="utf-8")
        assert bodies(bus.read("roo")) == ["hi"]
        log.write_text(log.read_text(encoding="utf-8").replace("hi\n", "hi\n\nPS: wait for me\n", 1), encoding="utf-8")
        assert (bus.read("roo"), bodies(bus.edited("roo"))) == ([], ["hi\n\nPS: wait for me"])
        assert (len(bus.history()), said(bus), bus.status().unheard) == (2, [], [])


def test_an_edit_is_undone_before_anybody_was_told(project: Path) -> None:
    """Who reads sees nothing of it; who was told of the first is told that it is as before."""
    with Bus.open(project) as bus:
        append_to = bus.config.log
        append_to.parent.mkdir(parents=True)
        append_to.write_text(by_hand("one") + by_hand("two", stamp="2026-01-12 10:00:09"), encoding="utf-8")
        assert len(bus.read("roo")) == 2
        before = append_to.read_text(encoding="utf-8")
        append_to.write_text(before.replace("one", "three"), encoding="utf-8")
        assert bodies(bus.edited("roo")) == ["three"]
        append_to.write_text(before, encoding="utf-8")
        assert bodies(bus.edited("roo")) == ["one"]
        assert bus.edited("roo") == []


WORDS = st.sampled_from(["ok", "Stop, wait.", "How is it going?", "no", "x" * 40, "done\n\n- a\n- b", "PS: ask roo"])


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from(["tool", "hand", "vague", "none"]), WORDS), min_size=1, max_size=20),
    st.data(),
)
def test_random_edits_of_small_logs(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Texts edited where they stand: no damage, nothing twice; who had read is told once, who had not gets the new."""
    root = tmp_path_factory.mktemp("small")
    with Bus.open(root, machine="box") as bus:
        bus.add_agents(["roo", "ann"])
        bus.config.folder.mkdir(parents=True, exist_ok=True)
        for number, (how, text) in enumerate(sent):
            body = f"{text} ({number})"
            if how == "tool":
                bus.send("roo", body, sender="ann")
            else:
                stamp = {"hand": f"{T}:{number:02}", "vague": T, "none": "{DATE}"}[how]
                append(bus.config.log, f"\n## [{stamp}] user -> roo [INFO]\n\n{body}\n\n---\n\n")
        read = data.draw(st.booleans())
        if read:
            assert len(bus.read("roo")) == len(sent)
        else:
            bus.history()
        numbers = data.draw(st.lists(st.integers(0, len(sent) - 1), unique=True, min_size=1))
        page = bus.config.log.read_text(encoding="utf-8")
        for number in numbers:
            old, new = f"{sent[number][1]} ({number})", data.draw(WORDS)
            page = page.replace(f"\n\n{old}\n", f"\n\n{new} [{number}]\n", 1)
        bus.config.log.write_text(page, encoding="utf-8")
        found = bus.read("roo")
        assert len(found) == (0 if read else len(sent))
        assert said(bus) == []
        assert sum("[" in message.body for message in bus.history()) == len(numbers)
        assert len(bus.history()) == len(sent)
        assert len(bus.edited("roo")) == (len(numbers) if read else 0)
        assert bus.edited("roo") == []
        assert bus.config.log.read_text(encoding="utf-8") == page


@given(
    st.lists(
        st.sampled_from(["@mastre x", "ok", "[14:32] a -> master: b", "---", "", "```", "## x", "> q"]), max_size=9
    )
)
def test_near_misses_of_anything(lines: list[str]) -> None:
    """Looking for them never fails, and what is found stands on the page."""
    text = "\n".join(lines)
    roster = Roster(["master", "roo"])
    for one in near_misses(parse(text.encode(), roster), roster):
        assert one.line in text
        assert one.instead


@pytest.mark.parametrize(
    "text",
    [
        "The flow roo → master is broken.",
        "From roo to master it took three seconds.",
        "We went from roo to master and back.",
        "```\n[ASK] roo -> master: quoted\n```",
        "See [the docs](x) on roo -> master.",
    ],
)
def test_prose_with_names_is_no_near_miss(bus: Bus, text: str) -> None:
    """Nor is what is quoted."""
    with bus.config.log.open("a", encoding="utf-8") as file:
        file.write(f"\n## [{T}] user -> roo\n\nwords\n\n{text}\n")
    assert len(bus.read("roo")) == 1
    assert bus.status().unheard == []


#: Headers in shapes that are no form's, with known names; what is to be written instead.
ROUND = (
    ("From: codex To: master", "codex → master:"),
    ("**From:** codex **To:** master", "codex → master:"),
    ("→ master: stop", "@master stop"),
    ("-> master: stop", "@master stop"),
    ("To: master: please stop", "@master please stop"),
    ("- @master please stop", "@master please stop"),
    ("1. @master please stop", "@master please stop"),
    ("🚨 @master stop", "@master stop"),
    ("[14h32] codex → master: hi", "codex → master: hi"),
    ("[codex] → [master]: hi", "codex → master: hi"),
    ("[2026-06-05 08:34] [codex] → [master] hi", "codex → master: hi"),
    ("[ASK] codex → master: which?", "codex → master: which?"),
    ("codex <-> master: hi", "codex → master: hi"),
    ("- [ ] codex → master: hi", "codex → master: hi"),
    ("codex → master, hi", "codex → master: hi"),
    ("codex → master hi there", "codex → master: hi there"),
    ("(codex → master) hi", "codex → master: hi"),
    ('"codex → master": hi', "codex → master: hi"),
    ("codex -&gt; master: hi", "codex → master: hi"),
    ("[14:32] codex: please stop", "codex → NAME: please stop"),
    ("master: please stop", "@master please stop"),
    ("**Master:** please stop", "@master please stop"),
    ("to master: please stop", "@master please stop"),
    ("hey @master please stop", "@master please stop"),
    ("Hi, @master, please stop", "@master please stop"),
    ("(@master) stop", "@master stop"),
    ("@here: stop", "@all stop"),
    ("## [2026-06-05 08:34] codex for master", "## [2026-06-05 08:34] codex → master"),
    ("### [2026-06-05 08:34] codex is at work", "## [2026-06-05 08:34] codex → NAME: is at work"),
    ("### TASK codex → master 2026-06-05", "codex → master: 2026-06-05"),
    ("codex » master: hi", "codex → master: hi"),
    ("re: codex: please rebase", "@codex please rebase"),
    ("codex | master | hi", "codex → master: hi"),
    ("2026-11-20 | 10:05 | codex | master | done", "codex → master: done"),
    ("An master: bitte anhalten", "@master bitte anhalten"),
    ("À master : arrête", "@master arrête"),
    ("致 master\uff1a你好", "@master 你好"),
    ("master さん、止めて", "@master 止めて"),
    ("إلى master: توقف", "@master توقف"),
    ("Frage an master: welcher Zweig?", "@master welcher Zweig?"),
    ("**Von codex an master:** fertig", "codex → master: fertig"),
    ("codex から master へ\uff1a完了", "codex → master: 完了"),
    ("codex says to master: done", "codex → master: done"),
    ("codex @master: hi", "codex → master: hi"),
    ("2026年11月20日 codex → master\uff1a完成", "codex → master: \uff1a完成"),
    ("Step 2: codex → master: go", "codex → master: go"),
    ("#12 codex → master: done", "codex → master: done"),
    ("#12 @master done", "@master done"),
    ("cc @master", "@master"),
    ("please stop @master", "@master"),
    ("URGENT @master stop", "@master stop"),
    ("TASK for worker-1: fix it", "@worker-1 fix it"),
    ("WARN → all: disk full", "@all disk full"),
    ("to all: stop", "@all stop"),
    ("codex [ASK] → master: which?", "codex → master: which?"),
    ("the codex → the master: hi", "codex → master: hi"),
    ("codex ↦ master: hi", "codex → master: hi"),
    ("codex and roo: stop", "@codex @roo stop"),
    ("master please stop", "@master please stop"),
    ("Hi master, please stop", "@master please stop"),
    ("## Message for master", "@master"),
    ("@master/@roo stop", "@master @roo stop"),
    ("To: mastre", "To: master"),
    ("@cluade stop", "@claude-code stop"),
    ("10:05 <codex> done", "codex → NAME: done"),
    ("<codex> master: done", "codex → master: done"),
    ("To: master <master@example.org>", "@master"),
    ("To: master From: codex Re: tests", "codex → master:"),
    ("**To:** worker-1 **From:** codex **Re:** the parser", "codex → worker-1:"),
    ("/cc @master please look", "@master please look"),
    ("Message for worker 1: stop the build", "@worker-1 stop the build"),
    ("Worker 1: stop the build", "@worker-1 stop the build"),
    ("18:20 <@codex> master, the tests are red", "codex → master: the tests are red"),
    ("18:20 <+codex> the tests are red", "codex → NAME: the tests are red"),
    ("codex  6:20 PM", "codex → NAME: …"),
    ("**codex** [18:20]", "codex → NAME: …"),
    ("codex — Today at 6:20 PM", "codex → NAME: …"),
    ("worker 1 29.11.2026 18:20", "worker-1 → NAME: …"),
)
#: Letters, and the line of each that says whom it is for.
LETTERS = (
    ("From: codex <codex@example.org>\nTo: master <master@example.org>\nSubject: x", 1, "codex → master:"),
    ("Von: codex\nAn: master, roo", 1, "codex → master, roo:"),
    ("**To**: master\n**From**: codex", 0, "@master"),
    ("Subject: stop\nTo: master", 1, "@master"),
    ("宛先: master\n差出人: codex", 0, "@master"),
    ("Dear master,\nplease stop.", 0, "@master"),
    ("codex  6:20 PM\nthe tests are red", 0, "codex → NAME: …"),
)


@pytest.mark.parametrize("above", ["", "## [2026-06-05 08:00] user -> roo [INFO]\n\nhi\n\n---\n\n"])
def test_a_header_in_no_form_is_a_near_miss(above: str) -> None:
    """Also where no message, or one of a person's, stands above it; in a fence, a table or a comment it is text."""
    roster = Roster(("master", "codex", "roo", "worker-1", "claude-code"))
    for text, instead in ROUND:
        [found] = near_misses(parse(f"{above}{text}\n".encode(), roster), roster)
        assert (found.line, found.instead) == (text, instead)
        for prose in (f"```\n{text}\n```\n", f"| {text} |\n", f"    {text}\n"):
            assert not list(near_misses(parse((above + prose).encode(), roster), roster)), prose


@pytest.mark.parametrize(("text", "line", "instead"), LETTERS)
def test_a_letter_is_a_near_miss(text: str, line: int, instead: str) -> None:
    """Its lines may come in any order; who it is from is told where that stands above."""
    roster = Roster(("master", "codex", "roo"))
    [found] = near_misses(parse(f"# A page\n\n{text}\n\nthe tests are red\n".encode(), roster), roster)
    assert (found.line, found.instead) == (text.split("\n")[line], instead)


@pytest.mark.parametrize(
    "text",
    [
        "master: the branch that all work goes to\nroo: an agent",
        "Ask master: it knows.",
        "master:8080 is the port",
        "To whom it may concern: hello",
        "I asked @team about it.",
        "@teamwork is good",
        "note: master is slow",
        "user: whoever sits before it",
        "hey, this is for master",
        "Dear diary, codex was slow.",
        "codex: running, master: idle",
        "Everyone: 3 votes, codex: 2",
        "- codex → parser\n- roo → docs",
        "codex → parser",
        "<!-- codex → master: hidden -->",
        "<details><summary>codex → master</summary>",
        "`@master stop` is how you write to it",
        "> @master stop\n> said roo",
        "codex_to_master: function",
        "codex | parser | 80%",
        "roo | codex | master",
        "ping master: unknown host",
        "From: codex\nDate: today",
        "A: master is the branch",
        "Für morgen: codex aufräumen",
        "Author: codex\nReviewer: master",
        "T-12: parser (codex)",
        "Closes #12, thanks codex!",
        "codex 0:18",
        "codex took 18:20 minutes",
        "codex v18:20",
        "Step 1: stop the build",
        "/cc is how you copy somebody",
        "```\nmaster: quoted\n```",
    ],
)
@pytest.mark.parametrize("above", ["", "## [2026-06-05 08:00] user -> roo [INFO]\n\nhi\n\n---\n\nwords\n\n"])
def test_what_begins_with_a_name_in_prose_is_no_near_miss(above: str, text: str) -> None:
    """Only a paragraph of its own that names an agent as its addressee is one."""
    roster = Roster(("master", "codex", "roo"))
    assert not list(near_misses(parse(f"{above}{text}\n".encode(), roster), roster))


def test_a_letter_in_front_matter() -> None:
    """It is no message, so it is said; what a log's own front matter says is not for anybody."""
    roster = Roster(("master", "codex"))
    page = b"---\nto: master\nfrom: codex\ntype: ask\n---\n\nwhich branch?\n"
    assert [(one.line, one.instead) for one in near_misses(parse(page, roster), roster)] == [("to: master", "@master")]
    own = b"---\nmachine: master\nprotocol: '1.2'\nagents: [master, codex]\n---\n\nnotes\n"
    assert not list(near_misses(parse(own, roster), roster))


@pytest.mark.parametrize("rule", ["\n", "\n---\n\n"])
@pytest.mark.parametrize("text", ["ok do it", "PS: and the docs", "yes", "> which branch?\n\nmain"])
def test_what_names_nobody_below_ones_own_message_belongs_to_it(project: Path, text: str, rule: str) -> None:
    """In one save, with or without a rule: its readers get it, and nobody is told of it."""
    with Bus.open(project) as bus:
        bus.add_agents(["roo", "codex"])
        bus.send("roo", "Which branch?", sender="codex", type="question")
        with bus.config.log.open("a", encoding="utf-8") as file:
            file.write(f"\n## [{T}] user -> roo [INFO]\n\nhi\n{rule}{text}\n")
        told = [message.body for message in bus.read("roo") if message.sender == "user"]
        assert [text in body and body.startswith("hi") for body in told] == [True]
        assert not bus.status().unheard


def test_a_group_below_a_message_that_was_left_open() -> None:
    """In the last paragraph, as with a name."""
    roster = Roster(("master", "roo"))
    page = "## [2026-06-05 08:00] roo -> master [INFO]\n\nhi\n\n"
    assert [one.instead for one in near_misses(parse(f"{page}@here stop\n".encode(), roster), roster)] == ["@all stop"]
    assert [one.instead for one in near_misses(parse(f"{page}@mastr stop\nnow\n".encode(), roster), roster)] == [
        "@master stop"
    ]
    assert not list(near_misses(parse(f"{page}@nobody stop\n".encode(), roster), roster))
    assert not list(near_misses(parse(f"{page}@mastr is one\n\nand so on\n".encode(), roster), roster))
    assert not list(near_misses(parse(f"{page}@here stop\n\nand so on\n".encode(), roster), roster))
    assert not list(near_misses(parse(f"{page}master: stop\n".encode(), roster), roster))


@given(
    st.one_of(logs(), st.sampled_from([text.encode() + b"\n" for text, *_ in MISSES.values()])),
    st.lists(messages(), max_size=4),
    st.booleans(),
)
def test_reading_only_what_people_wrote_finds_the_same(above: bytes, sent: list[Message], tampered: bool) -> None:
    """The near misses of a page are those that reading all of it finds."""
    records = b"".join(seal(render(one, "2026-01-12 10:00:00")) for one in sent)
    page = above + (records.replace(b"text", b"test", 1) if tampered else records)
    names = Roster(("roo", "claude-code", "master", "worker-1", "a", "b"))
    assert unheard.lines(page, names) == tuple(near_misses(parse(page, names), names))


@pytest.mark.parametrize(
    ("to", "says"), [("stranger", "reaches nobody"), ("stranger, roo", "does not reach everybody")]
)
def test_whether_anybody_gets_it_is_said(bus: Bus, to: str, says: str) -> None:
    """A message to strangers alone is told from one that somebody gets."""
    append(bus.config.log, f"## [2026-06-05 08:34:00] user → {to} [INFO]\n\nhello\n\n---\n\n")
    bus.read("roo")
    assert f"this message {says}: " in bus.read("user")[0].body
    assert says in bus.status().unheard[0].sentence()
