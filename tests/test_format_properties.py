"""Owns the five invariants of the log's format, and what other modules rely on in it, as properties."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from intercom.core.errors import FormatError
from intercom.core.message import Message, type_of
from intercom.format import (
    FRONT,
    MARKER,
    MESSAGE,
    PREAMBLE,
    Entry,
    Parser,
    decode,
    digest,
    encode,
    marker,
    parse,
    render,
    rendered,
    tolerant,
)
from intercom.format import entries as reading
from intercom.format.grammar import BOUNDARY
from intercom.format.render import escape, unescape
from intercom.format.strict import is_strict
from tests.strategies import bodies, hand_written, logs, messages, odd_words, rendered_blocks, stamps, tangles

SHORT = 96  # bytes a fence may reach here, so that small files go beyond it
files = st.one_of(logs(), tangles)


def said(entry: Entry) -> tuple[object, ...]:
    """What an entry says, wherever it stands."""
    return entry[3:]


def message_of(entry: Entry) -> Message:
    """A parsed entry as the bus sees it."""
    assert entry.id is not None
    assert entry.at is not None
    return Message(
        entry.id,
        None,
        entry.at,
        entry.sender,
        entry.to,
        entry.tag,
        type_of(entry.tag, entry.to, entry.declared),
        entry.body,
        entry.urgent,
        entry.reply_to,
        entry.thread,
        entry.via or "tool",
        "",
        entry.status,
        entry.progress,
    )


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def fed(parts: list[bytes], start: int = 0, reach: int = SHORT) -> list[Entry]:
    """The entries of a file fed in parts."""
    parser = Parser(start, reach=reach)
    return [entry for part in parts for entry in parser.feed(part)] + parser.close()


def covers(found: list[Entry], data: bytes) -> None:
    """Every byte belongs to exactly one entry, in order."""
    assert b"".join(entry.raw for entry in found) == data
    at = 0
    for entry in found:
        assert entry.start == at
        assert entry.raw
        assert entry.kind in {FRONT, PREAMBLE, MESSAGE, MARKER}
        at += len(entry.raw)


@given(st.one_of(st.binary(), hand_written, files))
def test_nothing_is_outside_the_grammar(data: bytes) -> None:
    """The entries of any bytes, joined, are those bytes."""
    covers(parse(data), data)
    covers(fed([data]), data)


@given(messages(), stamps)
def test_round_trip(message: Message, stamp: str) -> None:
    """What is rendered is read as the same message, whatever its body holds."""
    (entry,) = parse(render(message, stamp))
    assert entry.stamp == stamp
    assert message_of(entry) == message


@given(messages(), odd_words, odd_words, st.one_of(st.just("INFO"), odd_words), st.one_of(stamps, odd_words))
def test_no_name_forges(message: Message, sender: str, to: str, tag: str, stamp: str) -> None:
    """Whatever names, tag and time a caller gives: they are refused, or read again exactly."""
    odd = message._replace(sender=sender, to=to, tag=tag)
    try:
        block = render(odd, stamp)
    except FormatError:
        return
    (entry,) = parse(block)
    assert entry.stamp == stamp
    assert message_of(entry) == odd._replace(type=message_of(entry).type)


@given(st.lists(messages(), min_size=2, max_size=5), st.one_of(hand_written, tangles))
def test_no_message_makes_changes_or_hides_another(sent: list[Message], before: bytes) -> None:
    """Behind anything hand-written, open fences too, rendered messages come out as they went in: these and no more."""
    blocks = [render(message, "2026-01-12 23:50:00") for message in sent]
    start = before + b"\n" if before and not before.endswith(b"\n") else before
    found = parse(start + b"".join(blocks))
    covers(found, start + b"".join(blocks))
    inside = [entry for entry in found if entry.start >= len(start)]
    assert [message_of(entry) for entry in inside] == sent


@given(files, st.lists(st.integers(0, 10_000), max_size=6), st.integers(8, SHORT))
def test_cut_anywhere(data: bytes, cuts: list[int], reach: int) -> None:
    """Fed whole, in pieces or byte by byte, a file gives the same entries, however far a fence may reach."""
    whole = fed([data], reach=reach)
    assert fed(pieces(data, cuts), reach=reach) == whole
    assert fed([data[i : i + 1] for i in range(len(data))], reach=reach) == whole


@given(files, st.lists(st.integers(0, 10_000), max_size=6), st.integers(8, SHORT))
def test_resuming(data: bytes, cuts: list[int], reach: int) -> None:
    """A parser that begins where another had settled gives the rest of the entries."""
    whole = fed([data], reach=reach)
    parser = Parser(reach=reach)
    given_out: list[Entry] = []
    for part in pieces(data, cuts):
        given_out += parser.feed(part)
        assert parser.settled == sum(len(entry.raw) for entry in given_out)
        assert given_out + fed([data[parser.settled :]], parser.settled, reach) == whole


def test_the_edge_of_reach() -> None:
    """Wherever the reach of a fence ends, in a quotation, at its closing line or behind it, cuts change nothing."""
    header, tool = (
        b"## [2026-01-12] a -> b\n",
        b"## [2026-01-12 23:50:00] a \xe2\x86\x92 b [ASK]\n<!-- intercom id=2 -->\n\nx\n",
    )
    for data in (
        header + b"```\n" + header + b"x\n```\ny\n" + header,
        header + b"```\n" + header + header + b"x\n```\n```\n" + header,
        header + b"~~~\n" + header + tool + b"~~~\n\n" + header + b"~~~\n",
    ):
        for reach in range(4, len(data) + 4):
            whole = fed([data], reach=reach)
            assert fed([data[i : i + 1] for i in range(len(data))], reach=reach) == whole
            assert fed(data.splitlines(keepends=True), reach=reach) == whole


def test_a_fence_left_open_swallows_nothing() -> None:
    """A tool's message between two hand-written ones with open fences is delivered; so are all three."""
    hand = b"## [2026-01-12] a -> b [INFO]\n\n```\ncode\n\n"
    tool = b"## [2026-01-12 23:50:00] a \xe2\x86\x92 b [ASK]\n<!-- intercom id=2 -->\n\nx\n\n---\n\n"
    assert [entry.id for entry in parse(hand + tool + hand)] == [None, "2", None]


