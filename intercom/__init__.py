"""Intercom: a message bus for AI coding agents whose truth is a markdown log that people can edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intercom.bus import Bus
    from intercom.errors import IntercomError
    from intercom.model import Instance, Message, Receipt

__version__ = "0.1.0"
__all__ = ["Bus", "Instance", "IntercomError", "Message", "Receipt", "__version__"]

_HOME = {
    "Bus": "intercom.bus",
    "IntercomError": "intercom.errors",
    "Instance": "intercom.model",
    "Message": "intercom.model",
    "Receipt": "intercom.model",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that a hook or command pays only for what it needs."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
