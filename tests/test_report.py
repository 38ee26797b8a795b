"""`intercom report`: what a history amounts to, and the file that shows it, whatever the messages hold."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom import Bus
from intercom.bus.figures import FIRST_ACT, MERGE, PERMISSION, QUESTION, TASK, figures
from intercom.cli.report_chart import duration
from intercom.cli.report_cost import costs, tables
from intercom.cli.report_page import page
from intercom.core import contract
from intercom.core.message import Message, epoch, tag_of, utc
from intercom.fleet.crew import Crew
from intercom.fleet.programs.usage import Call
from intercom.fleet.spending import Amount, Priced
from tests.conftest import Command
from tests.test_spending import reply

START = 1_767_225_600.0  # 2026-01-01
HOSTILE = (
    "<script>document.title='broken'</script>",
    "</pre></article></main><script>document.title='broken'</script>",
    "<img src=x onerror=\"document.title='broken'\">",
    '"><svg onload=document.title="broken">',
    "<style>*{display:none}</style><link rel=stylesheet href=http://127.0.0.1:9/x>",
    "<iframe src='http://127.0.0.1:9/'></iframe><meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "javascript:document.title='broken' <a href=\"javascript:document.title='broken'\">x</a>",
    "\x1b[2J\x00\u202e\u2028</title><base href=http://127.0.0.1:9/>",
)


class Talk:
    """Messages at chosen seconds."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def say(self, at: float, sender: str, to: str, type: str = "status", body: str = "…", **more: object) -> Message:
        """Add one; its id tells its place."""
        number = len(self.messages) + 1
        said = Message(f"m{number:011d}", number, utc(START + at), sender, to, tag_of(type)[0], type, body)
        self.messages.append(said._replace(**more))  # type: ignore[arg-type]  # as each test names them
        return self.messages[-1]


def test_a_day() -> None:
    """Each kind of wait, from whom for whom, and what is open."""
    talk = Talk()
    task = talk.say(0, "master", "worker-1", "task", "Build it.")
    talk.say(30, "worker-1", "master")
    asked = talk.say(60, "worker-1", "master", "question", "Which one?")
    talk.say(70, "worker-2", "master")
    talk.say(100, "master", "worker-1", "answer", reply_to=asked.id)
    wish = talk.say(110, "worker-1", "master", "question", "Bash: rm x", urgent=True, thread="r1")
    talk.say(120, "master", "worker-1", "answer", reply_to=wish.id, thread="r1")
    talk.say(600, "worker-1", "master", "done", reply_to=task.id)
    late = talk.say(700, "worker-2", "user", "question", "And now?")
    found = figures(talk.messages, {"worker-1": utc(START + 900)})
    waits = {wait.kind: wait for wait in found.waits if wait.id != late.id}
    assert {kind: wait.seconds(START) for kind, wait in waits.items()} == {
        FIRST_ACT: 30,
        TASK: 600,
        QUESTION: 40,
        PERMISSION: 10,
        MERGE: 300,
    }
    assert (waits[TASK].who, waits[TASK].whom, waits[TASK].title) == ("master", "worker-1", "Build it.")
    assert [(wait.id, wait.whom, wait.seconds(START + 760)) for wait in found.open] == [(late.id, "user", 60)]
    assert found.summary(START + 760)[QUESTION] == {
        "count": 2,
        "open": 1,
        "median": 50,
        "worst": 60,
        "worst_id": late.id,
    }
    assert found.pairs[0] == ("worker-1", "master", 4)
    assert json.loads(json.dumps(found.to_json(START + 760)))["open"] == [late.id]


def test_a_task_for_two_and_one_that_never_ends() -> None:
    """Each worker has a task of its own; what was done for another task is not taken for this one."""
    talk = Talk()
    first = talk.say(0, "master", "a, b", "task", "Both of you.")
    second = talk.say(10, "master", "a", "task", "And this.")
    talk.say(20, "a", "master", "done", reply_to=second.id)
    talk.say(30, "b", "master", "done")
    tasks = figures(talk.messages).tasks
    assert {(wait.id, wait.whom): wait.until[17:19] for wait in tasks} == {
        (first.id, "a"): "",
        (first.id, "b"): "30",
        (second.id, "a"): "20",
    }


def test_a_contract_reads_as_words() -> None:
    """Its JSON is for machines; one that is not a valid contract stands as it is."""
    talk = Talk()
    talk.say(
        0, "master", "worker-1", "task", contract.build(contract.Contract("tester", "Try it.", report_back=("a",)))
    )
    talk.say(1, "master", "worker-1", "task", '{"kind": "task_contract", "v": "<b>"}')
    text = page("p", talk.messages, figures(talk.messages), START)
    assert "Try it.\n\nReport back: a." in text
    assert "role_instructions" not in text
    assert '"v": "&lt;b>"' in text


def test_nothing() -> None:
    """No messages: a page that says so."""
    assert "No messages." in page("p", [], figures([]), START)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (7_800, "2 h 10 min")],
)
def test_durations(seconds: float, said: str) -> None:
    """As people say them."""
    assert duration(seconds) == said


