"""Owns which part of the protocol a caller gets, and the short instructions sent when a client connects.

`templates/protocol.md` is one text with `<!-- part: NAME -->` lines: what follows one belongs to that part (`all` is
for everybody). `templates/instructions.md` is sent whole. Clients cut instructions at about 2,000 characters, so
that is a limit here too, and a test checks it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from intercom.system import resources

INSTRUCTIONS_LIMIT = 2_000  # characters
PARTS = ("all", "master", "worker", "agent")
AIMFP = "aimfp-"  #: prefix of the parts for projects that use AIMFP

_PART = re.compile(r"^<!-- part: ([a-z-]+) -->\n", re.MULTILINE)


def instructions() -> str:
    """The text for every client's model at connect."""
    return resources.text("instructions.md").strip()


def for_role(role: str | None) -> str:
    """The protocol for a master, worker or agent; all of it for somebody without a role."""
    return _joined(("all", role) if role else PARTS)


def for_aimfp(role: str | None) -> str:
    """The additional text in a project that uses AIMFP."""
    return _joined([AIMFP + one for one in ((role,) if role else PARTS)])


def _joined(wanted: Collection[str]) -> str:
    return "\n\n".join(body for part, body in parts(resources.text("protocol.md")) if part in wanted) + "\n"


def parts(text: str) -> list[tuple[str, str]]:
    """Split `text` at its part lines, in order."""
    _, *rest = _PART.split(text)
    return [(name, body.strip()) for name, body in zip(rest[::2], rest[1::2], strict=True)]
