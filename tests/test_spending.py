"""What agents used: read from their programs' own transcripts, priced, by name and by task; nothing is guessed."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from intercom import Bus
from intercom.core.errors import UsageError
from intercom.fleet.crew import Crew
from intercom.fleet.programs.claude.prices import cost
from intercom.fleet.programs.claude.usage import Meter
from intercom.fleet.programs.codex import usage as codex_usage
from intercom.fleet.programs.gemini import usage as gemini_usage
from intercom.fleet.programs.known import program
from intercom.fleet.programs.opencode import usage as opencode_usage
from intercom.fleet.programs.qwen import usage as qwen_usage
from intercom.fleet.programs.usage import Call
from intercom.fleet.spending import Priced, Spending, Task, by_task, in_words, money, over, short, total
from tests.conftest import Command

OPUS = "claude-opus-5-5"


def reply(ident: str, at: str = "10:00:00", model: str = OPUS, kind: str = "assistant", **usage: Any) -> str:
    """A line of a transcript."""
    message = {"id": ident, "model": model, "usage": {"input_tokens": 0, "output_tokens": 0, **usage}}
    stamp = f"2026-11-01T{at}.000Z"
    return json.dumps({"type": kind, "uuid": f"u-{ident}", "timestamp": stamp, "message": message}) + "\n"


def calls(meter: Meter) -> dict[str, Call]:
    """What it has read."""
    found = meter.calls()
    assert found is not None
    return dict(found)


def test_one_reply_counts_once(tmp_path: Path) -> None:
    """However many lines tell of it, in whichever order and file; the largest numbers are the whole."""
    path = tmp_path / "s.jsonl"
    path.write_text(
        reply("m1", input_tokens=3, output_tokens=2, cache_read_input_tokens=50)
        + reply("m1", "10:00:02", input_tokens=3, output_tokens=90, cache_read_input_tokens=50)
        + reply("m1", "10:00:01", input_tokens=3, output_tokens=5)
        + reply("s1", model="<synthetic>")
        + reply("m9", kind="user", input_tokens=9)
        + '{"type": "assistant", "usage": 1}\n"usage" "assistant"\n'
    )
    folder = tmp_path / "s" / "subagents" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text(reply("m1", output_tokens=90) + reply("m2", output_tokens=7))
    found = calls(Meter(str(path)))
    assert {ident: (call.input, call.output, call.read) for ident, call in found.items()} == {
        "m1": (3, 90, 50),
        "m2": (0, 7, 0),
    }
    assert found["m1"].at == min(call.at for call in found.values())


def test_it_reads_on_as_the_file_grows(tmp_path: Path) -> None:
    """A line that is just being written waits for its end; a file that was replaced is read from its beginning."""
    path = tmp_path / "s.jsonl"
    meter = Meter(str(path))
    assert meter.calls() is None
    line = reply("m1", output_tokens=1)
    path.write_text(line[:40])
    assert calls(meter) == {}
    with path.open("a") as file:
        file.write(line[40:] + reply("m2", output_tokens=1))
    assert set(calls(meter)) == {"m1", "m2"}
    (tmp_path / "new").write_text(reply("m3", output_tokens=1))
    os.replace(tmp_path / "new", path)
    assert set(calls(meter)) == {"m1", "m2", "m3"}
    path.unlink()
    assert set(calls(meter)) == {"m1", "m2", "m3"}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"cache_creation_input_tokens": 10}, (0, 0, 0, 10, 0)),
        (
            {"cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 4}},
            (0, 0, 0, 6, 4),
        ),
        ({"input_tokens": True, "output_tokens": 1}, (0, 1, 0, 0, 0)),
        ({"input_tokens": -5, "output_tokens": "7", "cache_read_input_tokens": 1}, (0, 0, 1, 0, 0)),
        ({"input_tokens": 10**30, "output_tokens": 1, "cache_creation": [1]}, (0, 1, 0, 0, 0)),
    ],
)
def test_odd_numbers(tmp_path: Path, usage: dict[str, Any], counts: tuple[int, ...]) -> None:
    """What is no count of tokens counts for nothing."""
    (tmp_path / "s.jsonl").write_text(reply("m1", **usage))
    assert calls(Meter(str(tmp_path / "s.jsonl")))["m1"][2:7] == counts


@pytest.mark.parametrize(
    ("call", "dollars"),
    [
        (Call(0, OPUS, 3000, 30), 0.0126),  # as Claude Code's own sum has it
        (Call(0, f"{OPUS}[1m]", 3000, 30), 0.0126),
        (Call(0, "claude-haiku-4-5-20251001", 1_000_000), 1.0),
        (Call(0, OPUS, 0, 0, 1_000_000, 1_000_000, 1_000_000), 0.2 + 5 + 8),
        (Call(0, "claude-haiku-5-5", 100_000), 0.01),
        (Call(0, "claude-haiku-5-5", 50_000, read=50_001), 0.05 * 0.5 + 0.050001 * 0.05),
        (Call(0, OPUS, 1, fast=True), None),
        (Call(0, "claude-opus-9", 1), None),
        (Call(0, "us.anthropic.claude-opus-5-5-v1:0", 1), None),
    ],
)
def test_list_prices(call: Call, dollars: float | None) -> None:
    """By the model's name and nothing like it; what the list does not tell is not known."""
    assert cost(call) == (None if dollars is None else pytest.approx(dollars))


