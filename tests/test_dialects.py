"""What people and agents write into a log by hand, form by form, and what is no message, whatever it looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core.message import Message, utc_of_stamp
from intercom.format import MESSAGE, Entry, Parser, digest, encode, one, parse, render
from intercom.format.record import seal
from intercom.format.roster import Roster

ROSTER = Roster(("master", "worker-1", "worker-2", "claude-code", "codex", "roo"))
T = "2026-06-05 08:34"

#: A heading, and what is read: sender, recipients, type and text, a blank between each.
HEADINGS = (
    (f"## [{T}] codex → master [ASK]", "codex master ASK"),
    (f"### [{T}] claude → codex — Starting point", "claude-code codex INFO Starting point"),
    (f"### [{T}] codex → master – Half way", "codex master INFO Half way"),
    (f"### [{T}] codex → master - Half way", "codex master INFO Half way"),
    (f"## [{T}] codex → master: the build is green", "codex master INFO the build is green"),
    (f"## [{T}] codex → master:", "codex master INFO"),
    (f"## [{T}] codex → master (STATUS): all green", "codex master STATUS all green"),
    (f"## [{T}] codex → master (DONE)", "codex master DONE"),
    (f"## [{T}] codex → master (the lead): hello", "codex master INFO (the lead): hello"),
    (f"## [{T}] codex → master · REVIEW · the parser", "codex master REVIEW the parser"),
    (f"## [{T}] codex → master | ALIVE", "codex master ALIVE"),
    (f"## [{T}] codex → master | ALIVE | since nine", "codex master ALIVE since nine"),
    (f"## [{T}] codex → master — DONE — the parser", "codex master DONE the parser"),
    (f"## [{T}] codex → worker-1 ASK", "codex worker-1 ASK"),
    (f"## [{T}] codex → master HANDOFF", "codex master HANDOFF"),
    (f"## [{T}] codex → master BUILD-GREEN", "codex master BUILD-GREEN"),
    (f"## [{T}] codex → master: DONE", "codex master DONE"),
    (f"## [{T}] codex → master: OK", "codex master INFO OK"),
    (f"## [{T}] codex → master: see [1] and [2]", "codex master INFO see [1] and [2]"),
    (f"## [{T}] codex → master — Starting [TASK]", "codex master TASK Starting"),
    (f"## [{T}] codex → master — Starting [TASK] [URGENT]", "codex master TASK! Starting"),
    (f"## [{T}] codex → master URGENT", "codex master INFO!"),
    (f"## [{T}] codex → master, roo: both of you", "codex master,roo INFO both of you"),
    (f"## [{T}] codex → master and roo", "codex master,roo INFO"),
    (f"## [{T}] codex → master & roo — hello", "codex master,roo INFO hello"),
    (f"## [{T}] codex → master, worker1 and Claude [INFO]", "codex master,worker-1,claude-code INFO"),
    (f"## [{T}] codex → everyone", "codex all INFO"),
    (f"## [{T}] codex → Everybody [WARN]", "codex all WARN"),
    (f"## [{T}] codex → all workers", "codex all INFO"),
    (f"## [{T}] codex → all agents: stop", "codex all INFO stop"),
    (f"## [{T}] codex → ALL", "codex all INFO"),
    (f"## [{T}] codex → worker1 [ASK]", "codex worker-1 ASK"),
    (f"## [{T}] codex → Worker 1 [ASK]", "codex worker-1 ASK"),
    (f"## [{T}] codex → Worker_2 [ASK]", "codex worker-2 ASK"),
    (f"## [{T}] codex → WORKER 2", "codex worker-2 INFO"),
    (f"## [{T}] Claude → Codex", "claude-code codex INFO"),
    (f"## [{T}] **Claude Code** → `codex` — hi", "claude-code codex INFO hi"),
    (f"## [{T}] ClaudeCode -> @roo", "claude-code roo INFO"),
    (f"## [{T}] User → Master", "user master INFO"),
    (f"## [{T}] codex -> master: x", "codex master INFO x"),
    (f"## [{T}] codex => master: x", "codex master INFO x"),
    (f"## [{T}] codex —> master: x", "codex master INFO x"),
    ("## [YYYY-MM-DD HH:MM:SS] roo → user", "roo user INFO"),
    ("## [YYYY-MM-DD] roo → user", "roo user INFO"),
    ("## [DATE] roo → user", "roo user INFO"),
    ("## [TIMESTAMP] roo → user", "roo user INFO"),
    ("## [DATE TIME] roo → user", "roo user INFO"),
    ("## [HH:MM] roo → user", "roo user INFO"),
    ("## [{DATE}] roo → user", "roo user INFO"),
    ("## [<date>] roo → user", "roo user INFO"),
    ("## [14:32] roo → user", "roo user INFO"),
    ("## [14:32:05] roo → user: help", "roo user INFO help"),
    ("## [UTC 2026-06-05 08:34] roo → user", "roo user INFO"),
    ("## [2026-06-05 08:34 UTC] roo → user", "roo user INFO"),
    ("## [2026-05-15T08:05:00Z] roo → user", "roo user INFO"),
    ("## [2026-05-15 08:05:00+02:00] roo → user", "roo user INFO"),
    ("## [2026/05/15 08:05] roo → user", "roo user INFO"),
    ("## [15.05.2026 8:05] roo → user", "roo user INFO"),
    ("# [2026-05-15] roo → user", "roo user INFO"),
    (f"### [{T}] External-Reviewer", "external-reviewer all INFO"),
    (f"### [{T}] External-Reviewer — Findings", "external-reviewer all INFO Findings"),
    (f"### [{T}] **External-Reviewer**", "external-reviewer all INFO"),
    (f"### [{T}] External-Reviewer [WARN] [URGENT]", "external-reviewer all WARN!"),
    (f"### [{T}] External-Reviewer: two findings", "external-reviewer all INFO two findings"),
    (f"### [{T}] External-Reviewer (FINDING)", "external-reviewer all FINDING"),
    (f"### [{T}] worker-7", "worker-7 all INFO"),
    (f"## [{T}:09] codex", "codex all INFO"),
    (f"## [{T}] Claude Code", "claude-code all INFO"),
    (f"## [{T}] user", "user all INFO"),
    (f"## [{T}] codex → master：你好", "codex master INFO 你好"),  # noqa: RUF001
    (f"## [{T}] codex → master【ASK】", "codex master ASK"),
    (f"## [{T}] codex → master（ASK）：你好", "codex master ASK 你好"),  # noqa: RUF001
    (f"## [{T}] codex → master，roo：你好", "codex master,roo INFO 你好"),  # noqa: RUF001
    (f"### [{T}] 🤖 codex → master", "codex master INFO"),
    (f"### [{T}] 🤖 codex → 🧭 master [ASK]", "codex master ASK"),
    (f"## [{T}] codex → master (urgent): stop", "codex master INFO! stop"),
    (f"## [{T}] [ASK] codex → master", "codex master ASK"),
    (f"## [{T}] (ASK) codex → master", "codex master ASK"),
    (f"## [{T}] codex → master:你好", "codex master INFO 你好"),
    (f"## [{T}] [ASK] codex → master: which?", "codex master ASK which?"),
    (f"## [{T}] [URGENT] [ASK] codex → master", "codex master ASK!"),
    (f"## [{T}] [ASK] codex → master [URGENT]", "codex master ASK!"),
    (f"## [{T}] codex → team", "codex all INFO"),
    (f"## [{T}] codex → workers: stop", "codex all INFO stop"),
    (f"## [{T}] codex → human [ASK]", "codex user ASK"),
    (f"## [{T}] Me → master", "user master INFO"),
    (f"## [{T}] codex → master, cc roo", "codex master,roo INFO"),
    (f"## [{T}] codex → master (cc: roo)", "codex master,roo INFO"),
    (f"## [{T}] codex → master cc @roo [ASK]", "codex master,roo ASK"),
    (f"## [{T}] codex → master re: the parser", "codex master INFO re: the parser"),
    (f"## [{T}] codex → master #parser", "codex master INFO #parser"),
    (f"## [{T}] codex ➡ master: hi", "codex master INFO hi"),
    (f"## [{T}] codex ➡\ufe0f master: hi", "codex master INFO hi"),
    (f"## [{T}] codex ⟶ master: hi", "codex master INFO hi"),
    ("## [20 Nov 2026, 10:00] codex → master", "codex master INFO"),
    ("## [Nov 20 10:05] codex → master: hi", "codex master INFO hi"),
    ("## [20261120T220500Z] codex → master [ASK]", "codex master ASK"),
    ("## [2026\u201111\u201120 10:05] codex → master", "codex master INFO"),
    ("## [Sun Nov 29 18:20:05 2026 +0100] codex → master: hi", "codex master INFO hi"),
    ("## [Sun Nov 29 18:20:05 2026] codex → master: hi", "codex master INFO hi"),
    (f"## [{T}] codex → @master @roo [ASK]", "codex master,roo ASK"),
    (f"## [{T}] codex (via Claude Code) → master [ASK]", "codex master ASK"),
    (f"## [{T}] codex/gpt-6 → master [ASK]", "codex master ASK"),
    (f"## [{T}] ~~codex~~ roo → master [ASK]", "roo master ASK"),
)

#: A line that stands by itself in the text of people.
LINES = (
    ("[2026-06-05 08:34] codex to master", "codex master INFO"),
    ("[2026-06-05 08:34] codex to master: done", "codex master INFO done"),
    ("[2026-06-05 08:34] codex >> master", "codex master INFO"),
    ("[2026-06-05 08:34] codex > master: done", "codex master INFO done"),
    ("[2026-06-05 08:34] codex → master", "codex master INFO"),
    ("[2026-06-05 08:34] codex → master [DONE]", "codex master DONE"),
    ("[2026-06-05 08:34] codex -> worker1 and roo | STATUS | fine", "codex worker-1,roo STATUS fine"),
    ("[14:32] codex → master: done", "codex master INFO done"),
    ("[DATE] roo → user", "roo user INFO"),
    ("[YYYY-MM-DD HH:MM:SS] roo → user", "roo user INFO"),
    ("[UTC 2026-06-05 08:34] roo → user: help me", "roo user INFO help me"),
    ("2026-06-05 08:34 codex → master", "codex master INFO"),
    ("2026-06-05 08:34 - codex → master: x", "codex master INFO x"),
    ("2026-06-05T08:34:00Z codex → all: hi", "codex all INFO hi"),
    ("14:32 codex → master ASK", "codex master ASK"),
    ("(14:32) codex → master: x", "codex master INFO x"),
    ("## 2026-06-05 08:34 codex → master", "codex master INFO"),
    ("# 2026-06-05 08:34 codex → master [ASK]", "codex master ASK"),
    ("#### [2026-06-05 08:34] codex → master [ASK]", "codex master ASK"),
    ("[codex → master] 14:32 | DONE", "codex master DONE"),
    ("[codex → master] 2026-06-05 08:34 | STATUS | all well", "codex master STATUS all well"),
    ("[codex -> master] hello", "codex master INFO hello"),
    ("**[2026-06-05 08:34] codex → master**", "codex master INFO"),
    ("**[2026-06-05 08:34] codex → master**: text", "codex master INFO text"),
    ("**codex → master:** text", "codex master INFO text"),
    ("**codex → master** [14:32]: text", "codex master INFO text"),
    ("`codex` → `master`: text", "codex master INFO text"),
    ("- [14:32] codex → master: done", "codex master INFO done"),
    ("* [2026-06-05 08:34] codex → master [DONE] yes", "codex master DONE yes"),
    ("1. [14:32] codex → master: done", "codex master INFO done"),
    ("> [14:32] codex → master: done", "codex master INFO done"),
    ("codex → master: hello", "codex master INFO hello"),
    ("codex → master", "codex master INFO"),
    ("codex -> master [TASK] [URGENT] now", "codex master TASK! now"),
    ("codex → master (14:32): hi", "codex master INFO hi"),
    ("codex → worker-1 ASK", "codex worker-1 ASK"),
    ("Claude → Worker 1: hi", "claude-code worker-1 INFO hi"),
    ("codex → everyone: hi", "codex all INFO hi"),
    ("codex → master & roo: hi", "codex master,roo INFO hi"),
    ("codex >> master: hi", "codex master INFO hi"),
    ("codex to master: hi", "codex master INFO hi"),
    ("user to all workers: stop", "user all INFO stop"),
    ("User → Master: stop", "user master INFO stop"),
    ("me → master: stop", "user master INFO stop"),
    ("codex → team", "codex all INFO"),
    ("codex → master @ 10:05: hi", "codex master INFO hi"),
    ("## ✅ [2026-06-05 08:34] codex → master", "codex master INFO"),
    ("🤖 codex → 👑 master: hi", "codex master INFO hi"),
    ("✅ codex → master: done", "codex master INFO done"),
    ("## 11/20/2026 10:00 AM codex → master", "codex master INFO"),
    ("## Fri Nov 20 10:00:00 UTC 2026 codex → master", "codex master INFO"),
    ("[June 5, 2026 8:34 AM] codex → master: hi", "codex master INFO hi"),
    ("[8:34 PM] codex → master: hi", "codex master INFO hi"),
    ("[2026-06-05 08:34 CEST] codex → master: hi", "codex master INFO hi"),
    ("codex ➡ master: hi", "codex master INFO hi"),
)

#: The same, from whoever may write here, where a message stands above it that is finished.
MENTIONS = (
    ("@master please stop", "user master INFO please stop"),
    ("@master: please stop", "user master INFO please stop"),
    ("@master, please stop", "user master INFO please stop"),
    ("@Master — please stop", "user master INFO please stop"),
    ("@worker1 go on", "user worker-1 INFO go on"),
    ("@Worker 1 go on", "user worker-1 INFO go on"),
    ("@Claude go on", "user claude-code INFO go on"),
    ("@claude-code [URGENT] go on", "user claude-code INFO! go on"),
    ("@codex [ASK] which?", "user codex ASK which?"),
    ("@everyone stop", "user all INFO stop"),
    ("@all stop", "user all INFO stop"),
    ("@master @codex stop", "user master,codex INFO stop"),
    ("@master cc @codex stop", "user master,codex INFO stop"),
    ("@team stop", "user all INFO stop"),
    ("@human please look", "user user INFO please look"),
    ("@master, @codex: stop", "user master,codex INFO stop"),
    ("@master and @codex stop", "user master,codex INFO stop"),
    ("@master", "user master INFO"),
    ("`@master` stop", "user master INFO stop"),
    ("**@master** stop", "user master INFO stop"),
    ("**@master:** stop", "user master INFO stop"),
    ("@Master! stop", "user master INFO stop"),
    ("@master\uff0c请停止", "user master INFO 请停止"),
    ("\uff20master\uff1a请停止", "user master INFO 请停止"),
    ("@codex -> master hi", "codex master INFO hi"),
    ("@codex → @master [ASK] which?", "codex master ASK which?"),
    ("@master → see above", "user master INFO → see above"),
)

#: What is text, wherever it stands.
PROSE = (
    "## [1.2.0] - 2024-01-01",
    "## [Unreleased]",
    "## [2024-01-01] Upgrade 1.0 → 2.0",
    "## [2024-01-01] [FIX] Upgrade 1.0 → 2.0",
    "## [2024-01-01 10:00] [FIX] Move a → b",
    "## [1.2.1] [FIX] Move a → b [PARSER]",
    "## [1.2.0] [ASK] codex → master",
    "## [2024-01-01] Moved the config from a → b",
    "### [2026-06-05 08:34] Summary",
    "### [2026-06-05 08:34] Follow-up",
    "### [2026-06-05 08:34] Post-mortem",
    "### [2026-06-05 08:34] What we did today",
    "### [2026-06-05] External-Reviewer",
    "### Period 2026-01-10 → 2026-01-15",
    "- v1.0 → v2.0: codex",
    "- renamed `a` → `b`",
    "| codex → master | DONE |",
    "| 2026-06-05 08:34 | codex → master |",
    "    [14:32] codex → master: indented code",
    "    @master indented",
    "Move codex to master and run it.",
    "codex to master is a long way",
    "I said codex → master: hello",
    "The flow is codex → master → roo",
    "from 14:32 codex goes to master",
    "[14:32] nobody → master: hi",
    "[14:32] codex → nobody: hi",
    "[see] codex → master",
    "[x] codex → master: a box that is ticked",
    "@param master the branch",
    "`@master stop` is how you write",
    "@nobody please stop",
    "write to codex@example.org",
    "mail @ master",
    "> codex wrote to master yesterday",
    "> ## [2026-06-05 08:34] codex → somebody [ASK]",
    "a > b and b > c",
    "x -> y",
    "def f(a) -> master:",
    "master > codex in size",
    "<!-- [14:32] codex → master: hidden -->",
    "https://example.org/codex→master",
    "<b>codex → master</b>",
    "$ git push codex master",
    "PS: ask roo",
    "codex 18:20 master 18:21",
    "TODO(master): fix the parser",
    "18:20:01 -!- codex has joined #project",
    "Signed-off-by: codex <codex@example.org>",
    '{"from": "codex", "to": "master", "text": "which?"}',
    "18:20 codex/parser → master",
    "ok do it",
    "---",
    "",
)


def told(entry: Entry) -> str:
    """A message as the tables have it."""
    text = " ".join(entry.body.split())
    tag = entry.tag + "!" * entry.urgent
    return f"{entry.sender} {entry.to.replace(', ', ',')} {tag} {text}".rstrip()


def read(text: str | bytes, roster: Roster = ROSTER) -> list[Entry]:
    """The messages of a page, once all is well with its entries."""
    data = encode(text) if isinstance(text, str) else text
    found = parse(data, roster)
    assert b"".join(entry.raw for entry in found) == data
    messages = [entry for entry in found if entry.kind == MESSAGE]
    assert all(one(entry.raw, entry.start, roster) == entry for entry in messages)
    return messages


def tool(body: str, *, ident: str = "k7q294xmbd3t") -> bytes:
    """A message that a tool sent, as it stands on the page."""
    message = Message(ident, None, "2026-01-12T22:50:00.123Z", "worker-1", "master", "ASK", "question", body)
    return seal(render(message, "2026-01-12 23:50:00"))


@pytest.mark.parametrize(("line", "wanted"), HEADINGS)
def test_headings(line: str, wanted: str) -> None:
    """Each is the header of a message anywhere: by itself, with a text, below a tool's message, with Windows' ends."""
    text = f"{wanted}\n\nmore".partition(" ")[2] and "the text"
    assert [told(entry) for entry in read(f"{line}\n")] == [wanted]
    assert [told(entry) for entry in read(f"some words\n\n{line}\n\n{text}\n\n---\n")] == [f"{wanted} {text}"]
    assert [told(entry) for entry in read(tool("Which branch?") + encode(f"{line}\r\n\r\n{text}\r\n"))][1:] == [
        f"{wanted} {text}"
    ]


@pytest.mark.parametrize(("line", "wanted"), LINES)
def test_lines(line: str, wanted: str) -> None:
    """Each is a message above everything, in a hand-written text, and below a tool's message; a fence makes it text."""
    assert [told(entry) for entry in read(f"{line}\n")] == [wanted]
    above = "## [2026-06-05 08:00] user -> roo [INFO]\n\nhi\n\n"
    assert [told(entry) for entry in read(f"{above}{line}\n\nand more\n")] == ["user roo INFO hi", f"{wanted} and more"]
    assert [told(entry) for entry in read(tool("Which?") + encode(f"{line}\n"))] == [
        "worker-1 master ASK Which?",
        wanted,
    ]
    fenced = read(f"{above}```\n{line}\n```\n")
    assert len(fenced) == 1
    assert line in fenced[0].body


