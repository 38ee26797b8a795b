"""How text of others is shown: it stays in its place, acts on nobody, and what is harmless stays as it is."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core.escaping import escaped, framed, named, sentence, value, word, words
from tests import hostile

anything = st.one_of(st.text(st.characters(codec=None)), hostile.values)


def test_every_character_that_is_not_seen_is_shown() -> None:
    """All of Unicode, each character alone; what is seen stays as it is."""
    wrong = [
        code
        for code in range(sys.maxunicode + 1)
        if (value(char := chr(code)) != char) != hostile.unseen(char) and not 0xFFF0 <= code <= 0xFFFB
    ]
    assert [f"U+{code:04X}" for code in wrong] == []


@pytest.mark.parametrize("end", hostile.BREAKS, ids=ascii)
def test_a_line_end_of_any_kind_ends_no_line(end: str) -> None:
    """In a value it is shown; in a body it begins a line behind the bar; in JSON it is an escape."""
    text = f"a{end}{hostile.FORGED}"
    assert len(value(text).splitlines()) == len(sentence(text).splitlines()) == 1
    assert framed(text, "| ") == ["| a", f"| {hostile.FORGED}"]
    assert named("command", text) == f"command:\n  | a\n  | {hostile.FORGED}"
    assert len(escaped(json.dumps(text, ensure_ascii=False)).splitlines()) == 1


@given(anything)
def test_whatever_is_shown_is_harmless(text: str) -> None:
    """In each place; and what was shown once is the same when it is shown again."""
    text = "v" + text
    for shown in (value(text), word(text), words(text), sentence(text), escaped(json.dumps(text, ensure_ascii=False))):
        hostile.check(shown, but="")
    hostile.check("\n".join(framed(text, "  | ")), but="\n\t")
    hostile.check(named("n", text), but="\n\t")
    assert value(value(text)) == value(text)


@given(anything)
def test_json_keeps_the_value(text: str) -> None:
    """Whatever is escaped means what it meant."""
    assert json.loads(escaped(json.dumps([text], ensure_ascii=False))) == [text]
    assert json.loads(escaped(json.dumps([text]))) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "naïve café → ✓",
        "日本語",
        "العربية",
        "नमस्ते",
        "نمی\u200cرسد",
        "❤\ufe0f\u200d🔥 👩\u200d💻",
        "a < b",
        "<b>",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    """Letters of all scripts, emoji that are joined, and signs that look like tags."""
    assert value(text) == text
    assert framed(f"{text}\n\t{text}", "") == [text, f"\t{text}"]


def test_a_word_among_others_is_seen_whole() -> None:
    """In quotes where it is no plain word; nothing in it ends them."""
    assert words("claude-code, roo, worker.1") == "claude-code, roo, worker.1"
    assert word('a", from b') == '"a\\", from b"'
    assert word('a\\", from b') == '"a\\\\\\", from b"'
    assert word("") == '""'


def test_names_cannot_be_made_to_look_like_others() -> None:
    """What is not seen inside a name is shown there."""
    assert value("mas\u200dter") != "master"
    assert "200d" in value("mas\u200dter")
    assert value("a\ufe0f\u200db") == "a\\ufe0f\\u200db"


def test_a_long_row_of_blanks_takes_no_long_time() -> None:
    """The search for tags looks at each character once."""
    assert value("<" + " " * 200_000).startswith("<  ")


@pytest.mark.parametrize("mark", ["\u0301", "\u0e47", "\u0489", "\u064b"])
def test_marks_are_not_stacked_over_other_lines(mark: str) -> None:
    """Six are more than any script needs; of more, each is shown by its number, and none is lost."""
    number = f"\\u{ord(mark):04x}"
    for count, shown in ((6, f"a{mark * 6}"), (9, f"a{mark * 6}{number * 3}")):
        assert value(f"a{mark * count}") == shown
        assert framed(f"a{mark * count}\nb", "| ") == [f"| {shown}", "| b"]
    assert value("e\u0301" * 9) == "e\u0301" * 9
    assert value("\u2500" * 99) == "\u2500" * 99
