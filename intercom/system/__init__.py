"""Owns access to the operating system: files, locks, processes, git, tmux, watching. Knows no message and no log."""
