"""Owns the screen of `intercom ui`."""
