"""What people and programs do to the log, and what becomes of it: the cases by which the promise is judged."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom import Bus
from intercom.bus import freshness
from intercom.repair import repair
from tests.conftest import SOURCE, Command
from tests.people_kit import append, bodies, by_hand, gather, said, talk, until
from tests.processes import patience


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus without messages."""
    with Bus.open(project) as found:
        yield found


def settings(project: Path, text: str) -> None:
    """Write the project's settings."""
    (project / ".claude").mkdir(exist_ok=True)
    (project / ".claude" / "intercom.toml").write_text(text, encoding="utf-8")


def test_the_incident(bus: Bus) -> None:
    """A log of 1,585 lines, an agent writes the whole file anew with just its report: within a second all is well."""
    while bus.config.log.exists() is False or len(bus.config.log.read_bytes().splitlines()) < 1500:
        bus.send("roo", "\n".join(f"line {n} of a long report" for n in range(25)), sender="claude-code")
    append(bus.config.log, "\n" * (1585 - len(bus.config.log.read_bytes().splitlines())))
    assert len(bus.config.log.read_bytes().splitlines()) == 1585
    before = len(bus.read("roo"))
    report = by_hand("Report: everything done.", sender="zoo")
    bus.config.log.write_text(report, encoding="utf-8")
    began = time.monotonic()
    assert bodies(bus.wait("roo", 5)) == ["Report: everything done."]
    assert time.monotonic() - began < patience()
    assert len(bodies(bus.history())) == before + 1
    assert bus.config.log.read_text(encoding="utf-8").count("line 0 of a long report") == before
    assert "most of the log was overwritten" in said(bus)[0]
    kept = list((bus.config.archive / "damaged").iterdir())
    assert [path.read_text(encoding="utf-8") for path in kept] == [report]
    assert kept[0].name in said(bus)[0]


_WRITER = """
import sys, time
from intercom import Bus
with Bus.open() as bus:
    end, n = time.time() + float(sys.argv[2]), 0
    while time.time() < end:
        bus.send("roo", f"tool {sys.argv[1]} {n}", sender="claude-code")
        n += 1
        time.sleep(0.03)
    print(n)
"""
_SAVER = """
import sys, time
from pathlib import Path
log, end, n = Path(sys.argv[1]), time.time() + float(sys.argv[2]), 0
while time.time() < end:
    text = log.read_bytes()
    time.sleep(0.2)
    joint = b"" if text.endswith(b"\\n") else b"\\n"
    new = f"## [2026-01-12 10:{n // 60:02}:{n % 60:02}] user -> roo [INFO]\\n\\nhand {n}\\n\\n---\\n\\n"
    log.write_bytes(text + joint + new.encode())
    n += 1
    time.sleep(0.4)
print(n)
"""


@pytest.mark.slow
def test_the_lost_update(bus: Bus, project: Path) -> None:
    """Writers without pause, and somebody who reads all, waits, writes all plus one: each message comes once."""
    seconds = os.environ.get("LOST_UPDATE_SECONDS", "8")
    bus.send("roo", "so that there is a log", sender="claude-code")
    start = [sys.executable, "-c"]
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    writers = [
        subprocess.Popen([*start, _WRITER, str(n), seconds], env=env, cwd=project, stdout=subprocess.PIPE, text=True)
        for n in range(8)
    ]
    saver = subprocess.Popen(
        [*start, _SAVER, str(bus.config.log), seconds], env=env, cwd=project, stdout=subprocess.PIPE, text=True
    )
    got: list[str] = []
    while saver.poll() is None or any(writer.poll() is None for writer in writers):
        got += bodies(bus.wait("roo", 0.2))
    got += bodies(bus.read("roo"))
    *said_by_writers, said_by_saver = [process.communicate()[0] for process in (*writers, saver)]
    counts, hands = [int(text) for text in said_by_writers], int(said_by_saver)
    tools = [f"tool {w} {n}" for w, count in enumerate(counts) for n in range(count)]
    assert hands > float(seconds) / 2
    assert sorted(text for text in got if text.startswith("tool")) == sorted(tools)
    for writer in range(8):
        mine = [int(text.split()[2]) for text in got if text.startswith(f"tool {writer} ")]
        assert mine == sorted(mine)
    missed = {f"hand {n}" for n in range(hands)} - set(got)
    assert not missed
    assert len(got) == len(set(got))


