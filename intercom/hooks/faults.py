"""Owns `errors.log`: what went wrong in hooks, which say nothing to the session that they run in."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intercom.core.config import Config

_LONGEST_LOG = 256 * 1024  #: bytes; then a new one is begun


def note_fault(config: Config | None, event: str, error: BaseException) -> None:
    """A line in `.claude/local/.intercom/errors.log`, if there is such a folder."""
    import traceback

    from intercom.core.display import sentence
    from intercom.system import host

    if config is None or not config.private.is_dir():
        return
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {os.path.basename(last[0].filename)}:{last[0].lineno}" if last else ""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = sentence(f"{stamp} hook {event}: {type(error).__name__}: {error}{where}")
    path = config.private / "errors.log"
    try:
        if path.exists() and path.stat().st_size > _LONGEST_LOG:
            host.rename(path, path.with_name("errors.log.1"))
        sink = host.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(sink, (line[:2000] + "\n").encode("utf-8", "backslashreplace"))
        finally:
            os.close(sink)
    except OSError:
        pass  # there is nobody left to tell
