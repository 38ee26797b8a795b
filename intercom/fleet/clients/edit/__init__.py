"""Additions to files that belong to others: everything else in them stays, byte for byte, and all can be taken back."""
