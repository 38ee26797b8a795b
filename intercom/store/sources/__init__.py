"""Owns the files that the index is made of: which there are, what is new in each, reading them ahead."""
