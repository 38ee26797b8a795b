"""Owns agents at work: their programs and sessions, waking them, answering for them, workers and worktrees."""
