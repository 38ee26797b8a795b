"""Owns delivering unread messages to a session, as text that its program puts before the model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from intercom.core.errors import UnknownName
from intercom.hooks.call import Call

if TYPE_CHECKING:
    from intercom.bus.bus import Bus


def deliver(call: Call, write: Callable[[str], None], *, urgent_only: bool = False, mark: str | None = None) -> bool:
    """Pass unread messages to `write`, at most a page; returns whether there were any.

    They count as given to this process first, and as given to the session once they are written: after a kill in
    between they are given again. Nothing is delivered inside a subagent, whose context ends with it.
    """
    if call.event.inside:
        return False
    from intercom.bus.bus import Bus

    with Bus(call.config) as bus:
        bus.confirms = False
        try:
            text = unread_page(bus, call.who.name, urgent_only=urgent_only)
        except UnknownName:
            return False  # not registered by its server yet, or signed off
    if not text:
        return False
    write(text)
    call.sessions.adopt(call.who.name, mark or call.who.mark)
    return True


def unread_page(bus: Bus, name: str, *, urgent_only: bool = False) -> str:
    """One page of what is unread for `name`, recorded as given to this process; "" if there is nothing."""
    changed = bus.edited(name)
    if not changed and not bus.unread(name):
        return ""
    from intercom.bus import names
    from intercom.hooks import wording

    told = wording.edited(changed)
    instances = bus.instances()
    masters = names.masters(instances, bus.config.trust.machines)
    worker = any(one.name == name and one.role == "worker" for one in instances)
    found = bus.read(name, fits=wording.fitting(masters, urgent_only=urgent_only, worker=worker))
    if not found:
        return told
    page = wording.page(name, found, masters, 0 if urgent_only else bus.unread(name), worker=worker)
    return f"{told}\n\n{page}" if told else page


def context(call: Call, *, urgent_only: bool = False) -> bool:
    """Deliver unread messages as context of this event, at once; returns whether there were any."""

    def write(text: str) -> None:
        import json

        sys.stdout.write(json.dumps(call.program.context(call.event, text)))
        sys.stdout.flush()

    return deliver(call, write, urgent_only=urgent_only)
