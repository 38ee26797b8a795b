"""Owns what Intercom knows about Codex, behind `intercom.fleet.programs.program.Program`."""
