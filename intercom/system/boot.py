"""Owns what tells one start of the machine from the next: after another, unsynced writes may be lost."""

from __future__ import annotations

_UNKNOWN = "-"
_boot: list[str] = []


def boot_id() -> str:
    """Changes with every start of the machine, where the system tells; "-" elsewhere."""
    if not _boot:
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                _boot.append(file.read().strip() or _UNKNOWN)
        except (OSError, UnicodeDecodeError):
            _boot.append(_UNKNOWN)
    return _boot[0]
