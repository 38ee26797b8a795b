"""Owns `intercom trust`: which other machines, and which powers in the project's settings, are trusted here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from intercom.cli import show
from intercom.cli.session import Asked, whose
from intercom.core.errors import Refused, UsageError
from intercom.core.signature import Arg

if TYPE_CHECKING:
    from intercom.core.config import Config


def trust(
    asked: Asked,
    what: Annotated[
        str | None,
        Arg(help="another machine, or the word `settings`; without it, list both", metavar="MACHINE"),
    ] = None,
    *,
    revoke: Annotated[bool, Arg(help="stop trusting it")] = False,
) -> int:
    """Let another machine's orders, or the powers in the settings, count in this project."""
    from intercom.bus.trusting import SETTINGS
    from intercom.core.config import load

    config = load(asked.root)
    if what is not None and (config.private / "state.db").exists():
        found = whose(config)
        if found.name or found.why:
            by = f"this command runs in the session of {found.name!r}" if found.name else found.why
            raise Refused(f"trust is a person's to give, and {by}; nothing was changed. Use a terminal of your own.")
    if what == SETTINGS:
        return _settings(asked, config, revoke=revoke)
    if what is not None:
        return _machine(asked, config, what, revoke=revoke)
    if revoke:
        raise UsageError("--revoke needs to know what: a machine, or settings; nothing was changed.")
    return _list(asked, config)


def _settings(asked: Asked, config: Config, *, revoke: bool) -> int:
    from intercom.bus import trusting

    lines = trusting.settings(config, os.environ, revoke=revoke)
    if asked.json:
        show.json_line({"settings": lines, "trusted": bool(lines) and not revoke})
        return 0
    for text in lines:
        show.line(f"  {text}")
    said = "no longer count" if revoke else "count from now on, until they change"
    show.line(f"These settings {said}." if lines else "Nothing in the settings needs trust.")
    return 0


def _machine(asked: Asked, config: Config, name: str, *, revoke: bool) -> int:
    from intercom.bus import machines, trusting

    found = trusting.machine(config, name, os.environ, revoke=revoke)
    if asked.json:
        show.json_line({"machine": found, "trusted": not revoke})
        return 0
    if revoke:
        show.line(f"{found} is no longer trusted: what it sends still comes, but is never an order.")
        return 0
    show.line(f"{found} is trusted here: a task from master@{found} or user@{found} is an order.")
    if found not in (there := machines.others(config)):
        show.note(f"{found} has no log here; those that have one: {', '.join(there) or 'no other machine'}")
    return 0


def _list(asked: Asked, config: Config) -> int:
    from intercom.bus import trusting
    from intercom.core import consent

    trusted, names, held = config.trust.machines, trusting.known(config), config.withheld()
    powers = list(consent.lines(consent.powers(config.given)))
    if asked.json:
        machines = [{"machine": name, "trusted": name in trusted} for name in names]
        show.json_line({"machines": machines, "settings": powers, "settings_trusted": bool(powers) and not held})
        return 0
    for name in names:
        show.line(f"{name}  {'trusted' if name in trusted else 'not trusted'}")
    if not names:
        show.line("No other machine has a log here.")
    for text in powers:
        show.line(f"  {text}")
    if powers:
        show.line(f"These settings {'do not count: `intercom trust settings` lets them' if held else 'count'}.")
    return 0
