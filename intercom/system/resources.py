"""Owns access to the texts shipped with Intercom: the protocol, the instructions, the first log.

In a wheel they are inside the package (`intercom/templates`), in a checkout beside it.
"""

from __future__ import annotations

import os

from intercom.core.errors import NotFound

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.dirname(_PACKAGE)  #: the folder from which Python imports this package
_FOLDERS = (os.path.join(_PACKAGE, "templates"), os.path.join(SOURCE, "templates"))


def text(name: str) -> str:
    """The template `name` (a bare file name such as `log.md`); NotFound if this installation lacks it."""
    for folder in _FOLDERS:
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            continue
    raise NotFound(f"The template {name} is missing from this installation; nothing was done. Reinstall intercom-md.")