@pytest.mark.parametrize(("line", "wanted"), MENTIONS)
def test_mentions(line: str, wanted: str) -> None:
    """Below a finished message, a tool's or a person's, and in no other place of a text."""
    assert [told(entry) for entry in read(tool("Which?") + encode(f"{line}\n"))][1:] == [wanted]
    hand = "## [2026-06-05 08:00] codex -> roo [INFO]\n\nhi\n\n"
    assert [told(entry) for entry in read(f"{hand}---\n\n{line}\n")][1:] == [wanted]
    assert len(read(f"{hand}I think that\n{line}\n")) == 1
    assert len(read(tool(f"Which?\n\n---\n\n{line}"))) == 1


@pytest.mark.parametrize("line", PROSE)
def test_prose(line: str) -> None:
    """It is no message in a text, above everything, or below a message; what stands there is kept as it is."""
    hand = "## [2026-06-05 08:00] user -> roo [INFO]\n\nhi\n\n"
    assert [told(entry)[:16] for entry in read(f"{hand}{line}\n\nbye\n")] == ["user roo INFO hi"]
    assert read(f"# A page\n\n{line}\n\nbye\n") == []
    assert [told(entry) for entry in read(tool("Which?") + encode(f"{line}\n"))] == ["worker-1 master ASK Which?"]


