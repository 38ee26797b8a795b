"""Owns everything that Intercom knows about Claude Code: flags, files, hooks, screens, rules."""
