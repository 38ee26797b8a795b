"""opencode: what Intercom knows about it alone, behind `intercom.fleet.programs.program.Program`."""