def test_a_text_goes_on_below() -> None:
    """With a blank line or without, as it was written."""
    texts = [entry.body for entry in read(tool("Which?") + b"@worker-1 please\nstop\n\nnow\n")]
    assert texts[1:] == ["please\nstop\n\nnow"]
    assert [entry.body for entry in read("[14:32] codex -> roo: one\n\ntwo\n")] == ["one\n\ntwo"]


def test_there_are_enough() -> None:
    """At least 120 forms, each once."""
    forms = [line for line, _ in (*HEADINGS, *LINES, *MENTIONS)]
    assert len(set(forms)) == len(forms)
    assert len(forms) >= 120
    assert len(set(PROSE)) >= 40


def test_a_chat() -> None:
    """A line for each message, without a blank between them; what is a text's line ends that."""
    chat = ["codex → master: one", "master → codex: two", "- roo → codex: three", "@roo four"]
    below = [*read(tool("Which?") + encode("\n".join([*chat, "and more", "roo → codex: of it"])))][1:]
    assert [told(entry) for entry in below] == [
        "codex master INFO one",
        "master codex INFO two",
        "roo codex INFO three",
        "user roo INFO four and more roo → codex: of it",
    ]


@pytest.mark.parametrize(
    "quote", ["> ## [2026-06-05 08:34] codex → roo [ASK]", "> codex → roo: which?", "> @roo which?"]
)
def test_a_quoting_reply(quote: str) -> None:
    """A header in a block quote of several lines is quoted, in a person's message and below a tool's."""
    text = f"{quote}\n> and more\n\nmain\n"
    [entry] = read(f"## [{T}] user -> codex\n\n{text}")
    assert entry.body == text.rstrip()
    assert len(read(tool("Which?") + encode(text))) == 1
    assert len(read(tool("Which?") + encode(f"@worker-1 main\n\n{text}"))) == 2


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_headers_in_a_fence_below_a_tools_message(fence: str) -> None:
    """They are quoted, in whatever pieces the page comes, and a tool's message below is one; an open fence is none."""
    text = f"{fence}text\n## [{T}] codex → master\n\nall green\n{fence}\n"
    for page in (
        tool("Which?\n```\nx\n```") + encode(text),
        tool("```\nx\n```").replace(b"\n", b"\r\n") + encode(text),
    ):
        assert len(read(page)) == 1
        assert len(read(page + tool("next", ident="k7q294xmbd3u"))) == 2
        parser = Parser(roster=ROSTER)
        found = [entry for at in range(len(page)) for entry in parser.feed(page[at : at + 1])] + parser.close()
        assert found == parse(page, ROSTER)
        assert len(read(page.removesuffix(encode(f"{fence}\n")))) == 2


