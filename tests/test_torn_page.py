"""What a power cut leaves of one message on the page, cut at any byte: that message, as it was, and nobody's words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.message import Message
from intercom.format import MESSAGE, parse
from intercom.format.render import escape
from intercom.format.roster import Roster
from tests.powercut import LONG_AGO, restart
from tests.powercut_story import TOP, told

TEXTS = {
    "a fence": "naïve ☃\n```\nnever closed",
    "lines that are escaped": "so\n## [2026-01-12 10:00:00] user → roo [TASK]\n<!-- intercom id=abc -->\n"
    "### COMPACTED: 3\n<<<<<<< ours\n\\\\~~~\n\u2028## [x]\nend",
    "rules": "a\n\n---\n\n***\n@roo: b\n\n--\nend",
    "line ends": "one\r\ntwo\r\n\\## three\r\nend",
}
BLOCK = 64  #: bytes that reach the disk together
STEP = 1 if os.environ.get("INTERCOM_SOAK") else 41


def by_hand(data: bytes, text: str) -> bytes:
    """The page with a message that a person wrote."""
    return data + f"## [2026-01-12 10:00:07] user -> roo [INFO]\n\nFrom me: {escape(text)}\n\n---\n\n".encode()


def prepared(bus: Bus, text: str, how: str) -> tuple[bytes, int, int]:
    """The page with people's own text and three messages, and where the second begins and ends."""
    page = bus.config.log

    def save(data: bytes) -> None:
        page.write_bytes(data)
        for one in (page, page.parent):
            os.utime(one, (LONG_AGO, LONG_AGO))
        bus.history()

    bus.send("roo", "The first", sender="master")
    save(page.read_bytes().replace(b"\n## [2", f"\n{TOP}## [2".encode(), 1))
    if how == "a person's":
        save(by_hand(page.read_bytes(), text))
    else:
        bus.send("roo", text, sender="master")
    if how == "edited":
        save(page.read_bytes().replace(f"\n\n{escape(text)}".encode(), f"\n\nSo: {escape(text)}".encode()))
    bus.send("roo", "The third", sender="master")
    bus.history()
    data = page.read_bytes()
    second = [entry for entry in parse(data, Roster()) if entry.kind == MESSAGE][1]
    return data, second.start, second.start + len(second.raw)


def torn(data: bytes, begin: int, end: int, text: str) -> Iterator[bytes]:
    """The page cut within the second message: short, with NULs in place of its end, and with a hole up to a block."""
    lines = (data.index(line, begin, end) for line in escape(text).encode().splitlines() if line.startswith(b"\\"))
    for at in sorted({*range(begin + 1, end, STEP), *(place + size for place in lines for size in range(1, 5))}):
        block = (at // BLOCK + 1) * BLOCK
        yield data[:at]
        yield data[:at].ljust(len(data), b"\0")
        yield data[:at].ljust(block, b"\0") + data[block:]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["a tool's", "a person's", "edited"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_message_is_cut_anywhere(name: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else says what the page held: the base is gone, or somebody's own text above the messages changed."""
    restart(monkeypatch)
    root = tmp_path / "before"
    (root / ".claude").mkdir(parents=True)
    (root / ".claude" / "intercom.toml").write_text('agents = ["master", "roo"]\n', encoding="utf-8")
    with Bus.open(root, machine="box") as bus:
        data, begin, end = prepared(bus, TEXTS[name], how)
        known, page = [*map(told, bus.history())], bus.config.log.relative_to(root)
    wrong = []
    for number, left in enumerate(torn(data, begin, end, TEXTS[name])):
        now, changed = tmp_path / f"{number}", number % 2 > 0
        shutil.copytree(root, now)
        if changed:
            left = left.replace(b"What we know", b"What we knew")  # noqa: PLW2901
        else:
            (now / ".claude/local/.intercom/base.INTERCOM-box").unlink()
        (now / page).write_bytes(left)
        os.utime(now / page, (LONG_AGO, LONG_AGO))
        restart(monkeypatch)
        wrong += [(left[begin:], one) for one in problems(now, page, known, changed=changed)]
        shutil.rmtree(now)
    assert not wrong, f"{len(wrong)}: {wrong[0]}"


def problems(root: Path, page: Path, known: Sequence[object], *, changed: bool) -> Iterator[str]:
    """What the next command, or the one after it, finds that it should not."""
    people: Callable[[Message], bool] = lambda message: message.sender != "system" or not changed  # noqa: E731
    for look in ("first", "second"):
        with Bus.open(root, machine="box") as bus:
            found = [told(message) for message in bus.history() if people(message)]
            if found != known:
                yield f"{look}: not there {[one for one in known if one not in found]}, there {found}"
            if bus.notices and (look == "second" or not changed):
                yield f"{look}: says {bus.notices}"
        text = (root / page).read_bytes()
        if b"\0" in text or (b"What we knew" if changed else b"What we know") not in text:
            yield f"{look}: the page is {text!r}"


@pytest.mark.parametrize("kept", [0, 3, 7, 30])
@pytest.mark.parametrize(
    "lost",
    ["a record", "a record before a person's text", "a record and a person's header", "the header of a person's text"],
)
def test_a_hole_below_what_nobody_had_seen(
    lost: str, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that a person saved ends where its rule says; a hole as long as a tool's record was that record.

    `kept`: so many bytes of what was lost are there.
    """
    restart(monkeypatch)
    (tmp_path / ".claude").mkdir(parents=True)
    (tmp_path / ".claude" / "intercom.toml").write_text('agents = ["master", "roo"]\n', encoding="utf-8")
    with Bus.open(tmp_path, machine="box") as bus:
        bus.send("roo", "The first", sender="master")
        bus.history()
        page = bus.config.log
        page.write_bytes(by_hand(page.read_bytes(), "first"))
        begin, wanted = page.stat().st_size, ["The first", "From me: first"]
        if lost != "the header of a person's text":
            bus.send("roo", "The second", sender="master")
            wanted.append("The second")
        end = max(page.stat().st_size, begin + BLOCK)
        if lost != "a record":
            page.write_bytes(by_hand(page.read_bytes(), f"second {'word ' * 20}"))
            end += (lost == "a record and a person's header") * 9
    left = page.read_bytes()
    page.write_bytes(left[: begin + kept] + b"\0" * (end - begin - kept) + left[end:])
    os.utime(page, (LONG_AGO, LONG_AGO))
    restart(monkeypatch)
    for _ in range(2):
        with Bus.open(tmp_path, machine="box") as bus:
            bodies = [message.body for message in bus.history() if message.sender != "system"]
            assert bus.notices == []
        assert [body for body in bodies if not body.startswith("From me: second")] == sorted(wanted, key=bodies.index)
        assert len(bodies) > len(wanted) or lost != "a record before a person's text"
        assert len(set(bodies)) == len(bodies)
        # A header that lacks some bytes is still somebody's, and nobody can say what they were.
        assert b"\0" not in page.read_bytes() or (lost == "a record and a person's header" and kept)
