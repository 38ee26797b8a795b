"""Owns fuzzing: what each reader of foreign bytes must do with any of them, and atheris, which looks for bytes.

    python -m tests.fuzz [TARGET …] [--seconds 60]     # needs atheris (pip install -e '.[fuzz]'); `make soak` runs all

Whatever it finds goes into `tests/cases/fuzz/TARGET/`, which `tests/test_fuzz.py` plays back on every machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from intercom import Bus
from intercom.core import consent, document
from intercom.core.errors import IntercomError
from intercom.fleet.programs.claude import hooks
from intercom.fleet.programs.claude.permissions import deciding
from intercom.fleet.programs.event import Ask
from intercom.format import Parser, parse
from intercom.server.wire import BadLine, decode

CORPUS = Path(__file__).parent / "cases" / "fuzz"


def log(data: bytes) -> None:
    """Whole or in pieces a log reads the same, and its entries are all of it."""
    whole = parse(data)
    assert b"".join(entry.raw for entry in whole) == data
    parser, found = Parser(), []
    for start in range(0, len(data), 7):
        found += parser.feed(data[start : start + 7])
    assert found + parser.close() == whole


def take_in(data: bytes) -> None:
    """Whatever stands on a page: what is a message there is delivered or stays in the history, and once."""
    with tempfile.TemporaryDirectory() as folder, Bus.open(folder, machine="fuzz") as bus:
        sent = bus.send("roo", "sent before", sender="claude-code")
        with bus.config.log.open("ab") as file:
            file.write(b"\n" + data)
        found = bus.history()
        assert [one.id for one in found].count(sent.id) == 1
        assert all(one.via != "tool" for one in found if one.id != sent.id and one.sender != "system")
        assert [one.id for one in bus.history() if one.sender != "system"] == [
            one.id for one in found if one.sender != "system"
        ]


def elsewhere(data: bytes) -> None:
    """Whatever stands in another machine's log, nobody in it is anybody here."""
    with tempfile.TemporaryDirectory() as folder, Bus.open(folder, machine="fuzz") as bus:
        bus.send("roo", "ours", sender="claude-code")
        path = bus.config.folder / "INTERCOM-far.md"
        path.write_bytes(data + b"\n")
        os.utime(path, (1, 1))
        for one in bus.history():
            assert one.sender.endswith("@far") or (one.sender, one.body) == ("claude-code", "ours")
        before = [one.id for one in bus.history()]
        bus.rebuild()
        assert [one.id for one in bus.history()] == before


def line(data: bytes) -> None:
    """A line to the server is an object or a bad line."""
    with suppress(BadLine):
        assert isinstance(decode(data), dict)


def hook(data: bytes) -> None:
    """Whatever a program says to a hook: it is heard or not."""
    with suppress(ValueError):
        found = document.json(data)
        if isinstance(found, dict):
            for event in ("PermissionRequest", "PreToolUse", "Stop", "SessionStart", "Notification"):
                hooks.heard(event, found)


def rules(data: bytes) -> None:
    """A rule speaks or does not, and what is denied is not allowed."""
    rule, _, command = data.decode("utf-8", "replace").partition("\n")
    for ask in (
        Ask("Bash", {"command": command}, "/w", "/w"),
        Ask("Read", {"file_path": command.replace("\0", "")}, "/w", "/w"),
        Ask("WebFetch", {"url": command}, "/w", "/w"),
    ):
        if deciding(ask, [rule], []) is not None:
            denied = deciding(ask, [rule], [rule])
            assert denied is not None
            assert denied[0] == "deny"


def settings(data: bytes) -> None:
    """Settings are read or refused with a reason; what needs consent is withheld and can be shown."""
    with suppress(ValueError):
        found = document.toml(data.decode())
        held = consent.powers(found)
        assert not consent.powers(consent.without(found))
        assert bool(consent.digest(held)) == bool(held)
        json.dumps([*consent.lines(held), consent.named(held)])


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one for one in (log, take_in, elsewhere, line, hook, rules, settings)
}


def seeds(target: str) -> list[bytes]:
    """The corpus of a target."""
    return [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]


def _fuzz(name: str, words: list[str]) -> None:
    """Let atheris look for bytes that a target cannot take; it does not come back."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    target: Any = TARGETS[name]

    def one(data: bytes) -> None:
        with suppress(IntercomError):
            target(data)

    atheris.Setup([sys.argv[0], *words], one)
    atheris.Fuzz()


def main() -> int:
    """The command: each target in a process of its own; 1 where one found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    try:
        import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
    except ImportError:
        print("NO ATHERIS: NOTHING WAS FUZZED. pip install -e '.[fuzz]'", file=sys.stderr)
        return 0
    failed = 0
    for name in asked.targets or TARGETS:
        finds = CORPUS / name
        finds.mkdir(parents=True, exist_ok=True)
        words = [f"-max_total_time={asked.seconds}", f"-artifact_prefix={finds}/", "-max_len=4096", "-timeout=20"]
        with tempfile.TemporaryDirectory() as grown:  # what is only new goes here, what fails to the corpus
            code = "import atheris\nwith atheris.instrument_imports(include=['intercom']):\n from tests import fuzz\n"
            code += f"fuzz._fuzz({name!r}, {[*words, grown, str(finds)]!r})"
            failed |= subprocess.run([sys.executable, "-c", code], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