def test_in_a_message_that_was_left_open() -> None:
    """A name's bearer is answered there, and somebody else in the last paragraph; who has the message anyway is not."""
    hand = "## [2026-06-05 08:00] codex -> roo [INFO]\n\nhi\n\n"
    assert [told(entry) for entry in read(f"{hand}@codex why?\n\nbecause\n")][1:] == ["user codex INFO why? because"]
    assert [told(entry) for entry in read(f"{hand}@master look\n")][1:] == ["user master INFO look"]
    assert len(read(f"{hand}@master knows it\n\nbecause he said so\n")) == 1
    assert len(read(f"{hand}@roo go on\n")) == 1
    assert len(read(f"{hand.replace('roo', 'all')}@roo go on\n")) == 1
    assert len(read("## [2026-06-05 08:00] codex -> roo [INFO]\n@master is right\n")) == 1


def test_a_tools_text_is_never_taken_apart() -> None:
    """Whatever it holds: its seal says where it ends. Where somebody edited the block, nothing in it is a message."""
    body = "\n\n".join(["Which?", "---", *(line for line, _ in (*LINES, *MENTIONS))])
    [entry] = read(tool(body))
    assert entry.body == body
    for changed in (tool(body).replace(b"Which", b"What"), tool(body).replace(b"sum=", b"sun=")):
        assert len(read(changed + b"@master stop\n")) == 1
    for shape in (b"\r\n", b"\n"):
        below = read(tool(body).replace(b"\n", shape) + b"@worker-1 stop\n")
        assert [told(entry) for entry in below][1:] == ["user worker-1 INFO stop"]
    assert [told(entry) for entry in read(tool(body).rstrip(b"\n") + b"\n@worker-1 stop")][1:] == [
        "user worker-1 INFO stop"
    ]


