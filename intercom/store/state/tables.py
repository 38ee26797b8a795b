"""Owns every table of `state.db`, as migration steps; a file's version is the number of steps it has had.

To change a table, add a step at the end; existing steps never change. Each step tolerates tables that already exist,
since version 1 could have any of them.
"""

from __future__ import annotations

_BUS = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agents (name TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instances (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, pid INTEGER, started TEXT, session TEXT,
    registered TEXT NOT NULL, heartbeat TEXT NOT NULL, active TEXT NOT NULL,
    joined INTEGER NOT NULL,          -- broadcasts after this sequence number are for it
    gone TEXT                         -- when it signed off
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    reader TEXT PRIMARY KEY, generation TEXT NOT NULL, floor INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipts (
    reader TEXT NOT NULL, id TEXT NOT NULL, given TEXT NOT NULL, session TEXT NOT NULL,
    received TEXT, times INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (reader, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_receipts ON receipts (reader, session) WHERE received IS NULL;
CREATE INDEX IF NOT EXISTS receipts_by_id ON receipts (id);
CREATE TABLE IF NOT EXISTS numbers (id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
"""
_EDITS = """
CREATE TABLE IF NOT EXISTS told (
    reader TEXT NOT NULL, id TEXT NOT NULL,
    text TEXT NOT NULL,               -- a digest of what it was given last, or told of; only of what was edited
    PRIMARY KEY (reader, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    id TEXT PRIMARY KEY, at TEXT NOT NULL  -- when a message of another log was first seen that says no time itself
) WITHOUT ROWID;
"""
_FLEET = """
CREATE TABLE IF NOT EXISTS sessions (
    name TEXT PRIMARY KEY, session_id TEXT, pid INTEGER, started TEXT, state TEXT NOT NULL, detail TEXT NOT NULL,
    since TEXT NOT NULL, pane TEXT, socket TEXT, worktree TEXT, agent TEXT NOT NULL, transcript TEXT, spawned_by TEXT,
    heard TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonces (
    nonce TEXT PRIMARY KEY, name TEXT NOT NULL, rung TEXT NOT NULL, expected TEXT NOT NULL, seen TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiters (name TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, request TEXT NOT NULL, message_id TEXT, mark TEXT NOT NULL,
    asked TEXT NOT NULL, decision TEXT, decided_by TEXT, reason TEXT, answered TEXT, closed TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transcripts (
    name TEXT NOT NULL, path TEXT NOT NULL, program TEXT NOT NULL, noted TEXT NOT NULL, ended TEXT,
    PRIMARY KEY (name, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS worktrees (
    worker TEXT PRIMARY KEY, path TEXT NOT NULL, base TEXT NOT NULL, branch TEXT, status TEXT NOT NULL,
    created TEXT NOT NULL, changed TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (
    id TEXT PRIMARY KEY, worker TEXT NOT NULL, task TEXT NOT NULL, branch TEXT, hash TEXT, reasons TEXT NOT NULL,
    at TEXT NOT NULL                  -- worker is "" where a done was looked at and answers no contract
) WITHOUT ROWID;
"""
STEPS = (_BUS, _EDITS, _FLEET)
VERSION = len(STEPS)


def steps_from(version: int) -> str:
    """The SQL that migrates a file from this version to ours, in one transaction; "" if it is current."""
    if version >= VERSION:
        return ""
    return f"BEGIN IMMEDIATE;{''.join(STEPS[version:])}PRAGMA user_version = {VERSION};COMMIT;"
