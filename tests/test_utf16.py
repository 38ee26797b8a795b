"""What Windows' programs write in UTF-16 is read as what it says, and the log is UTF-8 again; holes stay."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom import Bus
from intercom.format.utf16 import as_utf8
from tests.people_kit import by_hand

LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\u2028\u2029"), max_size=9)
TEXTS = st.lists(st.tuples(st.booleans(), LINES), max_size=6)


@given(TEXTS, st.sampled_from(["\n", "\r\n"]))
def test_lines_of_either_kind_in_any_order(parts: list[tuple[bool, str]], end: str) -> None:
    """Whatever they say. In UTF-16 each begins as what people write does, with ASCII."""
    lines = [(wide, f"## line {text}{end}") for wide, text in parts]
    data = b"".join(text.encode("utf-16-le" if wide else "utf-8") for wide, text in lines)
    assert as_utf8(data).decode() == "".join(text for _, text in lines)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("tail", ["", "\n\n## [2026-01-12] roo → user [INFO]\n\nsent meanwhile ✓\n"])
def test_a_whole_file(encoding: str, tail: str) -> None:
    """As Notepad saves it; what a tool puts behind it before it is looked at is UTF-8."""
    assert as_utf8(codecs.BOM_UTF16_LE + "Grüße".encode("utf-16-le")).decode() == "Grüße"
    text = "上上\r\n\r\n## [2026-01-12] user → roo [ASK]\r\nGrüße, 日本 🎉\r\n上\r\n"
    mark = codecs.BOM_UTF16_LE if encoding == "utf-16-le" else codecs.BOM_UTF16_BE
    assert as_utf8(mark + text.encode(encoding) + tail.encode()).decode() == text + tail


@pytest.mark.parametrize(
    "data", [b"", b"plain", b"a\0b", b"half a line" + bytes(4096), bytes(9) + b"\nx\n", b"\xff\xfe"]
)
def test_nothing_of_it(data: bytes) -> None:
    """What has no UTF-16 in it is left as it is, holes and single bytes included."""
    assert as_utf8(data) is data


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_log_that_notepad_saved(project: Path, encoding: str) -> None:
    """Nothing is lost, what was added is delivered once, and the log is UTF-8 again."""
    with Bus.open(project) as bus:
        sent = bus.send("roo", "Tee für alle ☕", sender="user", via="cli").id
        assert [one.id for one in bus.read("roo")] == [sent]
        text = bus.config.log.read_text("utf-8") + by_hand("von Hand, 日本", sender="user")
        mark = codecs.BOM_UTF16_LE if encoding == "utf-16-le" else codecs.BOM_UTF16_BE
        bus.config.log.write_bytes(mark + text.replace("\n", "\r\n").encode(encoding))
        after = bus.send("roo", "and by a tool", sender="user", via="cli").id
        found = bus.read("roo")
        assert sorted(one.body for one in found) == ["and by a tool", "von Hand, 日本"]
        assert after in {one.id for one in found}
        assert "von Hand, 日本" in bus.config.log.read_text("utf-8")
        assert len(bus.history()) == 3


def test_a_line_that_powershell_put_behind_it(project: Path) -> None:
    """`"@roo …" >> INTERCOM-….md` of Windows PowerShell: UTF-16 behind UTF-8."""
    with Bus.open(project) as bus:
        bus.send("roo", "first", sender="user", via="cli")
        bus.read("roo")
        with bus.config.log.open("ab") as file:
            file.write("## [2026-01-12 10:00] user -> roo [ASK]\r\nGeht das? ü\r\n".encode("utf-16-le"))
        assert [one.body for one in bus.read("roo")] == ["Geht das? ü"]
        bus.send("roo", "last", sender="user", via="cli")
        assert [one.body for one in bus.read("roo")] == ["last"]
        assert "Geht das? ü" in bus.config.log.read_text("utf-8")
