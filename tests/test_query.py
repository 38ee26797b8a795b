"""Filters: as SQL and at hand they say the same, for every message and every filter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.core.errors import FormatError, UsageError
from intercom.store.index.query import Filter, filter_of
from intercom.store.index.values import loaded, stored, stored_row

MANY = " ".join(f"w{number}" for number in range(1_500))  # more than SQLite takes conditions
WORDS = ["red", "RED", "Größe", "GRÖSSE", "ß", "İ", "a", "\udc80", "50%", "_", "'", "\0"]
TYPES = ["status", "announce", "INFO", "Info", "question", "ASK", "done", "DONE", "WARN", "finding"]
NAMES = ["roo", "claude-code", "user"]
THREADS = [None, "t", "T", "a b", "\udc80", "é", "%"]


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A bus with messages of many kinds, from tools and by hand."""
    with Bus.open(tmp_path_factory.mktemp("query"), machine="box") as opened:
        number = 0
        for kind in TYPES:
            for to in ("roo", "all", "claude-code, roo"):
                thread = THREADS[number % len(THREADS)]
                body = " ".join(WORDS[(number + step) % len(WORDS)] for step in range(3))
                opened.send(to, body, sender=NAMES[number % 2], type=kind, thread=thread)
                number += 1
        with open(opened.config.log, "ab") as file:
            file.writelines(
                b"\n## [2026-01-12 10:00:00] Jos\xe9 -> " + other + b" [INFO]\n\nred \xff GR\xc3\x96SSE\n"
                for other in (b"all", b"roo", b"Roo, user")
            )
        assert len(opened.history()) == number + 3
        yield opened


filters = st.builds(
    filter_of,
    thread=st.sampled_from([*THREADS, "", "none"]),
    sender=st.sampled_from([None, *NAMES, "Jos\udce9", "Claude Code"]),
    to=st.sampled_from([None, *NAMES, "all", "o", "%"]),
    type=st.sampled_from([None, *TYPES, "CRITICAL"]),
    since=st.sampled_from([None, "2026-01-12", "2100-01-01"]),
    after=st.none() | st.integers(0, 40),
    words=st.none()
    | st.lists(st.sampled_from(WORDS), max_size=2).map(" ".join)
    | st.sampled_from(["red " * 1_500, f"red {MANY}", f"Größe {MANY}"]),
)


@settings(max_examples=200)
@given(wanted=filters)
def test_sql_and_python_agree(bus: Bus, wanted: Filter) -> None:
    """What is new is filtered by SQL, what is given again by Python: no message may fall between the two."""
    from intercom.store.index import query

    everything = bus.history()
    found = query.history(bus._freshness.db(), wanted, None)
    assert [m.id for m in found] == [m.id for m in everything if wanted.lets(m)]
    last = query.history(bus._freshness.db(), wanted, 2)
    assert last == found[-2:]


def test_what_a_person_wrote_in_latin_1(bus: Bus) -> None:
    """A byte that is no UTF-8 in a header: the message is there, and found by its sender."""
    found = bus.history(sender="Jos\udce9")
    assert [m.to for m in found] == ["all", "roo", "roo, user"]
    assert [m.type for m in found] == ["announce", "status", "status"]
    assert all("\udcff" in m.body for m in found)


def test_filters_that_are_none() -> None:
    """An empty text is no filter; a word that is no type is an error, not an empty answer."""
    assert filter_of(thread="", sender="", to="", type="", since="", words="").where() == ("", [])
    with pytest.raises(FormatError):
        filter_of(type="a b")
    with pytest.raises(UsageError):
        filter_of(after=-1)


@given(st.text(st.characters()))
def test_text_in_sqlite(text: str) -> None:
    """Text goes in and out as it is; what SQLite cannot hold goes as bytes."""
    assert loaded(stored(text)) == text
    assert stored_row((1, text, None)) == (1, stored(text), None)
    kept = stored(text)
    if isinstance(kept, str):
        kept.encode()
