"""Owns what Intercom knows about Kilo, behind `intercom.fleet.programs.program.Program`."""
