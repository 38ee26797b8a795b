"""Intercom: a message bus for AI coding agents whose truth is a markdown log that people can edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.errors import IntercomError
    from intercom.core.message import Instance, Message, Receipt
    from intercom.core.version import __version__

__all__ = ["Bus", "Instance", "IntercomError", "Message", "Receipt", "__version__"]

_HOME = {
    "Bus": "intercom.bus.bus",
    "IntercomError": "intercom.core.errors",
    "Instance": "intercom.core.message",
    "Message": "intercom.core.message",
    "Receipt": "intercom.core.message",
    "__version__": "intercom.core.version",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that a hook or command pays only for what it needs."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
