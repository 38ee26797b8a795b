"""Owns the bus: sending, reading, searching, names, receipts. Every edge calls it."""
