"""Owns workers' git worktrees: making and removing them, what is unsaved in one, how far each has come."""
