"""Owns `errors.log`: errors in hooks, which must not be shown in the session that they run in."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intercom.core.config import Config

_LONGEST_LOG = 256 * 1024  #: bytes; a longer log is started over


def note_fault(config: Config | None, event: str, error: BaseException, root: str | None = None) -> None:
    """Add a line to `.claude/local/.intercom/errors.log` if that folder exists, even if the settings are unreadable."""
    import traceback

    from intercom.core.escaping import sentence
    from intercom.system import host

    private = config.private if config is not None else _private(root)
    if private is None or not private.is_dir():
        return
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {os.path.basename(last[0].filename)}:{last[0].lineno}" if last else ""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = sentence(f"{stamp} hook {event}: {type(error).__name__}: {error}{where}")
    path = private / "errors.log"
    try:
        if path.exists() and path.stat().st_size > _LONGEST_LOG:
            host.rename(path, path.with_name("errors.log.1"))
        sink = host.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(sink, (line[:2000] + "\n").encode("utf-8", "backslashreplace"))
        finally:
            os.close(sink)
    except OSError:
        pass  # there is no other place to report it


def _private(root: str | None) -> Path | None:
    """The private folder of a bus whose settings cannot be read."""
    from intercom.core.errors import IntercomError
    from intercom.core.root import find

    try:
        return find(root, os.environ).path / ".claude" / "local" / ".intercom"
    except (IntercomError, OSError):
        return None
