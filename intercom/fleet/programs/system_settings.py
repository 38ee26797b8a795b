"""Owns worker settings that replace system-wide settings: the system's own stay, with ours merged over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.core.errors import UsageError


def system_settings(path: str, ours: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in the file at `path`, if any, with ours merged over them; lists are joined. UsageError."""
    try:
        found = document.json(document.text_of(Path(path)))
    except FileNotFoundError:
        found = {}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} has settings for the whole system that cannot be read ({error}); a worker would go without them, "
            "so nothing was started. Correct that file: it must be JSON, without comments."
        ) from None
    return _over(found if isinstance(found, dict) else {}, ours)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(below)
    for key, value in above.items():
        before = out.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            out[key] = _over(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            out[key] = [*before, *value]
        else:
            out[key] = value
    return out
