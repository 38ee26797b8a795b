"""Owns additions to others' files: everything else stays, byte for byte, and each addition can be removed again."""
