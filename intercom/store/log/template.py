"""Owns the beginning of a new log (front matter and a note to people) and git's ignore rule for it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from intercom.system import host
from intercom.system.resources import text


def fresh_log(machine: str, agents: Iterable[str]) -> bytes:
    """The beginning of a new log: front matter and a note to people."""
    import frontmatter

    post = frontmatter.loads(text("log.md"))
    post["machine"], post["agents"] = machine, list(agents)
    post.content = post.content.replace("{machine}", machine)
    return f"{frontmatter.dumps(post, sort_keys=False, allow_unicode=True).rstrip()}\n\n".encode()


def keep_out_of_git(folder: Path) -> None:
    """Make git ignore the folder of a log begun by a message instead of `init`. Failures are ignored."""
    with (
        suppress(OSError),
        open(host.open_file(folder / ".gitignore", os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file,
    ):
        file.write(b"# Logs are private; intercom init writes a rule for the whole project.\n*\n")