@pytest.mark.parametrize("roster", [ROSTER, None], ids=["here", "elsewhere"])
def test_the_front_matter_stays_what_it_is(roster: Roster | None) -> None:
    """Wherever a person pushed it, on a page of ours or another's; what looks like it in a text is text."""
    front = "---\nprotocol: INTERCOM 1.2\nmachine: box\nagents:\n- roo\n---\n"
    page = f"## [{T}] user -> roo [ASK]\n\nhi\n\n---\n\n{front}\n# INTERCOM\n\ntext\n\n"
    kinds = [(entry.kind, entry.raw) for entry in parse(encode(page) + tool("Which?"), roster)]
    assert [kind for kind, _ in kinds] == ["message", "front", "preamble", "message"]
    assert kinds[1][1] == encode(front)
    assert [told(entry) for entry in parse(encode(page), roster) if entry.kind == MESSAGE] == ["user roo ASK hi"]
    kinds = [(entry.kind, entry.raw) for entry in parse(encode(f"{front}\n{page}"), roster)]
    assert [kind for kind, _ in kinds] == ["front", "preamble", "message"]
    assert kinds[0][1] == encode(front)


@pytest.mark.parametrize(
    ("stamp", "wanted"),
    [
        ("2026-05-15T08:05:00Z", "2026-05-15T08:05:00.000Z"),
        ("2026-05-15 08:05:00Z", "2026-05-15T08:05:00.000Z"),
        ("2026-05-15 08:05 UTC", "2026-05-15T08:05:00.000Z"),
        ("UTC 2026-05-15 08:05", "2026-05-15T08:05:00.000Z"),
        ("2026-05-15T08:05:00.250Z", "2026-05-15T08:05:00.000Z"),
        ("2026-05-15T08:05:00+02:00", "2026-05-15T06:05:00.000Z"),
        ("2026-05-15 08:05:00 -0530", "2026-05-15T13:35:00.000Z"),
        ("Fri Nov 20 10:00:00 UTC 2026", "2026-11-20T10:00:00.000Z"),
        ("Fri Nov 20 10:00:00 2026 +0100", "2026-11-20T09:00:00.000Z"),
        ("Fri, 20 Nov 2026 10:00:00 +0100", "2026-11-20T09:00:00.000Z"),
        ("June 5th, 2026 8:34 PM UTC", "2026-06-05T20:34:00.000Z"),
        ("2026-11-20 12:05 am Z", "2026-11-20T00:05:00.000Z"),
        ("20261120T220500Z", "2026-11-20T22:05:00.000Z"),
        ("20.11.2026 10:00 UTC", "2026-11-20T10:00:00.000Z"),
        ("11/20/2026 10:00 UTC", "2026-11-20T10:00:00.000Z"),
        ("11/5/2026 10:00 AM GMT", "2026-11-05T10:00:00.000Z"),
        ("2026\u201111\u201120 10:05Z", "2026-11-20T10:05:00.000Z"),
        ("11/5/2026 10:00 UTC", None),
        ("Nov 20 10:05", None),
        ("2026-11-20 10:05 CET", None),
        ("2026-11-20 13:05 PM", None),
        ("31 Feb 2026 10:00", None),
        ("{DATE}", None),
        ("14:32", None),
        ("YYYY-MM-DD HH:MM:SS", None),
        ("2026-02-30 10:00", None),
        ("0000-01-01", None),
        ("2026-13-01 10:00", None),
        ("", None),
    ],
)
def test_times(stamp: str, wanted: str | None) -> None:
    """A time that says where it counts from is read; what is none has none."""
    assert utc_of_stamp(stamp) == wanted


