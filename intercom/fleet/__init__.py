"""Owns agents at work: their programs and sessions, waking them, answering their requests, workers and worktrees."""
