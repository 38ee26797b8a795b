"""Owns the agent programs that can be workers: what is asked of one, which there are, a package for each."""
