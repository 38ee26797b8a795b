"""Owns what operating systems differ in: files, locks, processes, git, tmux, watching. No message, no log."""
