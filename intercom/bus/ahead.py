"""Owns importing early what the bus usually imports late: a long-lived process may outlive its installed package."""

from __future__ import annotations


def reading() -> None:
    """Import everything that sending and reading may need, for a hand-written log too."""
    from intercom.bus import bus, rebuild  # noqa: F401
    from intercom.format import lines, tolerant  # noqa: F401


def everything() -> None:
    """Import everything that the bus may ever need; it costs 20 ms and 3 MB.

    But not filelock, which is as large as all the rest: the lock is taken without it, unless somebody holds it for
    longer than anybody waits.
    """
    import difflib  # noqa: F401

    import frontmatter  # noqa: F401

    reading()
    from intercom.bus import purge  # noqa: F401
    from intercom.repair import intake, refill, repair, reread, takeover, unheard  # noqa: F401
    from intercom.store.log import template  # noqa: F401
    from intercom.store.sources import readahead, theirs  # noqa: F401
    from intercom.system import proc, watch  # noqa: F401
