"""Owns the tables of agent sessions inside `state.db`: what they are, and how a row is asked for."""

from __future__ import annotations

SCHEMA = """
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
"""
ROW = (
    "SELECT name, session_id, pid, started, state, detail, since, pane, socket, worktree, agent, transcript, "
    "spawned_by, heard FROM sessions"
)
REQUEST = "SELECT id, name, request, message_id, mark, asked FROM requests"
