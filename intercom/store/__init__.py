"""Owns what a bus stores on disk, one package per resource: the log, the index, the state, the index's sources."""
