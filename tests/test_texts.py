"""Texts that are cut for people: what fits stays as it is, and what does not says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core.texts import beginning, lasting, one_line


@given(st.text(), st.integers(4, 40))
def test_one_line(text: str, most: int) -> None:
    """Never longer than it may be, never more than a line, and never cut without a sign."""
    line = one_line(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1
    assert line == " ".join(text.split()) or line.endswith("…")


@pytest.mark.parametrize(
    ("text", "shown"), [("word", "word"), ("a\nb", "a\nb"), ("12345", "1234 … (5 characters in all)")]
)
def test_beginning(text: str, shown: str) -> None:
    """As it is, or its beginning and how long it is."""
    assert beginning(text, 4) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (59.9, ""),
        (60, "1 minute"),
        (119.9, "1 minute"),
        (120, "2 minutes"),
        (3599.9, "59 minutes"),
        (3600, "1 hour"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (172_800, "2 days"),
    ],
)
def test_lasting(seconds: float, said: str) -> None:
    """Each unit begins with its first whole one."""
    assert lasting(seconds) == said
