"""`intercom restore`, `history` and `redact` as a person types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from tests.conftest import Command
from tests.people_kit import bodies, talk


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus on which the second of four messages was deleted and the third edited."""
    with Bus.open(project) as found:
        talk(found, 4)
        found.read("roo")
        parts = found.config.log.read_text(encoding="utf-8").split("## [20")
        del parts[2]
        text = "## [20".join(parts).replace("number 2: the build", "number 2: our build")
        found.config.log.write_text(text, encoding="utf-8")
        found.status()
        yield found


def test_restore_lists_and_brings_back_one(bus: Bus, command: Command) -> None:
    """Without an argument a list, with an id that message; a second time there is nothing to do."""
    listed = json.loads(command("restore", "--json").stdout)
    assert listed["body"] == "Message number 1: the build is at step 1."
    assert "1 message deleted or lost" in command("restore").stdout
    assert "Restored 1 message" in command("restore", listed["id"]).stdout
    again = command("restore", listed["id"])
    assert (again.returncode, "nothing was restored" in again.stderr) == (1, True)
    assert "Nothing is missing" in command("restore").stdout
    assert len(bodies(bus.history())) == 4


def test_restore_wants_one_argument(bus: Bus, command: Command) -> None:
    """Contradictory arguments are wrong usage; a time that is none, too."""
    assert command("restore", "x", "--all").returncode == 2
    assert command("restore", "--since", "yesterdayish").returncode == 2
    assert len(bus.missing()) == 1


def test_history_shows_every_version(bus: Bus, command: Command) -> None:
    """In text and as JSON, oldest first."""
    ident = next(m.id for m in bus.history() if "our build" in m.body)
    shown = command("history", ident).stdout
    assert shown.index("the build") < shown.index("our build")
    rows = [json.loads(row) for row in command("history", ident, "--json").stdout.splitlines()]
    assert [(row["version"], row["current"], row["body"][18:27]) for row in rows] == [
        (1, False, "the build"),
        (2, True, "our build"),
    ]
    assert command("history", "nosuchid").returncode == 1


def test_redact_asks_first(bus: Bus, command: Command) -> None:
    """Where nobody can be asked it wants --yes; then the text is gone."""
    ident = bus.history()[0].id
    refused = command("redact", ident)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    done = command("redact", ident, "--yes")
    assert done.returncode == 0
    assert f"Redacted {ident}" in done.stdout
    assert "Copies outside Intercom stay" in done.stdout
    assert "number 0" not in bus.config.log.read_text(encoding="utf-8")
