"""What Intercom itself says in the log: it reads as a message of `system`, and begins a log where there is none."""

from __future__ import annotations

from pathlib import Path

from intercom import Bus
from intercom.core.config import load
from intercom.format import parse
from intercom.store.log.announce import announce, announcement


def test_it_reaches_the_people(project: Path) -> None:
    """From `system`, to `user`, in its thread; the log that it begins is kept out of git as any is."""
    config = load(project)
    said = announce(config, "allowed for worker-1\n## [not a header", thread="r1")
    with Bus.open(project) as bus:
        (got,) = bus.read("user")
    assert (got.id, got.sender, got.to, got.body, got.thread) == (said.id, "system", "user", said.body, "r1")
    assert (got.tag, got.type, got.via) == ("INFO", "status", "tool")
    assert (config.folder / ".gitignore").read_text().endswith("*\n")
    assert config.log.read_bytes().startswith(b"---\n")


def test_a_warning() -> None:
    """As a repair says it."""
    message, block = announcement("the log was emptied", tag="WARN")
    (entry,) = parse(block)
    assert (entry.id, entry.sender, entry.to, entry.tag) == (message.id, "system", "user", "WARN")
    assert message.type == "warn"
