"""Owns the bus: sending, reading, searching, names, receipts. What every edge calls."""