def test_a_call_belongs_to_the_newest_task_then(tmp_path: Path) -> None:
    """Two tasks at a time share nothing; what was used before, between and by others belongs to none."""
    made = {"w": [Priced(Call(at, OPUS, int(at)), 0.5) for at in (5, 10, 20, 30, 40)], "v": []}
    tasks = [Task("a", "w", 10, 40), Task("b", "w", 20, 30), Task("c", "v", 0, 50), Task("d", "x", 0, 50)]
    found = by_task(made, tasks)
    assert {key: (one.calls, one.input, one.dollars) for key, one in found.items()} == {
        ("a", "w"): (2, 40, 1.0),
        ("b", "w"): (1, 20, 0.5),
        ("c", "v"): (0, 0, 0.0),
    }


def test_in_words() -> None:
    """As people read it, and honest where something is not known."""
    used = total([Priced(Call(0, OPUS, 1_000_000, 200_000), 2.0), Priced(Call(0, "x", 1), None)])
    assert in_words(used) == "1.2M tokens, price unknown"
    assert in_words(None) == "unknown"
    assert [short(count) for count in (0, 999, 1000, 9_949, 12_345, 999_999, 10**9)] == [
        "0",
        "999",
        "1.0k",
        "9.9k",
        "12k",
        "1.0M",
        "1.0G",
    ]
    assert [money(dollars) for dollars in (0, 0.0126, 1, 12.345)] == ["$0.00", "$0.013", "$1.00", "$12.35"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, ""),
        ({"dollars": 3}, ""),
        ({"dollars": 1, "tokens": 2_000_000}, "over budget: $2.00 of $1.00"),
        ({"dollars": 1, "w": {"dollars": 5}}, ""),
        ({"w": {"tokens": 1000}}, "over budget: 1.2M of 1.0k tokens"),
        ({"other": {"tokens": 1}}, ""),
        ({"dollars": "1"}, "[budget] in .claude/intercom.toml has '1', which is not a number: it is not watched"),
        ({"w": 3}, ""),
    ],
)
def test_a_budget_warns(budget: dict[str, Any], said: str) -> None:
    """For all, or for one; where nothing is known nothing is over."""
    used = total([Priced(Call(0, OPUS, 1_000_000, 200_000), 2.0)])
    assert over(budget, "w", used) == said
    assert over(budget, "w", None) == ""


@pytest.fixture
def crew(project: Path, tmp_path: Path) -> Crew:
    """A worker with a transcript, one without, and one whose program tells nothing."""
    path = tmp_path / "s.jsonl"
    path.write_text(reply("m1", input_tokens=1_000_000) + reply("m2", output_tokens=100_000))
    with Bus.open(project) as bus:
        bus.add_agents(["worker-1", "worker-2", "roo"])
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="idle", pid=os.getpid(), transcript=str(path))
        crew.sessions.record("worker-2", state="idle", pid=os.getpid(), transcript=str(tmp_path / "gone.jsonl"))
        crew.sessions.record("roo", state="idle", pid=os.getpid(), transcript=str(path), program="cline")
    return crew


