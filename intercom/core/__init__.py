"""Owns the vocabulary of the whole package: errors, messages, contracts, the configuration, limits."""