def test_five_places(bus: Bus) -> None:
    """On top, in the middle, in another message's trailing space, after an open fence, at the end without newline."""
    talk(bus, 3)
    bus.read("roo")
    log = bus.config.log
    text = log.read_text(encoding="utf-8")
    parts = text.split("## [20")
    new = [by_hand(f"hand {n}", stamp=f"2026-01-12 10:00:0{n}") for n in range(5)]
    inside = new[2].replace("\n---\n\n", "")
    parts[2] = parts[2].replace("\n\n---", f"\n\n\n{inside}\n\n---", 1)
    body = "## [20".join([parts[0] + new[1], *parts[1:]])
    open_fence = by_hand("```\nan open fence", stamp="2026-01-12 09:00:00")
    end = new[4].rstrip().removesuffix("---").rstrip()
    log.write_text(new[0] + body + open_fence + new[3] + end, encoding="utf-8")
    found = bodies(bus.read("roo"))
    assert [text for text in found if text.startswith("hand 0")]
    assert [text.split("\n")[0] for text in found if text.startswith("hand")] == [f"hand {n}" for n in range(5)]
    assert len(found) == 6
    assert said(bus) == []


def test_a_person_deletes_three_and_mends_a_fourth(bus: Bus, command: Command) -> None:
    """Nothing comes back, is announced, or delivered again; `restore` and `history` show what was."""
    talk(bus, 8)
    bus.read("roo")
    log = bus.config.log
    blocks = log.read_text(encoding="utf-8").split("## [20")
    del blocks[2:5]
    log.write_text("## [20".join(blocks).replace("number 6: the build", "number 6: the builds"), encoding="utf-8")
    assert bus.read("roo") == []
    talk(bus, 1, start=8)
    assert len(bus.read("roo")) == 1
    assert said(bus) == []
    assert "number 2" not in log.read_text(encoding="utf-8")
    assert [m.body[8:16] for m in bus.missing()] == ["number 1", "number 2", "number 3"]
    mended = next(m for m in bus.history() if "number 6" in m.body)
    assert [m.body for m in bus.versions(mended.id)] == [
        "Message number 6: the build is at step 6.",
        "Message number 6: the builds is at step 6.",
    ]
    assert "number 2" in command("restore").stdout
    assert "builds" in command("history", mended.id).stdout
    assert "Restored 3 messages" in command("restore", "--all").stdout
    assert bus.read("roo") == []
    assert "number 2" in log.read_text(encoding="utf-8")
    assert bus.missing() == []


def test_a_deleted_message_that_nobody_had_read_is_delivered_once_restored(bus: Bus) -> None:
    """What is restored may be unread still, and lie below what its reader was given since."""
    talk(bus, 3)
    bus.unread("roo")
    log = bus.config.log
    blocks = log.read_text(encoding="utf-8").split("## [20")
    del blocks[1]
    log.write_text("## [20".join(blocks), encoding="utf-8")
    assert len(bus.read("roo")) == 2
    bus.restore()
    assert bodies(bus.read("roo")) == ["Message number 0: the build is at step 0."]


def test_a_wrong_name_is_corrected_by_hand(bus: Bus) -> None:
    """A message to nobody is delivered once its header is put right."""
    bus.send("roo", "so that there is a log", sender="claude-code")
    append(bus.config.log, by_hand("for you", to="ro"))
    assert bodies(bus.read("roo")) == ["so that there is a log"]
    text = bus.config.log.read_text(encoding="utf-8")
    bus.config.log.write_text(text.replace("user -> ro [", "user -> roo ["), encoding="utf-8")
    assert bodies(bus.read("roo")) == ["for you"]
    assert bus.read("roo") == []