def test_in_status(project: Path, crew: Crew, command: Command) -> None:
    """As JSON always; in the text where a budget is exceeded, at once, since it only warns."""
    team = {one["name"]: one for one in json.loads(command("status", "--json").stdout)["team"]}
    assert team["worker-1"]["used"] == {
        "calls": 2,
        "input": 1_000_000,
        "output": 100_000,
        "cached": 0,
        "stored": 0,
        "tokens": 1_100_000,
        "dollars": 6.0,
    }
    assert (team["worker-2"]["used"], team["roo"]["used"]) == (None, None)
    assert "budget" not in command("status").stdout
    (project / ".claude" / "intercom.toml").write_text("[budget]\ndollars = 5\n")
    assert "over budget: $6.00 of $5.00" in command("status").stdout


def test_own_prices_come_first(crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest beginning of the model's name; wrong ones are named."""
    config = tmp_path / "config" / "intercom" / "config.toml"
    config.parent.mkdir(parents=True)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    config.write_text(
        "[prices.claude]\ninput = 0\noutput = 0\n[prices.claude-opus-5]\ninput = 1\noutput = 10\ncache_read = 0.5\n"
    )
    with Crew.open(crew.bus.config.root) as again:
        found = Spending(environ).amounts(again.sessions.transcripts())
    assert found["worker-1"].dollars == pytest.approx(2.0)
    for wrong in (
        "claude = 1",
        "[prices.x]\ninput = 1",
        '[prices.x]\ninput = 1\noutput = "2"',
        "[prices.x]\noutput=-1",
    ):
        config.write_text(f"[prices]\n{wrong}\n")
        with pytest.raises(UsageError, match=r"config\.toml.*no price is known"):
            Spending(environ)


def test_who_was_torn_down_is_another(crew: Crew, tmp_path: Path) -> None:
    """The next of a name begins at nothing; an heir goes on, and what the former used is still known to the report."""
    more = tmp_path / "heir.jsonl"
    more.write_text(reply("m2", output_tokens=100_000) + reply("m3", output_tokens=1))
    with Crew.open(crew.bus.config.root) as again:
        spending = Spending({})
        again.sessions.record("worker-1", state="idle", pid=os.getpid(), transcript=str(more))
        assert spending.amounts(again.sessions.transcripts())["worker-1"].calls == 3  # m2 was taken over
        again.sessions.drop("worker-1")
        assert "worker-1" not in spending.amounts(again.sessions.transcripts())
        former = spending.of(again.sessions.transcripts(), former=True)
        assert len(former["worker-1"]) == 3


def rollout(kind: str, payload: dict[str, Any], at: str = "10:00:00") -> str:
    """A line of Codex's."""
    return json.dumps({"timestamp": f"2026-11-01T{at}.000Z", "type": kind, "payload": payload}) + "\n"


def counted(total: int, read: int = 0) -> str:
    """What Codex tells after a reply, and again whenever a rate limit changes."""
    usage = {"input_tokens": 1000, "cached_input_tokens": read, "output_tokens": 10, "reasoning_output_tokens": 4}
    info = {"total_token_usage": {"total_tokens": total}, "last_token_usage": usage}
    return rollout("event_msg", {"type": "token_count", "info": info})


def recorded(ident: str, **usage: int) -> str:
    """What newer ones tell with it."""
    return rollout("token_usage_record", {"response_id": ident, "usage": {"input_tokens": 1000, **usage}})


TURN = rollout("session_meta", {"id": "s1"}) + rollout("turn_context", {"model": "gpt-x"})


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([counted(1010), counted(1010), counted(2020, 600)], [(1000, 10, 0, 0), (400, 10, 600, 0)]),
        ([recorded("r1", output_tokens=10), counted(1010)], [(1000, 10, 0, 0)]),
        ([recorded("r1", cached_input_tokens=300, cache_write_input_tokens=200)] * 2, [(500, 0, 300, 200)]),
        (["not json token_count\n", rollout("event_msg", {"type": "token_count", "info": None})], []),
        ([recorded("r1", output_tokens=-5, input_tokens=10**30)], []),
    ],
    ids=["events", "records", "again", "torn", "absurd"],
)
def test_what_codex_tells(tmp_path: Path, lines: list[str], found: list[tuple[int, ...]]) -> None:
    """Each reply once, whichever version wrote it; what a cache had is part of what went in."""
    path = tmp_path / "rollout.jsonl"
    meter = codex_usage.Meter(str(path))
    assert meter.calls() is None
    path.write_text(TURN)
    for line in lines:
        with path.open("a") as file:
            file.write(line)
        assert meter.calls() is not None
    calls = list((meter.calls() or {}).values())
    assert [(one.input, one.output, one.read, one.write) for one in calls] == found
    assert {one.model for one in calls} <= {"gpt-x"}


