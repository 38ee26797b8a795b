"""Owns what everything else is said in: errors, messages, contracts, the configuration, limits."""