class Reader(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.texts: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and what it has."""
        self.tags.append((tag, [name for name, _ in attrs]))
        self._in = tag
        for name, value in attrs:
            if name == "href":
                assert value is not None
                assert value.startswith("#m-")
            assert name not in {"src", "style", "srcset"}
            assert not name.startswith("on")

    def handle_data(self, data: str) -> None:
        """Note a message's text."""
        if self._in == "pre":
            self.texts.append(data)


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=40), min_size=1, max_size=5))
def test_no_text_becomes_markup(texts: list[str]) -> None:
    """Bodies, names, threads and ids: the page has the elements that we wrote, and the texts as texts."""
    talk, plain = Talk(), Talk()
    for text in texts:
        talk.say(1, text, text, "question", text, thread=text, reply_to=text)
        plain.say(1, "a", "a", "question", "a", thread="a", reply_to="a")
    found, expected = Reader(), Reader()
    found.feed(page(texts[0], talk.messages, figures(talk.messages), START))
    expected.feed(page("a", plain.messages, figures(plain.messages), START))
    known = {tag for tag, _ in expected.tags} | {"li", "a", "rect", "tr", "td", "th", "text"}
    assert {tag for tag, _ in found.tags} <= known
    assert sum(tag in {"script", "style", "pre"} for tag, _ in found.tags) == 2 + len(texts)


TEXT = 'the build of the parser fails on main, don\'t merge what "nobody" owns; say which & when I can go on -> next'


def often(kind: str, count: int) -> Talk:
    """So many messages of one kind, of 155 characters each."""
    talk, pick, words = Talk(), random.Random(1), TEXT.split()
    for number in range(count):
        worker, before = f"worker-{number // 2 % 6}", talk.messages[-1].id if talk.messages else None
        text = " ".join(pick.choices(words, k=60))[:155]
        if kind == "by hand":
            talk.say(number * 7, worker, "master", body=text, via="hand")
        elif kind == "threads":
            ask = ("question", "answer")[number % 2]
            talk.say(number * 7, worker, "master", ask, text, thread=f"parser-{number // 10}", reply_to=before)
        elif kind == "contracts" and number % 2:
            talk.say(number * 7, worker, "master", "done", text, reply_to=before)
        elif kind == "contracts":
            task = contract.build(contract.Contract("tester", text, report_back=("branch", "commit")))
            talk.say(number * 7, "master", worker, "task", task)
        else:
            talk.say(number * 7, worker, "master", body=text)
    return talk


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["by tools", "by hand", "threads", "contracts"])
def test_ten_thousand_messages_stay_small(kind: str) -> None:
    """Under 3 MB, the picture included; more than half of that is the text itself."""
    talk = often(kind, 10_000)
    assert len(page("p", talk.messages, figures(talk.messages), START + 100_000).encode()) < 3_000_000


def test_days_stand_above_their_messages() -> None:
    """Each once, also where a day has more messages than are laid out together; a text keeps its first blank line."""
    talk = often("by hand", 120)
    talk.say(200_000, "a", "b", body="\n\nlate")
    text = page("p", talk.messages, figures(talk.messages), START)
    days = {time.strftime("%Y-%m-%d", time.localtime(epoch(one.at))) for one in talk.messages}
    assert sorted(re.findall(r"<h3>([\d-]+)</h3>", text)) == sorted(days)
    assert text.count("<div>") >= len(days) + 1
    assert text.count("<div>") == text.count("</div>") - text.count('<div class="wide">')
    assert "<pre>\n\n\nlate</pre>" in text


def test_ten_thousand_of_which_much_is_open_stay_small() -> None:
    """The same with questions and tasks that nobody answers: what is not drawn or listed is counted."""
    talk = Talk()
    for number in range(10_000):
        kind = ("status", "question", "task", "status", "done")[number % 5]
        whom = f"worker-{number % 5}"
        talk.say(number, f"worker-{number % 6}", whom, kind, f"Step {number} of the work is to be done by one of you.")
    found = figures(talk.messages)
    text = page("p", talk.messages, found, START + 20_000)
    assert len(text.encode()) < 3_000_000
    assert text.count("<li>") == 201
    assert f"and {len(found.open) - 200} more; " in text
    assert re.search(r"task: Step \d+ of the work [^<]*, and \d+ more</title>", text)


