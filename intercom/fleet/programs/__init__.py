"""Owns the agent programs: their common interface, the list of them, and a package for each."""
