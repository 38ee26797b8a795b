"""A message that somebody is writing into the page: half of it is looked at, then it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.message import USER
from intercom.system import still
from tests.powercut_story import OLD, told

BODY = "Is it green?\nSay so."
RULED = f"## [2026-01-12 10:00:07] user → roo, claude-code [TASK] [URGENT]\n\n{BODY}\n\n---\n\n"
OPEN = f"## [2026-01-12 10:00:07] user -> roo\n\n{BODY}\n"
ABOVE = {
    "a tool's": "",
    "a person's": "## [2026-01-12 10:00:01] user → roo [INFO]\n\nFirst\n\n---\n\n",
    "a person's, left open": "## [2026-01-12 10:00:01] user → roo [INFO]\n\nFirst\n",
}
STEP = 1 if os.environ.get("INTERCOM_SOAK") else 7
READERS = ("roo", "claude-code", USER)


def write(page: Path, data: bytes) -> None:
    """Save the page; its times say that nobody is writing to it any more."""
    page.write_bytes(data)
    for one in (page, page.parent):
        os.utime(one, (one.stat().st_mtime - OLD,) * 2)


@pytest.mark.parametrize("text", [RULED, OPEN])
@pytest.mark.parametrize("above", ABOVE)
def test_half_of_it_is_seen(project: Path, text: str, above: str) -> None:
    """Cut at each byte and then completed, it comes once, to whom it is for, and nothing else changes."""
    with Bus.open(project) as bus:
        bus.send("roo", "from a tool", sender="claude-code")
        page = bus.config.log
        write(page, page.read_bytes() + ABOVE[above].encode())
        for name in READERS:
            bus.read(name)
        before, known = page.read_bytes(), [told(one) for one in bus.history()]
        wrong = []
        for size in range(1 + list(ABOVE).index(above), len(text.encode()), STEP):
            now = text.encode().replace(b"10:00:07", f"10:{size // 60:02}:{size % 60:02}".encode())
            write(page, before + now[:size])
            half = [bus.read(name) for name in READERS]
            seen = page.read_bytes()
            write(page, before + now)
            got = [len(one) + len(bus.read(name)) for one, name in zip(half, READERS, strict=True)]
            after = [told(one) for one in bus.history()]
            to = "roo, claude-code" if text == RULED else "roo"
            problems = [
                seen != before + now[:size] and "the page changed",
                any(half) and size <= now.index(b"\n") and f"came too early: {half}",
                got != [1, to.count("claude"), 0] and f"was given {got}",
                after != [*known, ("user", to, "hand", BODY)] and f"history {after[len(known) - 1 :]}",
                bus.notices and f"said {bus.notices[-1]}",
            ]
            wrong += [f"{now[:size][-30:]!r}: {one}" for one in problems if one]
            known, before = after, page.read_bytes()
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("looked", [False, True], ids=["nobody-looks", "somebody-looks"])
@pytest.mark.parametrize("text", [RULED, OPEN])
def test_a_tool_sends_in_the_middle_of_the_header(
    project: Path, text: str, looked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it sent is no part of the message, nor between its halves; both come once."""
    monkeypatch.setattr(still, "PATIENCE", 600.0)  # however long this machine takes
    header = text.encode().index(b"\n\n") + 2
    with Bus.open(project) as bus, Bus.open(project) as other:
        bus.send("roo", "from a tool", sender="claude-code")
        page, expected = bus.config.log, ["from a tool"]
        bus.read("roo")
        # The first bytes of a header may be of a record that a killed sender left.
        for size in [*range(1 + len("## [2026-01-12"), header, STEP), header - 1, header]:
            now = text.encode().replace(b"10:00:07", f"10:{size // 60:02}:{size % 60:02}".encode())
            write(page, page.read_bytes() + now[:size])
            bus.send("roo", f"meanwhile {size}", sender="claude-code")
            early = [one.body for one in other.read("roo")] if looked else []
            write(page, page.read_bytes() + now[size:])
            late = [one.body for one in other.read("roo")]
            expected += [f"meanwhile {size}", BODY]
            assert early + late == expected[-2:], size
            assert [one.body for one in bus.history()] == expected, size
            assert [*bus.notices, *other.notices] == [], size
            assert page.read_text(encoding="utf-8").count(now.decode()) == 1, size
