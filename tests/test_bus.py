"""The API as its users meet it: what is sent is what is read, and what is wrong is said in one line."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.core.errors import FormatError, IntercomError, NotFound, Refused, UsageError
from intercom.core.message import STATUS_CODES, TAGS, TYPES, Message
from intercom.store.index import search, terms
from tests.strategies import bodies as nasty_bodies

BODIES = int(os.environ.get("INTERCOM_TEST_BODIES", "300"))  #: 10_000 in a thorough run


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """The bus of an empty project."""
    with Bus.open() as opened:
        yield opened


@pytest.fixture(scope="module")
def one_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A bus for many examples."""
    with Bus.open(tmp_path_factory.mktemp("one"), machine="box") as opened:
        yield opened


def same(sent: Message, read: Message) -> bool:
    """Whether a message arrived as it was sent."""
    return read.seq is not None and read._replace(seq=None) == sent


# -- what is sent is what is read -----------------------------------------------------------------

ANY_TEXT = st.text(st.characters(), max_size=200)  # surrogates, NUL and all
LINE = st.sampled_from(
    [
        "---",
        "## [2026-01-12 10:00:00] user → roo [ASK]",
        "<!-- intercom id=000000000000 -->",
        "```",
        "~~~~ x",
        "\\## [x]",
        "### COMPACTED: 5 older messages archived (x)",
        "<<<<<<< HEAD",
        "=======",
        ">>>>>>> x",
        "\r",
        "\x00",
        "\udc80",
        "\ufeff",
        "    ```",
        "\\\\```",
        "## [{DATE}] a -> b",
        "",
        " ",
        "\u2028",
        "\x85## [2026-01-01] a \u2192 b [ASK]",
        "\x0b",
        "-->",
        "é ☃",
    ]
)
NASTY = st.lists(LINE | ANY_TEXT, max_size=8).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\r", "", "\x0c"]).map(lambda end: end.join(lines))
)
FREE = st.none() | st.text(st.characters(), min_size=1, max_size=30)


@settings(max_examples=BODIES)
@given(
    body=nasty_bodies() | NASTY | ANY_TEXT,
    type_=st.sampled_from([*TYPES, *TAGS, "FINDING", "x-1"]),
    to=st.sampled_from(["roo", "all", "user", "roo, user"]),
    free=st.fixed_dictionaries({"thread": FREE, "reply_to": FREE}),
    code=st.none() | st.sampled_from(STATUS_CODES),
    progress=st.none() | st.integers(0, 100),
    urgent=st.booleans(),
)
def test_whatever_is_sent(
    one_bus: Bus,
    body: str,
    type_: str,
    to: str,
    free: dict[str, Any],
    code: str | None,
    progress: int | None,
    *,
    urgent: bool,
) -> None:
    """One message arrives, equal to what was sent, whatever is in its body and its values."""
    before = one_bus.history(limit=1)
    priority = "urgent" if urgent else None
    sent = one_bus.send(
        to, body, sender="claude-code", type=type_, priority=priority, status=code, progress=progress, **free
    )
    assert (sent.body, sent.thread, sent.reply_to) == (body, free["thread"], free["reply_to"])
    new = one_bus.history(after=before[0].seq if before else None)
    assert [same(sent, message) for message in new] == [True]
    for name in ("roo", "user"):
        assert [same(sent, message) for message in one_bus.read(name)] == [True] * (to == "all" or name in to)
    if free["thread"] is not None:
        assert sent.id in [message.id for message in one_bus.history(thread=free["thread"])]


def test_a_rebuild_gives_the_same(one_bus: Bus) -> None:
    """After all those bodies: the index made anew from the logs says the same."""
    before = one_bus.history()
    assert one_bus.rebuild() == len(before)
    assert one_bus.history() == before


