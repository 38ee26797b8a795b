"""Owns what Intercom knows about Codex, behind `intercom.fleet.programs.program.Program`."""

from __future__ import annotations

#: Suffixes of a worker's own files: the script that starts it, and its app server's socket.
FILES = ("codex.sh", "sock")
