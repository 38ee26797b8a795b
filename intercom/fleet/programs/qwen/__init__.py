"""Owns what Intercom knows about Qwen Code, behind `intercom.fleet.programs.program.Program`."""
