"""Owns the live log, its journal and its archive: appending, replacing, compacting, and whether they agree."""
