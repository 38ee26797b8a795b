"""Owns the tables and b-trees of the index. Another version of them is built anew."""

from __future__ import annotations

from intercom.core.message import FIELDS

_VERSION = 6  # 6: what people and `system` said is found by b-trees of their own
SCHEMA_VERSION = 1_000 * _VERSION + len(FIELDS)  #: an index without a column is rebuilt
_COLUMNS = ", ".join(f"{field.column} {'INTEGER' if field.kind == 'percent' else 'TEXT'}" for field in FIELDS)

SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE sources (
    src INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,  -- relative to .claude/local
    own INTEGER NOT NULL,       -- 1 for a segment of our ledger
    seen TEXT NOT NULL,         -- inode, size and times when last read: hints
    settled INTEGER NOT NULL,   -- where the next parse begins
    proof TEXT NOT NULL         -- digest of what stood before `settled`
);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, at TEXT NOT NULL, sender TEXT NOT NULL, rcpt TEXT NOT NULL,
    tag TEXT NOT NULL, body NOT NULL, urgent INTEGER NOT NULL, via TEXT NOT NULL, src INTEGER NOT NULL,
    stamp TEXT NOT NULL, {_COLUMNS},
    hidden INTEGER NOT NULL DEFAULT 0   -- 1: deleted by hand; 2: missing from the page, and left so
);
CREATE TABLE inbox (rcpt TEXT, seq INTEGER, PRIMARY KEY (rcpt, seq)) WITHOUT ROWID;
CREATE TABLE versions (
    id TEXT, n INTEGER, at TEXT, stamp, sender, rcpt, tag, urgent INTEGER, body, PRIMARY KEY (id, n)
) WITHOUT ROWID;
CREATE TABLE kept (seq INTEGER PRIMARY KEY);  -- on the page though older than meta's `page`
CREATE TABLE traces (
    id TEXT PRIMARY KEY,
    returned INTEGER NOT NULL DEFAULT 0,    -- how often it was put back on the page
    redacted INTEGER NOT NULL DEFAULT 0     -- 1: its text is to be destroyed; 2: that was done
) WITHOUT ROWID;
CREATE TABLE hands (src INTEGER, digest TEXT, n INTEGER, PRIMARY KEY (src, digest)) WITHOUT ROWID;
CREATE TABLE terms (term TEXT PRIMARY KEY) WITHOUT ROWID;  -- every word that `words` has, or had
CREATE VIRTUAL TABLE words USING fts5(body, content='messages', content_rowid='seq');
"""
#: Created before a bulk load: they contain few messages, and creating one later scans the whole table.
PARTIAL_INDEXES = (
    "CREATE INDEX by_thread ON messages (thread, seq) WHERE thread IS NOT NULL",
    "CREATE INDEX by_status ON messages (sender, seq) WHERE status IS NOT NULL",
    "CREATE INDEX hidden_ones ON messages (hidden) WHERE hidden > 0",
    "CREATE INDEX by_reply ON messages (re) WHERE re IS NOT NULL",
    "CREATE INDEX by_people ON messages (seq) WHERE via IN ('hand', 'cli')",
    "CREATE INDEX by_system ON messages (seq) WHERE sender = 'system'",
    "CREATE INDEX urgent_ones ON messages (seq) WHERE urgent > 0",
    "CREATE INDEX to_all ON messages (sender, seq) WHERE instr(rcpt, 'all') > 0",  # and names with that in them
    "CREATE INDEX to_all_twice ON messages (seq) WHERE instr(rcpt, 'all') > 0 AND instr(rcpt, ',') > 0",
)
UNIQUE_INDEX = "CREATE UNIQUE INDEX by_id ON messages (id)"  #: created after a bulk load, by one sort
