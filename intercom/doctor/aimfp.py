"""Owns the checks of what AIMFP needs from a project that uses it."""

from __future__ import annotations

from collections.abc import Iterator

from intercom.core.config import Config
from intercom.core.errors import IntercomError
from intercom.doctor.finding import OK, WARNING, WRONG, Finding
from intercom.fleet.aimfp import needs
from intercom.system import proc


def aimfp(config: Config) -> Iterator[Finding]:
    """One finding if all is met, otherwise one for each unmet need."""
    try:
        found = needs(config.root)
    except IntercomError as error:
        yield Finding("AIMFP", WARNING, f"git could not be asked: {error}", proc.INSTALL["git"])
        return
    missing = [one for one in found if not one.met]
    if found and not missing:
        yield Finding("AIMFP", OK, "; ".join(one.says for one in found))
    for one in missing:
        yield Finding(f"AIMFP {one.name}", WRONG if one.stops else WARNING, one.says, one.do)