def test_as_a_command(project: Path, command: Command) -> None:
    """A file by default or by name, or figures as JSON; nothing is marked as read, and trouble is said."""
    with Bus.open(project) as bus:
        bus.add_agents(["roo", "claude-code"])
        bus.send("roo", "hello", sender="claude-code", type="question")
    assert "1 open" in command("report").stdout
    assert "hello" in (project / "intercom-report.html").read_text(encoding="utf-8")
    assert command("report", "-o", "-").stdout.startswith("<!DOCTYPE html>")
    assert json.loads(command("report", "--json").stdout)["summary"]["question"]["open"] == 1
    assert "No messages" in command("report", "--since", "2999-01-01", "-o", "-").stdout
    (project / "folder").mkdir()
    for name in ("no/such/folder.html", "folder", *(["CON", "NUL"] if os.name == "nt" else [])):
        refused = command("report", "-o", name)
        assert (refused.returncode, "there is no report" in refused.stderr) == (1, True)
    assert sorted(os.listdir(project)) == [".claude", "folder", "intercom-report.html"]
    with Bus.open(project) as bus:
        assert [message.body for message in bus.read("roo")] == ["hello"]


@pytest.mark.parametrize("name", ["archive/INTERCOM-testbox-000001.md", ".intercom/state.db", "INTERCOM-testbox.md"])
def test_not_over_what_is_ours(project: Path, command: Command, name: str) -> None:
    """A slip, or a text that asks for it, does not put a report where the ledger is, by whatever path."""
    with Bus.open(project) as bus:
        bus.register("worker")
        bus.send("user", "mine", sender="worker-1")
        ours = bus.config.folder / name
    (project / "link").symlink_to(ours.parent)
    before = ours.read_bytes()
    for path in (str(ours), os.path.relpath(ours, project), f"link/{ours.name}"):
        done = command("report", "-o", path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "only Intercom's own files" in done.stderr
    assert ours.read_bytes() == before


def test_what_it_used(project: Path, tmp_path: Path, command: Command) -> None:
    """By agent and by task, in the file and as figures; unknown where nothing tells; edits are marked."""
    with Bus.open(project) as bus:
        bus.add_agents(["ann", "bob"])
        task = bus.send("ann", "Build it.", sender="bob", type="task")
        bus.send("bob", "done", sender="ann", type="done", reply_to=task.id)
        bus.send("bob", "a typo heer", sender="ann")
        path = bus.config.log
    path.write_text(path.read_text(encoding="utf-8").replace("heer", "here"), encoding="utf-8")
    transcript = tmp_path / "s.jsonl"
    at = task.at[11:19]
    lines = reply("m1", at, input_tokens=1000) + reply("m2", "23:59:59" if at < "23:59:50" else at, output_tokens=500)
    transcript.write_text(lines.replace("2026-11-01", task.at[:10]))
    with Crew.open(project) as crew:
        crew.sessions.record("ann", state="idle", pid=os.getpid(), transcript=str(transcript))
    text = command("report", "-o", "-").stdout
    assert "What it used" in text
    assert '<tr><th>bob</th><td colspan="6">unknown</td></tr>' in text
    assert "<u>edited</u>" in text
    found = json.loads(command("report", "--json").stdout)
    assert found["used"]["agents"]["ann"]["tokens"] == 1500
    assert found["used"]["agents"]["bob"] is None
    assert [one["worker"] for one in found["used"]["tasks"]] == ["ann"]
    assert len(found["edited"]) == 1


def test_shares_of_tasks() -> None:
    """What was used in a task's time is its own; the rest is only the agent's."""
    talk = Talk()
    first = talk.say(0, "master", "a", "task", "<b>One</b>")
    talk.say(20, "a", "master", "done", reply_to=first.id)
    talk.say(30, "b", "master")
    used = {"a": [Priced(Call(START + at, "x", 10), 1.0) for at in (5, 25)]}
    cost = costs(figures(talk.messages), used)
    assert cost.tasks[first.id, "a"] == Amount(1, 10, 0, 0, 0, 1.0)
    assert (cost.agents["a"], cost.agents["b"]) == (Amount(2, 20, 0, 0, 0, 2.0), None)
    assert "&lt;b&gt;One" in tables(cost)
    assert costs(figures(talk.messages), used, START + 10).agents["a"] == Amount(1, 10, 0, 0, 0, 1.0)
    assert tables(costs(figures(talk.messages), {})) == ""


@pytest.mark.slow
def test_in_a_browser(tmp_path: Path) -> None:
    """No text of a message runs, loads or hides anything in a real one, and its own search does run."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("CHROMIUM IS NOT INSTALLED: nothing was tried in a real browser (Debian: apt-get install chromium)")
    talk = Talk()
    for text in HOSTILE:
        talk.say(1, text, text, "question", text, thread=text)
        talk.say(2, text, text, "task", text)
    found = figures(talk.messages)
    used = {text: [Priced(Call(START + 3, text, 10), None)] for text in HOSTILE}
    text = page("p", talk.messages, found, START, costs(found, used), {one.id for one in talk.messages})
    (tmp_path / "report.html").write_text(text, encoding="utf-8", errors="backslashreplace")
    line = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    line += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    line += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=2000"]
    line += ["--dump-dom", (tmp_path / "report.html").as_uri()]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=120)
    assert "<title>Intercom report: p</title>" in done.stdout
    assert done.stdout.count("<pre>") == 2 * len(HOSTILE)
    assert [said for said in done.stderr.splitlines() if "CONSOLE" in said] == []
