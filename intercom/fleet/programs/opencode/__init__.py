"""Owns what Intercom knows about opencode and its forks, behind `intercom.fleet.programs.program.Program`."""

from __future__ import annotations

FILES = ("opencode.json", "opencode.js")  #: suffixes of a worker's own files: settings, plugin
