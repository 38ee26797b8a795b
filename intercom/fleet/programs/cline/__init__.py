"""Owns what Intercom knows about Cline, behind `intercom.fleet.programs.program.Program`."""
