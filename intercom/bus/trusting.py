"""Owns what `intercom trust` records: that a person trusts another machine, or a project's settings.

The record belongs to the person (see `core.trust`); nothing is written into the project.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from intercom.bus import machines
from intercom.core import consent, trust
from intercom.core.config import Config
from intercom.core.errors import Refused, UsageError
from intercom.core.message import canonical, is_name
from intercom.system.files import replace, storage
from intercom.system.lock import flocked

SETTINGS = "settings"


def machine(config: Config, name: str, environ: Mapping[str, str], *, revoke: bool = False) -> str:
    """Trust another machine in this project, or revoke that; returns its canonical name. UsageError, Refused."""
    found = canonical(name)
    if not is_name(found):
        raise UsageError(f"{name!r} cannot be a machine's name; nothing was changed.")
    if found in {canonical(one) for one in (config.machine, *config.pages())}:
        raise Refused(f"{name!r} is this machine, which needs no trust; nothing was changed.")
    with _changing(config, environ) as record:
        trusted = trust.of(record).machines
        if revoke and found not in trusted:
            raise Refused(f"{name!r} is not trusted here; nothing was changed. `intercom trust` lists what is.")
        record["machines"] = [*(one for one in trusted if one != found), *([] if revoke else [found])]
    return found


def settings(config: Config, environ: Mapping[str, str], *, revoke: bool = False) -> list[str]:
    """Agree to the project's settings as they are now, or revoke that; returns the settings concerned, one per line."""
    held = consent.powers(config.given)
    with _changing(config, environ) as record:
        record["settings"] = "" if revoke else consent.digest(held)
    return list(consent.lines(held))


def known(config: Config) -> list[str]:
    """The other machines that have a log here, or are trusted."""
    return list(dict.fromkeys([*machines.others(config), *config.trust.machines]))


@contextmanager
def _changing(config: Config, environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """This project's part of the record, to change within the block; then it is written. Refused, StorageError."""
    if environ.get("INTERCOM_NAME"):
        raise Refused(
            f"trust is a person's to give, and this is the session of {environ['INTERCOM_NAME']!r}; nothing was "
            "changed. Run it in a terminal of your own."
        )
    path, root = trust.place(environ), os.fspath(config.root)
    if path is None:
        raise Refused("there is no home folder to keep it in; nothing was changed. Set HOME or XDG_CONFIG_HOME.")
    if not trust.apart(path, config.root, environ):
        raise Refused(f"{path} is in the project itself; nothing was changed. Set XDG_CONFIG_HOME to another place.")
    with storage(f"create the folder {path.parent}", "nothing was changed"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with flocked(path.with_suffix(".lock")):
        found = trust.everything(path)
        record = found[root] if isinstance(found.get(root), dict) else {}
        yield record
        found[root] = {key: value for key, value in record.items() if value}
        replace(path, json.dumps({key: one for key, one in found.items() if one}, indent=1).encode() + b"\n")