GEMINI = {"type": "gemini", "timestamp": "2026-11-28T20:43:13.943Z", "content": "", "model": "gemini-2.5-pro"}
THOUGHT = {"input": 1000, "output": 10, "cached": 300, "thoughts": 20, "tool": 5, "total": 1035}


def lines(*found: dict[str, Any]) -> str:
    """As a program writes them."""
    return "".join(f"{json.dumps(one)}\n" for one in found)


def counts(meter: Any) -> list[tuple[int, ...]]:
    """Input, output, cached and stored of each reply."""
    return [(one.input, one.output, one.read, one.write) for one in (meter.calls() or {}).values()]


def test_what_gemini_cli_tells(tmp_path: Path) -> None:
    """Each reply once, whichever lines repeat it; its subagents', too; the file is found by the session's id."""
    chats = tmp_path / ".gemini" / "tmp" / "p" / "chats"
    environ = {"HOME": str(tmp_path)}
    session = "7dcef555-d895-47ea-9c13-eb76e62a9abf"
    assert gemini_usage.chat(session, environ) is None
    chats.mkdir(parents=True)
    path = chats / "session-2026-11-28T20-43-7dcef555.jsonl"
    said = {**GEMINI, "id": "a", "tokens": {**THOUGHT, "cached": 0, "thoughts": 0, "tool": 0}}
    again = {**said, "toolCalls": [{"id": "x"}]}
    second = {**GEMINI, "id": "b", "tokens": THOUGHT}
    old = {"$set": {"messages": [{"type": "user", "id": "u"}, again, second]}}
    path.write_text(
        lines({"sessionId": session, "kind": "main"}, said, again, old)
        + '{"tokens"\n'
        + lines(
            {**GEMINI, "id": "c", "tokens": None},
            {**GEMINI, "id": "d", "tokens": {"input": -1}},
            {"$set": {"messages": [3], "tokens": 1}},
        )
    )
    assert gemini_usage.chat(session, environ) == str(path)
    meter = gemini_usage.Meter(str(path))
    assert counts(meter) == [(1000, 10, 0, 0), (705, 30, 300, 0)]
    inside = chats / session
    inside.mkdir()
    (inside / "sub.jsonl").write_text(lines({"sessionId": "sub", "kind": "subagent"}, {**second, "id": "e"}))
    assert len(counts(meter)) == 3
    (chats / "session-2026-11-29T20-43-7dcef555.jsonl").touch()
    assert gemini_usage.chat(session, environ) is None  # which of the two is not known
    assert gemini_usage.Meter(str(tmp_path / "gone.jsonl")).calls() is None


