"""Owns the ledger, the page and its base: appending, replacing, compacting, and checking that they agree."""
