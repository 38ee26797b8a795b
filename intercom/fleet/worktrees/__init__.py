"""Owns workers' git worktrees: creating and removing them, what is unsaved in one, how far each has come."""
