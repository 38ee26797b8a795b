"""Where a person's own files are: what the XDG variables name, if that is absolute, else in the home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from intercom.core import trust, xdg
from intercom.core.errors import StorageError
from intercom.fleet.clients.record import user_record
from intercom.fleet.notebook import Notebook

DRIVE = "C:" if os.name == "nt" else ""  # whole paths have one on Windows
HOME = {"HOME": f"{DRIVE}/home/a"}


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        (HOME, f"{DRIVE}/home/a/.local/state"),
        ({**HOME, "XDG_STATE_HOME": f"{DRIVE}/s"}, f"{DRIVE}/s"),
        ({**HOME, "XDG_STATE_HOME": ""}, f"{DRIVE}/home/a/.local/state"),
        ({**HOME, "XDG_STATE_HOME": "s"}, f"{DRIVE}/home/a/.local/state"),
        ({**HOME, "XDG_STATE_HOME": "~/s"}, f"{DRIVE}/home/a/.local/state"),
        ({"HOME": "a"}, None),
        ({}, None),
    ],
)
def test_one_rule_for_all(environ: dict[str, str], folder: str | None, tmp_path: Path) -> None:
    """What was set up and what was told stand in the same folder, never in whichever one a command runs in."""
    assert xdg.base(xdg.STATE, environ) == (Path(folder) if folder else None)
    if folder:
        assert user_record(Path(f"{DRIVE}/home/a"), environ) == Path(folder, "intercom", "clients.json")
        Notebook(tmp_path, environ)
    else:
        with pytest.raises(StorageError, match="no home folder"):
            Notebook(tmp_path, environ)


@pytest.mark.parametrize("said", ["", "c", "./c"])
def test_settings_and_trust(said: str) -> None:
    """The same rule, from the other variable."""
    assert trust.place({**HOME, "XDG_CONFIG_HOME": said}) == Path(f"{DRIVE}/home/a/.config/intercom/trust.json")
    assert trust.place({"XDG_CONFIG_HOME": f"{DRIVE}/c"}) == Path(f"{DRIVE}/c/intercom/trust.json")
