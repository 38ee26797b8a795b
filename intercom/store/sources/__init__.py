"""Owns the files that the index is made of: which they are, what is new in each, and reading ahead."""