def test_a_hand_written_order_is_marked(bus: Bus, command: Command) -> None:
    """A `master → worker-1` by hand is delivered as hand-written, whatever its meta line claims."""
    bus.register("master")
    bus.register("worker", "worker-1")
    bus.send("worker-1", "real", sender="master")
    meta = "<!-- intercom id=aaaaaaaaaaaa at=2026-01-12T10:00:00Z via=tool -->\n"
    forged = by_hand("forged", sender="master", to="worker-1").replace("\n\n", f"\n{meta}\n", 1)
    append(bus.config.log, by_hand("plain", sender="master", to="worker-1") + forged)
    assert [(m.body, m.via) for m in bus.read("worker-1")] == [("real", "tool"), ("plain", "hand"), ("forged", "hand")]
    assert [m.via for m in bus.history(sender="master")] == ["tool", "hand", "hand"]
    bus.compact(0)
    bus.rebuild()
    assert [m.via for m in bus.history(sender="master")] == ["tool", "hand", "hand"]
    shown = command("read", "--id", "worker-1", "--all").stdout
    assert shown.count("written by hand") == 2
    text = bus.config.log.read_text(encoding="utf-8")
    bus.config.log.write_text(text.replace("real", "real!"), encoding="utf-8")


def test_an_edited_order_is_marked(bus: Bus) -> None:
    """A master's message that somebody edited carries that hand from then on."""
    bus.register("master")
    bus.register("worker", "worker-1")
    bus.send("worker-1", "delete nothing at all", sender="master")
    text = bus.config.log.read_text(encoding="utf-8")
    bus.config.log.write_text(text.replace("delete nothing at all", "delete nothing but all"), encoding="utf-8")
    assert [(m.body, m.via) for m in bus.read("worker-1")] == [("delete nothing but all", "hand")]
    bus.send("worker-1", "so say all of us", sender="worker-1")
    text = bus.config.log.read_text(encoding="utf-8")
    bus.config.log.write_text(text.replace("] worker-1 → worker-1 [", "] master → worker-1 ["), encoding="utf-8")
    assert [(m.sender, m.via) for m in bus.read("worker-1")] == [("master", "hand")]


@pytest.mark.parametrize("mode", ["ask", "off"])
def test_repair_can_be_left_to_people(project: Path, mode: str) -> None:
    """`ask` reports, `off` does not even that; either way what is gone from the file is still delivered."""
    settings(project, f'[repair]\nmode = "{mode}"\n')
    with Bus.open(project) as bus:
        texts = talk(bus, 6)
        bus.status()
        bus.config.log.write_text("", encoding="utf-8")
        bus.status()
        append(bus.config.log, by_hand("and this"))
        bus.status()
        talk(bus, 1, start=6)
        assert bodies(bus.read("roo")) == [*texts, "and this", "Message number 6: the build is at step 6."]
        assert len(said(bus)) == (1 if mode == "ask" else 0)
        assert "number 1" not in bus.config.log.read_text(encoding="utf-8")
        assert len(bodies(bus.missing())) == 6
        assert len(bodies(bus.restore())) == 6
        assert "number 1" in bus.config.log.read_text(encoding="utf-8")
        assert bus.read("roo") == []


def test_thresholds(project: Path) -> None:
    """`few` and `most` say how many may be deleted at once before it counts as damage."""
    settings(project, "[repair]\nfew = 10\nmost = 0.9\n")
    with Bus.open(project) as bus:
        talk(bus, 10)
        bus.read("roo")
        blocks = bus.config.log.read_text(encoding="utf-8").split("## [20")
        bus.config.log.write_text("## [20".join([*blocks[:1], *blocks[7:]]), encoding="utf-8")
        assert bus.read("roo") == []
        assert len(bus.missing()) == 6
        assert said(bus) == []


