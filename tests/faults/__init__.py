"""Owns the tests in which a call of the system fails, or is the last of its process."""