def test_what_qwen_code_tells(tmp_path: Path) -> None:
    """By its telemetry, which knows its own upkeep, too; else by the replies. What it thought is in what came out."""
    stamp = "2026-11-28T20:43:20.971Z"
    event = {
        "event.name": "qwen-code.api_response",
        "response_id": "r1",
        "model": "qwen3",
        "input_token_count": 1000,
        "output_token_count": 10,
        "cached_content_token_count": 400,
        "thoughts_token_count": 4,
        "total_token_count": 1010,
    }
    telemetry = {"uuid": "t", "type": "system", "timestamp": stamp, "systemPayload": {"uiEvent": event}}
    other = {**telemetry, "systemPayload": {"uiEvent": {**event, "event.name": "qwen-code.api_response_cached"}}}
    upkeep = {**telemetry, "systemPayload": {"uiEvent": {**event, "response_id": "r2", "subagent_name": "memory"}}}
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 10, "totalTokenCount": 1010}
    reply = {"uuid": "a", "type": "assistant", "timestamp": stamp, "model": "qwen3", "usageMetadata": usage}
    path = tmp_path / "chat.jsonl"
    path.write_text(lines(telemetry, reply, other, upkeep, telemetry, {"type": "system", "usageMetadata": 1}))
    assert counts(qwen_usage.Meter(str(path))) == [(600, 10, 400, 0)] * 2
    path.write_text(lines(reply, {**reply, "uuid": "b", "usageMetadata": None}))
    assert counts(qwen_usage.Meter(str(path))) == [(1000, 10, 0, 0)]


def test_what_opencode_tells(tmp_path: Path) -> None:
    """A session and what it began, as they grow; its own price, where it has one; other sessions are others."""
    path = tmp_path / "opencode.db"
    meter = opencode_usage.Meter(f"{path}#ses_a")
    assert meter.calls() is None
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("CREATE TABLE session (id text PRIMARY KEY, parent_id text)")
        db.execute("CREATE TABLE message (id text PRIMARY KEY, session_id text, time_updated integer, data text)")
        db.executemany("INSERT INTO session VALUES (?, ?)", [("ses_a", None), ("ses_b", "ses_a"), ("ses_c", None)])

        def put(ident: str, session: str, at: int, **more: Any) -> None:
            data = {"role": "assistant", "modelID": "m", "time": {"created": at}, **more}
            row = (ident, session, at, json.dumps(data))
            db.execute("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?)", row)
            db.commit()

        tokens = {"input": 600, "output": 7, "reasoning": 3, "cache": {"read": 400, "write": 50}}
        put("m0", "ses_a", 1000, role="user")
        put("m1", "ses_a", 1000, tokens={**tokens, "output": 0}, cost=0)
        assert counts(meter) == [(600, 3, 400, 50)]
        put("m1", "ses_a", 2000, tokens=tokens, cost=0.25)
        put("m2", "ses_b", 2000, tokens=tokens, cost=0)
        put("m3", "ses_c", 2000, tokens=tokens, cost=1)
        put("m4", "ses_a", 2000, tokens=[], cost=float("inf"))
        assert counts(meter) == [(600, 10, 400, 50)] * 2
        found = [program("opencode").cost(call) for call in (meter.calls() or {}).values()]
        assert found == [0.25, None]
        db.execute("DROP TABLE message")
    assert len(counts(meter)) == 2
    assert opencode_usage.transcript("s", {"HOME": "/h"}) == "/h/.local/share/opencode/opencode.db#s"
    assert opencode_usage.transcript("s", {"XDG_DATA_HOME": "/x", "OPENCODE_DB": "o.db"}) == "/x/opencode/o.db#s"
    assert opencode_usage.transcript("s", {}) is None


def test_a_worker_of_codex_is_counted(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokens are known, its price only where the person names it."""
    path = tmp_path / "rollout.jsonl"
    path.write_text(TURN + recorded("r1", output_tokens=10))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="idle", pid=os.getpid(), transcript=str(path), program="codex")
        used = crew.sessions.transcripts()
        assert in_words(Spending(os.environ).amounts(used)["worker-1"]) == "1.0k tokens, price unknown"
        (tmp_path / "intercom").mkdir()
        (tmp_path / "intercom" / "config.toml").write_text("[prices.gpt]\ninput = 1000\noutput = 100\n")
        assert Spending(os.environ).amounts(used)["worker-1"].dollars == pytest.approx(1.001)
