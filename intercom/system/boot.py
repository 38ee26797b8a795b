"""Owns what tells one start of the machine from the next: after another, unsynced writes may be lost."""

from __future__ import annotations

from intercom.system import host

_UNKNOWN = "-"
_boot: list[str] = []


def boot_id() -> str:
    """Changes with every start of the machine, where the system tells; "-" elsewhere."""
    if not _boot:
        _boot.append(host.boot_id() or _UNKNOWN)
    return _boot[0]
