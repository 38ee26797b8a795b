"""Owns what Intercom knows about Gemini CLI, behind `intercom.fleet.programs.program.Program`."""