FORMS = st.sampled_from([line for line, _ in (*HEADINGS, *LINES)])
TEXT = st.lists(st.sampled_from([*PROSE, "```", "~~~", "> quoted", "| a | b |", "    code", "text"]), max_size=6)


@given(st.lists(st.tuples(TEXT, FORMS, st.booleans()), max_size=6), TEXT)
def test_forms_between_prose(parts: list[tuple[list[str], str, bool]], end: list[str]) -> None:
    """Forms and prose in any order: each form outside of fences is one message, in its order, and nothing else is."""
    wanted = dict((*HEADINGS, *LINES))
    page, expected = [], []
    for prose, form, fenced in parts:
        plain = [line for line in prose if not line.startswith(("```", "~~~"))]
        hidden = fenced and not form.startswith("#")  # of headings in fences `fences` owns the story
        page += [*plain, "", *(["```", form, "```"] if hidden else [form]), ""]
        expected += [] if hidden else [wanted[form]]
    found = read("\n".join([*page, *(line for line in end if not line.startswith(("```", "~~~")))]))
    heads = [" ".join(told(entry).split()[:3]) for entry in found]
    assert heads == [" ".join(line.split()[:3]) for line in expected]


@given(st.lists(st.one_of(FORMS, st.sampled_from([*PROSE, "```", "~~~", "@master x"])), max_size=8).map("\n".join))
def test_a_page_is_read_alike_whenever(text: str) -> None:
    """Without names nothing is read that is not read with them at the same place; the digests say the same again."""
    with_names, without = read(text), read(text, Roster())
    places = {entry.start for entry in with_names}
    assert {entry.start for entry in without if "[" in entry.raw.decode()[:6]} <= places
    again = [digest(entry) for entry in read(text)]
    assert again == [digest(entry) for entry in with_names]
