"""Owns what a bus keeps on disk, one resource a package: the log, the index, the state, the sources of the index."""
