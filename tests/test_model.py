"""The values: names, types in both vocabularies, ids, times."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core.errors import FormatError
from intercom.core.message import (
    ALL,
    TAGS,
    TYPES,
    Message,
    age,
    canonical,
    check_name,
    check_type,
    encode_id,
    epoch,
    is_name,
    local_stamp,
    new_id,
    recipients,
    tag_of,
    type_of,
    utc,
    utc_of_stamp,
)


@pytest.mark.parametrize("word", TYPES)
@pytest.mark.parametrize("to", [ALL, "roo"])
def test_intercomms_types_round_trip(word: str, to: str) -> None:
    """Every tool-side type survives the log, to one and to all."""
    tag, declared = tag_of(word)
    assert tag in TAGS
    assert type_of(tag, to, declared) == word
    assert tag_of(word.upper()) == (tag, declared)


@pytest.mark.parametrize("tag", TAGS)
def test_the_logs_tags_round_trip(tag: str) -> None:
    """Every tag of the log has a word, and that word leads back to it."""
    for to in (ALL, "roo"):
        assert tag_of(type_of(tag, to))[0] == tag
    assert tag_of(tag)[0] == tag_of(tag.lower())[0] == tag


@given(st.from_regex(r"\A[A-Z][A-Z0-9_-]{0,30}\Z"))
def test_any_other_tag(tag: str) -> None:
    """A tag that nobody foresaw is kept as it stands."""
    kept, declared = tag_of(tag)
    assert declared is None or kept in TAGS
    assert tag_of(type_of(kept, "roo", declared))[0] == kept


@given(st.text())
def test_a_type_is_a_tag_or_an_error(word: str) -> None:
    """Nothing but a plain tag comes out, so no type can forge a header."""
    try:
        tag, _ = tag_of(word)
    except FormatError:
        return
    else:
        assert re.fullmatch(r"[A-Z][A-Z0-9_-]{0,30}", tag)


def test_spellings_of_a_name() -> None:
    """However people and agents write it, it is one name."""
    for spelling in (
        "Claude Code",
        "claude_code",
        " CLAUDE-CODE ",
        "**claude-code**",
        "`Claude  Code`",
        "@claude-code",
    ):
        assert canonical(spelling) == "claude-code"


@given(st.text())
def test_names_are_settled_after_one_look(name: str) -> None:
    """The canonical form of a usable name is itself; it holds nothing that a header or a path could misread."""
    found = canonical(name)
    if is_name(found):
        assert check_name(name) == check_name(found) == found
        assert re.fullmatch(r"[a-z0-9.-]{1,64}", found)
        assert recipients(found) == (found,)
    else:
        with pytest.raises(FormatError):
            check_name(name)


def test_recipients() -> None:
    """Names apart by any of the signs that people use, each once, in order."""
    assert recipients("Roo, user; claude_code & roo/all + x") == ("roo", "user", "claude-code", "all", "x")
    assert recipients(" , ;") == ()


def test_ids() -> None:
    """Twelve characters of an alphabet without doubles, the low 60 bits of a number."""
    found = {new_id() for _ in range(5000)}
    assert len(found) == 5000
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{12}", one) for one in found)
    assert encode_id(0) == "0" * 12
    assert encode_id(2**60 - 1) == "z" * 12 == encode_id(2**64 - 1)


@given(st.floats(0, 4_000_000_000))
def test_times(epoch: float) -> None:
    """UTC has milliseconds and Z, and sorts as time does; a header's time leads back to it, to the second."""
    at = utc(epoch)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)
    assert utc(epoch + 0.002) > at
    assert utc_of_stamp(local_stamp(time.time())) is not None


@pytest.mark.parametrize(
    ("stamp", "known"),
    [
        ("2026-01-12 23:50:00", True),
        ("2026-01-12 23:50", True),
        (" 2026-01-12T23:50:01 ", True),
        ("2026-01-12", True),
        ("12.1.2026", True),
    ]
    + [(text, False) for text in ("{DATE}", "", "yesterday", "2026-13-45", "9" * 5000, "\udc80")],
)
def test_stamps(stamp: str, *, known: bool) -> None:
    """What people write at a header's beginning is a time, or none; never an error."""
    assert (utc_of_stamp(stamp) is not None) is known


@given(st.integers(0, 4_000_000_000_000))
def test_stored_times_are_read_back(millis: int) -> None:
    """To the millisecond, through leap years."""
    assert epoch(utc(millis / 1000)) == pytest.approx(millis / 1000, abs=0.0015)
    assert epoch(utc(millis // 1000)) == millis // 1000


@pytest.mark.parametrize("at", ["", "soon", "2026-01-12", "2026-01-12T22:50:0xZ"])
def test_what_is_not_a_stored_time(at: str) -> None:
    """An error, and never a time."""
    with pytest.raises(ValueError, match="invalid literal"):
        epoch(at)


def test_ages() -> None:
    """Seconds, with their fraction."""
    assert age(utc(time.time() - 90.5)) == pytest.approx(90.5, abs=0.5)
    assert epoch("2026-01-12T22:50:00Z") == epoch("2026-01-12T22:50:00.000Z")


def test_json() -> None:
    """The public form has its keys in every message, and the rare ones where they say something."""
    plain = Message("i", 1, "t", "a", "b", "INFO", "status", "x")
    keys = ["id", "seq", "at", "from", "to", "type", "body", "priority", "reply_to", "thread", "via", "file"]
    assert list(plain.to_json()) == keys
    assert plain.to_json()["priority"] == "normal"
    rich = plain._replace(urgent=True, status="working", progress=0, redelivered=True).to_json()
    assert (rich["priority"], rich["status"], rich["progress"], rich["redelivered"]) == ("urgent", "working", 0, True)


@pytest.mark.parametrize("word", [*TYPES, *TAGS, *map(str.lower, TAGS), "DEPLOY", "X-1", "Task"])
def test_types_that_can_be_typed(word: str) -> None:
    """Every known word, and a tag of one's own in capitals."""
    assert check_type(word) == word


@pytest.mark.parametrize(("word", "hint"), [("taks", "mean task"), ("TAKS", "mean task"), ("bogus", "capitals: BOGUS")])
def test_a_slip_of_the_keyboard_is_no_type(word: str, hint: str) -> None:
    """It is refused, with what was meant."""
    with pytest.raises(FormatError, match=f"nothing was sent.*{hint}"):
        check_type(word)