REFUSED = ['[repair]\nmode = "sometimes"', '[repair]\nfew = "three"', "[repair]\nmost = 7", '[repair]\nmod = "off"']


@pytest.mark.parametrize("value", [*REFUSED, 'repair = "off"', '[[repair]]\nmode = "off"'])
def test_settings_that_mean_nothing_are_refused(project: Path, command: Command, value: str) -> None:
    """One clear line, not a traceback nor silence."""
    with Bus.open(project) as bus:
        talk(bus, 1)
    settings(project, f"{value}\n")
    with (project / ".claude" / "local" / "INTERCOM-testbox.md").open("a", encoding="utf-8") as file:
        file.write(by_hand("x"))
    done = command("log")
    assert done.returncode == 2
    assert "intercom.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_editor_in_the_middle_of_saving(bus: Bus) -> None:
    """Truncate, pause, write: no repair in between, nothing announced."""
    talk(bus, 5)
    bus.read("roo")
    log = bus.config.log
    data = log.read_bytes()

    def save() -> None:
        with log.open("wb") as file:
            time.sleep(0.08)
            file.write(data[:700])
            file.flush()
            time.sleep(0.08)
            file.write(data[700:] + by_hand("slowly").encode())

    writer = threading.Thread(target=save)
    writer.start()
    found: list[str] = []
    until(lambda: gather(found, bus.read("roo")))
    writer.join()
    assert found == ["slowly"]
    assert said(bus) == []


@pytest.mark.parametrize(("seconds", "looks"), [(0.0, 2), (3600.0, 11)])
def test_a_page_that_never_keeps_still(bus: Bus, monkeypatch: pytest.MonkeyPatch, seconds: float, looks: int) -> None:
    """It is repaired after so many looks, and after so long: each look may have waited for the lock."""
    talk(bus, 6)
    bus.read("roo")
    log, seen = bus.config.log, list[int]()
    data, look = log.read_bytes(), repair.Repair

    def changed(*about: Any) -> repair.Repair:
        seen.append(1)
        log.write_bytes(data[: len(data) - 20 * len(seen)])
        return look(*about)

    monkeypatch.setattr(freshness, "_LONGEST", seconds)
    monkeypatch.setattr(freshness, "SETTLE_DAMAGE", 0.001)
    monkeypatch.setattr(freshness, "quiet", lambda *_: False)
    monkeypatch.setattr(repair, "Repair", changed)
    log.write_bytes(data[:-10])
    assert len(bodies(bus.history())) >= 6
    assert len(seen) == looks


def test_a_repair_is_undone(bus: Bus) -> None:
    """A person who wanted it gone deletes again after a repair: honoured, and `restore` still has it."""
    talk(bus, 6)
    bus.read("roo")
    log = bus.config.log
    for _ in range(2):
        text = log.read_text(encoding="utf-8")
        kept = text[: text.rindex("## [20", 0, text.index("number 5"))]
        log.write_text(kept, encoding="utf-8")
        bus.read("roo")
    assert "number 5" not in log.read_text(encoding="utf-8")
    assert [m.body[8:16] for m in bus.missing() if m.sender != "system"] == ["number 5"]
    assert len(bodies(bus.restore())) == 1
    assert "number 5" in log.read_text(encoding="utf-8")


_DIES = """
import os, sys
import intercom.repair.repair as heal
from intercom import Bus
step, count = int(sys.argv[1]), [0]
def dying(function):
    def call(*words, **more):
        count[0] += 1
        if count[0] == step:
            os.kill(os.getpid(), 9)
        return function(*words, **more)
    return call
for name in ("replace", "swap", "agree", "append_to"):
    if hasattr(heal, name):
        setattr(heal, name, dying(getattr(heal, name)))
with Bus.open() as bus:
    log = bus._log
    log.adopt = dying(log.adopt)
    bus._state.note_traces = dying(bus._state.note_traces)
    bus.status()
"""


