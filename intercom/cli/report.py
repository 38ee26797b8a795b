"""Owns `intercom report`: what happened, as an HTML file to look at, or as figures for scripts."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from intercom.cli import show
from intercom.cli.session import Asked
from intercom.cli.times import EXAMPLES, moment
from intercom.core.errors import StorageError
from intercom.core.message import epoch
from intercom.core.signature import Arg
from intercom.store.index.edited import texts_of
from intercom.system import host
from intercom.system.files import check_regular

_FILE = "intercom-report.html"


def report(
    asked: Asked,
    *,
    since: Annotated[str | None, Arg(help=f"such as {EXAMPLES}", metavar="WHEN")] = None,
    output: Annotated[
        str, Arg(help="where to write it; - is standard output", option="-o --output", metavar="FILE")
    ] = _FILE,
) -> int:
    """Write a report of messages, waits and tasks."""
    from intercom.bus.figures import figures
    from intercom.cli.fleet import crew_of
    from intercom.cli.report_cost import costs
    from intercom.cli.report_page import page
    from intercom.fleet.spending import Spending

    after = moment(since) if since else None
    with crew_of(asked, makes=False) as crew:
        messages = crew.bus.history(since=after)
        merged = {one.worker: one.changed for one in crew.worktrees.entries() if one.status == "merged"}
        edited = {one for one, _ in crew.bus.ask(lambda db: texts_of(db, [message.id for message in messages]))}
        used = Spending(os.environ).of(crew.sessions.transcripts(), former=True)
        name, ours = crew.bus.config.root.name, crew.bus.config.folder
    found, now = figures(messages, merged), time.time()
    cost = costs(found, used, epoch(after) if after else 0.0)
    if asked.json:
        show.json_line({**found.to_json(now), "used": cost.to_json(), "edited": sorted(edited)})
        return 0
    text = page(name, messages, found, now, cost, edited)
    if output == "-":
        sys.stdout.write(text)
        return 0
    _write(output, text, ours)
    show.line(f"Wrote {os.path.abspath(output)}: {show.counted(len(messages))}, {len(found.open)} open.")
    return 0


def _write(path: str, text: str, ours: Path) -> None:
    """Replace the name with a new file: an existing link target, or an open file, stays unchanged.

    Nothing is written below `ours`, where the ledger is. StorageError, with nothing left behind; also for a device,
    which would be gone for the whole machine.
    """
    draft = f"{path}.{os.getpid()}.tmp"
    if Path(os.path.realpath(os.path.dirname(path))).is_relative_to(os.path.realpath(ours)):
        raise StorageError(f"cannot write {path}: only Intercom's own files are in {ours}; there is no report.")
    try:
        with suppress(FileNotFoundError):
            check_regular(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(host.open_file(draft, flags, 0o666), "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        try:
            host.rename(draft, path)
        except OSError:
            os.unlink(draft)
            raise
    except (OSError, ValueError) as error:  # ValueError: the name of a console, on Windows
        reason = getattr(error, "strerror", None) or "it cannot be the name of a file"
        raise StorageError(f"cannot write {path}: {reason}; there is no report.") from error
