"""Owns `state.db`: what no log can tell."""
