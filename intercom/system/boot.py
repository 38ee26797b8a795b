"""Owns telling one boot of the machine from the next: unsynced writes from before a boot may be lost."""

from __future__ import annotations

from intercom.system import host

_UNKNOWN = "-"
_boot: list[str] = []


def boot_id() -> str:
    """An id that changes with every boot, if the system has one; "-" otherwise."""
    if not _boot:
        _boot.append(host.boot_id() or _UNKNOWN)
    return _boot[0]
