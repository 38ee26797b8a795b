"""Owns what Intercom knows about Cline, behind `intercom.fleet.programs.program.Program`."""

from __future__ import annotations

EVENTS = ("PreToolUse", "PostToolUse")  #: events of its hook programs whose answer reaches the model
FILES = ("cline.json",)  #: suffix of a worker's own file: its list of MCP servers