@settings(max_examples=60)
@given(
    st.tuples(*[st.binary(max_size=12).filter(lambda b: b"\n" not in b)] * 6),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_whatever_a_person_writes(
    tmp_path_factory: pytest.TempPathFactory, parts: tuple[bytes, ...], end: bytes
) -> None:
    """Any bytes in a header, a meta line and a body: nobody is kept from reading and sending."""
    stamp, sender, to, tag, meta, body = parts
    with Bus.open(tmp_path_factory.mktemp("hand"), machine="box") as bus:
        bus.send("roo", "before", sender="claude-code")
        with open(bus.config.log, "ab") as file:
            file.write(
                end + b"## [2026-01-12 " + stamp + b"] x" + sender + "→".encode() + b"all, " + to + b" [" + tag + b"]"
            )
            file.write(
                end + b"<!-- intercom id=abc thread=" + meta + b" progress=99999999999999999999 -->" + end + body
            )
        bus.send("roo", "after", sender="claude-code")
        found = bus.history()
        assert found[0].body.startswith("before")  # what is no header after all is more text of the message before it
        assert [m.body for m in found if m.sender == "claude-code"][-1] == "after"
        ids = [message.id for message in found]
        assert [message.id for message in bus.read("roo")] == [
            m.id for m in found if {"roo", "all"} & set(m.recipients)
        ]
        bus.status()
        bus.search("before after")
        bus.compact(0)
        bus.rebuild()
        assert [message.id for message in bus.history()] == ids


def test_a_log_that_was_there_before(bus: Bus) -> None:
    """What people wrote before the first tool came stays before what that says."""
    bus.config.folder.mkdir(parents=True)
    bus.config.log.write_text("# Ours\n\n## [2026-01-12 10:00:00] user → roo [ASK]\n\nold\n")
    bus.send("roo", "new", sender="claude-code")
    assert [(m.body, m.seq, m.via) for m in bus.read("roo")] == [("old", 1, "hand"), ("new", 2, "tool")]
    assert bus.config.log.read_text().startswith("# Ours")


def test_bodies_of_every_size(bus: Bus) -> None:
    """Nothing, a blank, a megabyte, a line of a megabyte."""
    texts = ["", " ", "\n", "a\n" * 500_000, "b" * 1_000_000]
    sent = [bus.send("roo", text, sender="claude-code") for text in texts]
    found = bus.read("roo")
    assert all(same(one, other) for one, other in zip(sent, found, strict=True))


# -- types, status --------------------------------------------------------------------------------


def test_types_in_both_vocabularies(bus: Bus) -> None:
    """Each is read as it was meant, also where the log has one tag for two types; filters take both words."""
    for to in ("roo", "all"):
        for word in TYPES:
            assert bus.send(to, "x", sender="claude-code", type=word).type == word
    assert [m.type for m in bus.read("roo")] == [*TYPES, *TYPES]
    bus.send("roo", "x", sender="claude-code", type="INFO")
    bus.send("all", "x", sender="claude-code", type="info")
    bus.broadcast("x", sender="claude-code")
    bus.send("roo", "x", sender="claude-code", type="Finding")
    assert [(m.tag, m.type) for m in bus.read("roo")] == [
        ("INFO", "status"), ("INFO", "announce"), ("INFO", "announce"), ("FINDING", "finding"),
    ]  # fmt: skip
    for word, count in (("status", 3), ("announce", 4), ("INFO", 7), ("ASK", 2), ("question", 2), ("finding", 1)):
        assert len(bus.history(type=word)) == count, word
        assert len(bus.read("roo", all=True, type=word)) == count, word


def test_types_that_people_write(bus: Bus) -> None:
    """A hand-written INFO is a status to one and an announcement to all."""
    bus.send("roo", "first", sender="claude-code")
    with open(bus.config.log, "a", encoding="utf-8") as file:
        kinds = (("roo", "INFO"), ("all", "INFO"), ("roo", "REPLY"), ("roo", "CRITICAL"))
        file.writelines(f"\n## [2026-01-12 10:00:00] user → {to} [{tag}]\n\n{tag} to {to}\n" for to, tag in kinds)
    assert [m.type for m in bus.read("roo")] == ["status", "status", "announce", "answer", "critical"]


def test_status_and_progress(bus: Bus) -> None:
    """`status` shows the latest coded message of each sender, 0 percent included."""
    bus.send("roo", "a", sender="claude-code", status="working", progress=0)
    bus.send("roo", "b", sender="claude-code", status="blocked", progress=40)
    bus.send("claude-code", "c", sender="roo", status="done", progress=100)
    bus.send("roo", "no code", sender="claude-code")
    latest = bus.status().latest
    assert {name: (m.body, m.status, m.progress) for name, m in latest.items()} == {
        "claude-code": ("b", "blocked", 40),
        "roo": ("c", "done", 100),
    }


def test_the_bus_at_a_glance(bus: Bus) -> None:
    """What `status` counts."""
    worker = bus.register(pid=os.getpid())
    for number in range(5):
        bus.send(worker.name, str(number), sender="roo")
    bus.broadcast("x", sender="roo")
    bus.read(worker.name, limit=2)
    bus.compact(2)
    found = bus.status()
    assert (found.live, found.archived, found.total) == (2, 4, 6)
    assert found.unread == {worker.name: 4, "claude-code": 1, "user": 1}
    assert ([one.name for one in found.instances], found.agents) == ([worker.name], ["claude-code", "roo"])
    assert (found.root, found.machine, found.log) == (str(bus.config.root), "testbox", str(bus.config.log))


# -- receipts, history, search --------------------------------------------------------------------


def test_receipts(bus: Bus) -> None:
    """Stored, shown, acted on: by an answer that refers to it, or in its thread; each with a time."""
    asked = bus.send("roo", "?", sender="claude-code", type="question")
    [stored] = bus.receipts("claude-code")
    assert (stored.id, stored.to, stored.stored, stored.shown, stored.acted) == (asked.id, "roo", asked.at, None, None)
    bus.read("roo")
    [shown] = bus.receipts("Claude Code", asked.id)
    assert shown.shown is not None
    assert shown.acted is None
    answer = bus.send("claude-code", "!", sender="roo", type="answer", reply_to=asked.id)
    [acted] = bus.receipts("claude-code", asked.id)
    assert (acted.shown, acted.acted, acted.acted_with) == (shown.shown, answer.at, answer.id)
    task = bus.send("roo", "do", sender="claude-code", type="task", thread="t")
    bus.send("claude-code", "hm", sender="roo", thread="t")
    assert bus.receipts("claude-code", task.id)[0].acted is None
    done = bus.send("claude-code", "ok", sender="roo", thread="t", type="done")
    assert bus.receipts("claude-code", task.id)[0].acted_with == done.id
    with pytest.raises(NotFound, match=rf"roo has sent no message '{asked.id}'. `intercom log --from roo`"):
        bus.receipts("roo", asked.id)
    assert [r.id for r in bus.receipts("claude-code")] == [asked.id, task.id]


def test_history(bus: Bus) -> None:
    """Filters, archive included; the newest under a limit; no cursor moves."""
    for number in range(12):
        to = "roo, user" if number % 3 == 0 else "claude-code"
        sender = "claude-code" if number % 3 == 0 else "roo"
        bus.send(to, str(number), sender=sender, thread=f"t{number % 2}", type="ASK" if number > 5 else "INFO")
    middle = bus.history()[6]
    bus.compact(3)

    def texts(**filters: Any) -> list[str]:
        return [message.body for message in bus.history(**filters)]

    assert texts() == [str(number) for number in range(12)]
    assert texts(limit=2) == ["10", "11"]
    assert texts(thread="t1", sender="Roo", limit=2) == ["7", "11"]
    assert texts(to="user") == texts(to="ROO") == ["0", "3", "6", "9"]
    assert texts(to="o") == texts(to="%") == texts(to="_oo") == []
    assert texts(type="question", to="roo") == ["6", "9"]
    assert texts(after=10) == ["10", "11"]
    assert texts(since=middle.at)[-6:] == [str(number) for number in range(6, 12)]
    assert texts(thread="", sender="", to="", type="", since="") == texts()
    assert bus.unread("roo") == 4


@pytest.mark.parametrize(
    "since", ["2026-01-12", "2026-01-12T10:00", "2026-01-12T10:00:00Z", "2026-01-12 12:00:00+02:00"]
)
def test_since(bus: Bus, since: str) -> None:
    """A time in any ISO form, UTC unless it says otherwise; the moment itself counts."""
    bus.send("roo", "x", sender="claude-code")
    with open(bus.config.log, "ab") as file:
        times = ("2026-01-11T23:59:59.999Z", "2026-01-12T10:00:00.000Z")
        header = "\n## [2026-01-12 10:00:00] a → roo [ASK]\n"
        metas = [f"<!-- intercom id=since{number} at={at} -->" for number, at in enumerate(times)]
        file.writelines(f"{header}{meta}\n\n{at}\n".encode() for meta, at in zip(metas, times, strict=True))
    assert [m.body for m in bus.history(since=since)] == ["x", "2026-01-12T10:00:00.000Z"]


def test_search(bus: Bus) -> None:
    """Every word, phrases, prefixes, the archive, later versions of the words; best first; never an error."""
    for body in ("red apple pie", "apple red", "green pear-tree", "ÄPFEL \udc80 rot", "nul\0byte", "worker-1 ready"):
        bus.send("roo", body, sender="claude-code")
    bus.compact(2)

    def texts(query: str) -> set[str]:
        return {message.body for message in bus.search(query)}

    assert texts("red apple") == {"red apple pie", "apple red"}
    assert texts('"red apple"') == {"red apple pie"}
    assert texts("appl*") == {"red apple pie", "apple red"}
    assert texts("äpfel") == {"ÄPFEL \udc80 rot"}
    assert texts("worker-1") == {"worker-1 ready"}
    bus.send("roo", "apple green", sender="claude-code")
    assert "apple green" in texts("apple")
    assert len(bus.search("apple", limit=1)) == 1
    for query in (
        "",
        "   ",
        '"',
        "*",
        "AND",
        "NEAR(",
        "a\0b",
        "\udc80",
        "'; --",
        "(",
        "^x",
        "body:x",
        "{x}",
        "-x",
        "+",
    ):
        bus.search(query)
    assert bus.notices == []


def test_a_word_of_very_many_messages_finds_the_newest(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """To rank them all would take as long as there are; each is found all the same, and a rarer one is ranked."""
    bus.register("worker", "worker-1")
    for number in range(7):
        bus.send("user", f"build {number}" + " and more of it" * (number % 2), sender="worker-1")
    ranked = [one.body for one in bus.search("build")]
    monkeypatch.setattr(search, "_MANY", 6)
    newest = [one.body for one in bus.search("build")]
    assert sorted(ranked) == sorted(newest)
    assert ranked != newest == [one.body for one in reversed(bus.history())]
    assert [one.body for one in bus.search("build", limit=2)] == newest[:2]


@pytest.mark.parametrize("most", [200, 1])
def test_parts_are_found_by_words_as_in_all_texts(bus: Bus, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Whatever is a word to FTS5: it leads to what a look at every text finds, also of what came or changed."""
    texts = [
        "résumé re\u0301sume\u0301",
        "snake_case fooBar2baz",
        "a.b-c/d",
        "x\udc80yz",
        "straße STRASSE",
        "\ue000abc",
    ]
    for body in texts:
        bus.send("roo", body, sender="claude-code")
    bus.search("anything")
    sent = bus.send("roo", "came later: prefixed42", sender="claude-code")
    bus.search("anything")
    page = bus.config.log
    page.write_bytes(page.read_bytes().replace(b"prefixed42", b"suffixed43"))
    bus.send("roo", "unixfoo", sender="claude-code")
    parts = {body[at : at + 3] for body in (*texts, "came later: suffixed43", "unixfoo") for at in range(len(body) - 2)}
    monkeypatch.setattr(terms, "_MANY", most)
    for rebuilt in (False, True):
        found = {part: bus.search(f'"{part}"') for part in parts}
        with monkeypatch.context() as patch:
            patch.setattr(search, "holding", lambda *_: None)
            assert found == {part: bus.search(f'"{part}"') for part in parts}
        assert [one.id for one in found["xed"]] == [sent.id]
        assert len(found["ixf"]) == 1
        if not rebuilt:
            bus.rebuild()


def test_search_finds_parts_ids_and_scripts_without_blanks(bus: Bus) -> None:
    """Words first; then what holds the letters, the newest first; an id finds its message."""
    texts = [
        "the parser is red",
        "parsers, all of them",
        "reparse it",
        "会議は月曜日です",
        "ПРИВЕТ всем",
        "the parser is red",
    ]
    sent = [bus.send("roo", body, sender="claude-code").id for body in texts]

    def found(query: str, limit: int = 50) -> list[int]:
        return [sent.index(message.id) for message in bus.search(query, limit=limit)]

    assert found("parser") == [5, 0, 1]  # equals: the newest first; then parts of words
    assert found("pars") == [5, 2, 1, 0]
    assert found("arse") == [5, 2, 1, 0]
    assert found("RED parse") == [5, 0]
    assert found("pa") == []
    assert found("会議") == [3]
    assert found("月") == [3]
    assert found("曜日で") == [3]
    assert found("ивет") == [4]
    assert found('"is re"') == [5, 0]
    assert set(found("pars*")) == {5, 0, 1}
    assert found("parser", limit=1) == [5]
    assert found(sent[2]) == [2]
    assert found(sent[2][:8].upper()) == [2]
    bus.send("roo", f"see {sent[2]}", sender="claude-code")
    assert [message.body for message in bus.search(sent[2])] == ["reparse it", f"see {sent[2]}"]


# -- wrong arguments ------------------------------------------------------------------------------

WRONG = [None, 5, b"x", ["roo"], 1.5, {"a": 1}, object()]
Call = Callable[[Bus, Any], object]
TEXTS: dict[str, Call] = {
    "to": lambda bus, value: bus.send(value, "x", sender="roo"),
    "message": lambda bus, value: bus.send("roo", value, sender="roo"),
    "sender": lambda bus, value: bus.send("roo", "x", sender=value),
    "type": lambda bus, value: bus.send("roo", "x", sender="roo", type=value),
    "via": lambda bus, value: bus.send("roo", "x", sender="roo", via=value),
    "reader": lambda bus, value: bus.read(value),
    "reader (unread)": lambda bus, value: bus.unread(value),
    "reader (confirm)": lambda bus, value: bus.confirm(value),
    "reader (wait)": lambda bus, value: bus.wait(value, 0),
    "query": lambda bus, value: bus.search(value),
    "sender (receipts)": lambda bus, value: bus.receipts(value),
    "role": lambda bus, value: bus.register(value),
    "name (heartbeat)": lambda bus, value: bus.heartbeat(value),
    "name (signoff)": lambda bus, value: bus.signoff(value),
    "names": lambda bus, value: bus.add_agents([value]),
}
MAYBE: dict[str, Call] = {
    "priority": lambda bus, value: bus.send("roo", "x", sender="roo", priority=value),
    "reply_to": lambda bus, value: bus.send("roo", "x", sender="roo", reply_to=value),
    "thread": lambda bus, value: bus.send("roo", "x", sender="roo", thread=value),
    "status": lambda bus, value: bus.send("roo", "x", sender="roo", status=value),
    "thread (read)": lambda bus, value: bus.read("roo", thread=value),
    "query (read)": lambda bus, value: bus.read("roo", query=value),
    "sender (read)": lambda bus, value: bus.read("roo", sender=value),
    "type (read)": lambda bus, value: bus.read("roo", type=value),
    "to (history)": lambda bus, value: bus.history(to=value),
    "since": lambda bus, value: bus.history(since=value),
    "message_id": lambda bus, value: bus.receipts("roo", value),
    "name": lambda bus, value: bus.register("worker", value),
    "session": lambda bus, value: bus.register("worker", session=value),
}
NUMBERS: dict[str, Call] = {
    "limit": lambda bus, value: bus.read("roo", limit=value),
    "limit (history)": lambda bus, value: bus.history(limit=value),
    "limit (search)": lambda bus, value: bus.search("x", limit=value),
    "after": lambda bus, value: bus.history(after=value),
    "keep": lambda bus, value: bus.compact(value),
    "progress": lambda bus, value: bus.send("roo", "x", sender="roo", progress=value),
    "seconds": lambda bus, value: bus.wait("roo", value),
    "pid": lambda bus, value: bus.register("worker", pid=value),
}
OPTIONAL = {"limit", "limit (history)", "after", "keep", "progress", "pid"}


def test_wrong_types(bus: Bus) -> None:
    """A UsageError that names the argument and what did not happen; never a traceback, never a message."""
    for table in (TEXTS, MAYBE, NUMBERS):
        for name, call in table.items():
            for value in WRONG:
                if (value is None and (table is MAYBE or name in OPTIONAL)) or (table is NUMBERS and value == 5):
                    continue
                if name == "seconds" and value == 1.5:
                    continue
                with pytest.raises(UsageError, match=r"; (nothing was|no agent was)") as caught:
                    call(bus, value)
                assert name.partition(" ")[0].rstrip("s") in str(caught.value), name
    assert bus.history() == []
    assert bus.instances() == []


@pytest.mark.parametrize("value", [True, False, -1, "5", "", math.nan, math.inf, pytest.param(-(10**5000), id="huge")])
def test_wrong_numbers(bus: Bus, value: object) -> None:
    """Booleans, texts, NaN, numbers out of range: each refused."""
    for name, call in NUMBERS.items():
        if name == "seconds" and isinstance(value, int | float) and value == value:  # noqa: PLR0124  # all but NaN
            continue
        with pytest.raises(UsageError, match="; nothing was"):
            call(bus, value)
    assert bus.history() == []


def test_huge_numbers(bus: Bus) -> None:
    """A limit beyond all bounds is no limit; a percentage or a process so large is refused."""
    bus.send("roo", "x", sender="claude-code")
    huge = 10**5000
    assert (
        len(bus.read("roo", all=True, limit=huge))
        == len(bus.history(limit=huge))
        == len(bus.search("x", limit=huge))
        == 1
    )
    assert len(bus.read("roo", limit=huge)) == 1
    assert bus.compact(huge).archived == 0
    for name in ("progress", "pid"):
        with pytest.raises(UsageError, match="far too large; nothing was"):
            NUMBERS[name](bus, huge)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"priority": "high"}, "'high' is not a priority; nothing was sent. Use normal or urgent"),
        ({"status": "busy"}, "'busy' is not a status; nothing was sent. Use one of working"),
        ({"progress": 101}, "progress is 101; nothing was sent"),
        ({"via": "hand"}, "'hand' is not a way to send; nothing was sent"),
        ({"type": "what?"}, "'what\\?' is not a message type; nothing was sent. Use one of task"),
        ({"type": "INFO]\n## [x"}, "is not a message type; nothing was sent"),
    ],
)
def test_wrong_words(bus: Bus, values: dict[str, Any], said: str) -> None:
    """Each error says what to write instead, in one line; nothing is stored."""
    with pytest.raises((UsageError, FormatError), match=said) as caught:
        bus.send("roo", "x", sender="claude-code", **values)
    assert "\n" not in str(caught.value)
    assert bus.history() == []


@pytest.mark.parametrize("since", ["yesterday", "2026-13-45", "12.1.2026", "\udc80", "9" * 100])
def test_what_is_no_time(bus: Bus, since: str) -> None:
    """Refused with a form that is one."""
    with pytest.raises(UsageError, match=r"which is not a time; nothing was read\. Write 2026-01-31"):
        bus.history(since=since)


def test_an_error_stores_nothing(bus: Bus) -> None:
    """After every refusal the log is what it was, byte for byte."""
    bus.send("roo", "x", sender="claude-code")
    before = bus.config.log.read_bytes()
    for values in ({"to": "ro"}, {"sender": "nobody"}, {"type": "a b"}, {"progress": 200}, {"via": "x"}):
        arguments: dict[str, Any] = {"to": "roo", "sender": "claude-code", **values}
        with pytest.raises(IntercomError):
            bus.send(arguments.pop("to"), "x", **arguments)
    with pytest.raises(Refused):
        bus.broadcast("x", sender="user")
    assert bus.config.log.read_bytes() == before
    assert len(bus.history()) == 1


def test_a_bus_closed_and_used(bus: Bus) -> None:
    """Closing ends nothing for good: the next use opens again."""
    bus.send("roo", "x", sender="claude-code")
    bus.close()
    assert [m.body for m in bus.read("roo")] == ["x"]
    begun = time.monotonic()
    assert bus.wait("roo", 0) == []
    assert time.monotonic() - begun < 5


def test_a_moment_has_one_look_but_all_that_this_bus_did(project: Path) -> None:
    """What others send after the look comes later, once; what this bus sent itself is there at once."""
    with Bus.open(project) as bus, Bus.open(project) as other:
        bus.add_agents(["roo", "kilo"])
        with bus.moment():
            assert bus.unread("roo") == 0
            other.send("roo", "later", sender="kilo")
            assert bus.read("roo") == []
            bus.send("roo", "now", sender="kilo")
            assert [one.body for one in bus.read("roo")] == ["later", "now"]
            other.send("roo", "afterwards", sender="kilo")
        assert [one.body for one in bus.read("roo")] == ["afterwards"]