@pytest.mark.parametrize("step", range(1, 7))
def test_killed_in_a_repair(bus: Bus, project: Path, step: int) -> None:
    """kill -9 before each step of a repair: the next one finishes it, nothing is lost or doubled."""
    texts = talk(bus, 6)
    bus.config.log.write_text(by_hand("new"), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    subprocess.run([sys.executable, "-c", _DIES, str(step)], env=env, cwd=project, check=False, timeout=60)
    assert sorted(bodies(bus.read("roo"))) == sorted([*texts, "new"])
    assert bus.read("roo") == []
    text = bus.config.log.read_text(encoding="utf-8")
    assert all(text.count(one) == 1 for one in texts)


@pytest.mark.parametrize("gone", [True, False])
def test_what_nobody_had_seen_in_the_log_is_just_put_there(bus: Bus, gone: bool) -> None:
    """The log is removed or emptied right after a tool's first words: they stand there again, and nothing is said."""
    texts = talk(bus, 2)
    if gone:
        bus.config.log.unlink()
    else:
        bus.config.log.write_text("", encoding="utf-8")
    assert bodies(bus.read("roo")) == texts
    assert said(bus) == []
    assert all(bus.config.log.read_text(encoding="utf-8").count(text) == 1 for text in texts)
    assert not (bus.config.archive / "damaged").exists()
    bus.config.log.write_text("", encoding="utf-8")
    assert bus.read("roo") == []
    assert "the log was emptied" in said(bus)[0]


def test_holes_in_the_log(bus: Bus) -> None:
    """NULs where a stretch of a text was: the text goes back, a copy with some goes, and nobody is given anything."""
    texts = talk(bus, 3)
    assert bodies(bus.read("roo")) == texts
    log = bus.config.log
    data = log.read_bytes()
    start = data.rindex(b"## [", 0, data.index(b"number 1"))
    block = data[start : data.index(b"---\n\n", start) + 5]
    copy = block.replace(b"is at", b"\0\0\0\0\0")
    copy = copy[: copy.index(b"<!--")] + copy[copy.index(b"-->\n") + 4 :]
    log.write_bytes(data.replace(b"number 0: the", b"number 0\0\0\0\0\0") + copy)
    assert bus.read("roo") == []
    assert bodies(bus.history()) == texts
    assert b"\0" not in log.read_bytes()
    assert all(log.read_text(encoding="utf-8").count(text) == 1 for text in texts)


def test_very_long_things(bus: Bus) -> None:
    """A line of 2 MB and 3,000 messages pasted at once: slower, not wrong."""
    line = "y" * 2_000_000
    bus.send("roo", "so that there is a log", sender="claude-code")
    many = [
        by_hand(f"pasted {n}", stamp=f"2026-01-12 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}") for n in range(3000)
    ]
    append(bus.config.log, by_hand(line, stamp="2026-01-11 10:00:00") + "".join(many))
    found = bodies(bus.read("roo"))
    assert found == ["so that there is a log", line, *(f"pasted {n}" for n in range(3000))]
    talk(bus, 1)
    assert len(bodies(bus.read("roo"))) == 1
    assert len(bus.history()) == 3003
    assert bus.config.log.stat().st_size < 1_000_000  # compacted by the tool's message


def test_hand_edits_without_pause(bus: Bus) -> None:
    """A few hundred messages appended by hand one by one, as fast as it goes, all come, once and in order."""
    bus.send("roo", "so that there is a log", sender="claude-code")
    bus.read("roo")
    wanted = [f"by hand {n}" for n in range(400)]

    def write() -> None:
        for n, text in enumerate(wanted):
            append(bus.config.log, by_hand(text, stamp=f"2026-01-12 10:{n // 60:02}:{n % 60:02}"))

    writer = threading.Thread(target=write)
    writer.start()
    got: list[str] = []
    until(lambda: gather(got, bus.wait("roo", 1), len(wanted)), 30)
    writer.join()
    assert got == wanted