@given(bodies(max_lines=12))
def test_escaping_is_exact(body: str) -> None:
    """Unescaping undoes escaping, and an escaped body holds no boundary of any kind."""
    assert unescape(escape(body)) == body
    assert not BOUNDARY.search(b"\n" + encode(escape(body)))


@given(bodies(), bodies())
def test_escaping_tells_bodies_apart(one: str, other: str) -> None:
    """No two bodies are escaped alike."""
    assert (escape(one) == escape(other)) == (one == other)


@given(rendered_blocks)
def test_landmarks_of_a_block(block: bytes) -> None:
    """The journal can be split without parsing: a header and a meta line stand at its start and nowhere else."""
    assert block.startswith(b"## [")
    assert b"\n## [" not in block
    assert block.count(b"\n<!-- intercom id=") == 1
    assert block.endswith(b"\n\n---\n\n")


@given(st.lists(rendered_blocks, max_size=4), st.binary(max_size=3))
def test_splitting_at_landmarks_is_parsing(blocks: list[bytes], end: bytes) -> None:
    """Rendered blocks split at `---` and `## [` are the entries' raws."""
    data = b"".join(blocks)
    parts = [part for part in re.split(rb"(?<=\n---\n\n)(?=## \[)", data) if part]
    assert parts == blocks == [entry.raw for entry in parse(data)]


@given(files)
def test_the_fast_way_is_the_slow_way(data: bytes) -> None:
    """A message read by its strict header is what the tolerant reader makes of the same bytes."""
    loose = re.compile(BOUNDARY.pattern.replace(b"(?!URGENT", b"(?!)(?!URGENT"))
    for entry in parse(data):
        match = BOUNDARY.match(b"\n" + entry.raw)
        if entry.kind != MESSAGE or match is None or not is_strict(match):
            continue
        again = loose.match(b"\n" + entry.raw)
        assert again is not None
        assert reading.is_header(again)
        assert tolerant.message(b"\n" + entry.raw, again, len(entry.raw) + 1, entry.start - 1) == entry


@given(files)
def test_adopting_keeps_what_was_said(data: bytes) -> None:
    """A hand-written message rendered as a block of ours has the same digest, and the id and time it was given."""
    for entry in parse(data):
        if entry.kind != MESSAGE:
            continue
        (again,) = parse(rendered(entry, "k7q294xmbd3t", "hand", "2026-01-12T22:50:00.123Z"))
        assert digest(again) == digest(entry)
        assert said(again)[:6] == said(entry)[:6]
        assert (again.id, again.via) == ("k7q294xmbd3t", "hand")


@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_the_digest_outlives_formatting(sent: list[Message], data: st.DataObject) -> None:
    """Line ends, trailing blanks, runs of blank lines, a BOM: the same messages with the same ids and digests."""
    log = b"".join(render(message, "2026-01-12 23:50:00") for message in sent)
    shape = data.draw(st.sampled_from(("crlf", "trailing", "more blank lines", "fewer blank lines", "bom", "prettier")))
    if shape == "crlf":
        changed = log.replace(b"\n", b"\r\n")
    elif shape == "trailing":
        changed = re.sub(rb"(?=\n)", b"  ", log)
    elif shape == "more blank lines":
        changed = log.replace(b"\n\n", b"\n\n\n")
    elif shape == "fewer blank lines":
        changed = re.sub(rb"\n{3,}", b"\n\n", log)
    elif shape == "bom":
        changed = b"\xef\xbb\xbf" + log
    else:
        changed = re.sub(rb"\n(?=<!-- intercom id=)", b"\n\n", log).rstrip(b"\n") + b"\n"
    before, after = parse(log), parse(changed)
    assert [(entry.id, digest(entry)) for entry in after] == [(entry.id, digest(entry)) for entry in before]


@given(st.binary())
def test_any_bytes_are_text(data: bytes) -> None:
    """Decoding never fails, and what it gives survives being written and read again."""
    text = decode(data)
    assert decode(encode(text)) == text


@given(st.text(st.characters(codec=None)))
def test_any_text_is_bytes(text: str) -> None:
    """Text, lone surrogates too, survives being written and read."""
    assert decode(encode(text)) == text


@given(st.integers(0, 10**7), stamps)
def test_a_marker_is_a_marker(count: int, stamp: str) -> None:
    """What compaction leaves is read as a marker."""
    line = marker(count, stamp)
    assert [(entry.kind, entry.raw) for entry in parse(line)] == [(MARKER, line)]
