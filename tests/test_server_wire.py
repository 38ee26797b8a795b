"""The wire below the SDK: lines cut anywhere, JSON with anything in it, results without lone surrogates."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.server import framing as lines_module
from intercom.server.framing import Lines
from intercom.server.wire import INVALID_REQUEST, PARSE_ERROR, BadLine, decode, encode, result_text

ANY_TEXT = st.text(st.characters())  # lone surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def drain(lines: Lines) -> list[bytes | None]:
    """Every line until the end of input."""

    async def collect() -> list[bytes | None]:
        found = []
        while True:
            try:
                found.append(await lines.next())
            except EOFError:
                return found

    return asyncio.run(collect())


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_lines_are_the_same_however_they_arrive(data: bytes, cuts: list[int]) -> None:
    """Pieces of any size give the lines that the whole gives; empty ones are left out."""
    lines = Lines()
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in itertools.pairwise(edges):
        lines.data_received(data[start:end])
    lines.end()
    assert drain(lines) == [line for line in data.split(b"\n") if line.strip()]


def test_a_line_that_is_too_long_is_skipped_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not kept in memory, and the next line is whole."""
    monkeypatch.setattr(lines_module, "MAX_LINE", 10)
    lines = Lines()
    for piece in (b"a\n123456", b"789012345", b"67890\nb", b"\n"):
        lines.data_received(piece)
    lines.end()
    assert drain(lines) == [b"a", None, b"b"]


@given(st.dictionaries(ANY_TEXT, JSON))
def test_json_comes_back_as_it_was(value: dict[str, object]) -> None:
    """Encoding and decoding lose nothing, lone surrogates included, and the bytes are UTF-8."""
    line = encode(value)
    line.decode("utf-8")
    assert line.count(b"\n") == 1
    assert decode(line) == value


@given(JSON)
def test_a_result_is_clean_text_with_everything_in_it(value: object) -> None:
    """A tool's result has no lone surrogate in it, and its JSON still says the same."""
    said = result_text(value)
    said.encode("utf-8")
    assert json.loads(said) == value


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", PARSE_ERROR),
        (b'{"a": NaN}', PARSE_ERROR),
        (b'{"a": "\xff"}', PARSE_ERROR),
        (b"[" * 200_000, PARSE_ERROR),
        (b'{"a": ' + b"9" * 5000 + b"}", PARSE_ERROR),
        (b"[]", INVALID_REQUEST),
        (b"7", INVALID_REQUEST),
    ],
)
def test_a_bad_line_is_an_error_with_a_code(line: bytes, code: int) -> None:
    """Nothing that comes in as a line escapes as another exception."""
    with pytest.raises(BadLine) as caught:
        decode(line)
    assert caught.value.code == code
    assert json.loads(caught.value.answer())["error"]["code"] == code
