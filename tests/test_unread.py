"""Checks what a reader has not got yet: counted in any way, it is the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intercom.core.message import ALL
from intercom.store.index import unread
from intercom.store.index.query import Filter
from intercom.store.index.tables import PARTIAL_INDEXES, SCHEMA, UNIQUE_INDEX
from intercom.store.state.tables import STEPS

_NAMES = ("ann", "bob", ALL)
_ASKED = (
    "SELECT m.seq FROM messages m WHERE m.hidden != 1 "
    "AND (m.seq IN (SELECT seq FROM inbox WHERE rcpt = ?1 AND seq > ?2) "
    "OR (m.sender != ?1 AND m.seq IN (SELECT seq FROM inbox WHERE rcpt = 'all' AND seq > max(?2, ?3)))) "
    "AND m.id NOT IN (SELECT id FROM state.receipts WHERE reader = ?1) ORDER BY m.seq"
)
_message = st.tuples(
    st.sampled_from(("ann", "bob", "eve")),
    st.sets(st.sampled_from(_NAMES), min_size=1),
    st.integers(0, 2),  # hidden
    st.booleans(),  # urgent
    st.sets(st.sampled_from(("ann", "bob"))),  # who was given it
)


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    """An index without messages, with receipts beside it."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(SCHEMA)
    for statement in (*PARTIAL_INDEXES, UNIQUE_INDEX):
        db.execute(statement)
    db.execute("ATTACH DATABASE ':memory:' AS state")
    receipts = next(part for part in STEPS[0].split(";") if "receipts (" in part)
    db.execute(receipts.replace("IF NOT EXISTS ", "state."))
    db.execute("INSERT INTO sources VALUES (1, 'archive/one', 1, '', 0, '')")
    yield db
    db.close()


@pytest.mark.parametrize("few", [0, unread._FEW])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_message, max_size=12), st.sampled_from(_NAMES[:2]), st.integers(0, 12), st.integers(0, 12))
def test_counting_and_listing_agree(
    db: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    messages: list[tuple[str, set[str], int, bool, set[str]]],
    reader: str,
    floor: int,
    joined: int,
) -> None:
    """What is listed, its number and the first of it are what one simple question tells, whichever way is taken."""
    for table in ("messages", "inbox", "state.receipts"):
        db.execute(f"DELETE FROM {table}")
    for seq, (sender, to, hidden, urgent, given_to) in enumerate(messages, 1):
        row = (seq, f"id{seq}", sender, ", ".join(sorted(to)), urgent, hidden)
        db.execute(
            "INSERT INTO messages (seq, id, at, sender, rcpt, tag, body, urgent, via, src, stamp, hidden) "
            "VALUES (?, ?, '', ?, ?, 'INFO', '', ?, 'tool', 1, '', ?)",
            row,
        )
        db.executemany("INSERT INTO inbox VALUES (?, ?)", [(name, seq) for name in to])
        db.executemany("INSERT INTO state.receipts VALUES (?, ?, '', '', '', 1)", [(one, row[1]) for one in given_to])
    asked = [row[0] for row in db.execute(_ASKED, (reader, floor, joined))]
    monkeypatch.setattr(unread, "_FEW", few)
    assert unread.count(db, reader, floor, joined) == len(asked)
    assert unread.first(db, reader, floor, joined) == (asked[0] if asked else None)
    assert [one.seq for one in unread.unread(db, reader, floor, joined, Filter(), None)] == asked
    urgent_first = sorted(asked, key=lambda seq: (not messages[seq - 1][3], seq))
    assert [one.seq for one in unread.unread(db, reader, floor, joined, Filter(), 2)] == urgent_first[:2]
