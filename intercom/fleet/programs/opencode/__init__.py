"""opencode: what Intercom knows about it alone, behind `intercom.fleet.programs.program.Program`."""

from __future__ import annotations

FILES = ("opencode.json", "opencode.js")  #: ends of the names of a worker's own files: settings, plugin
