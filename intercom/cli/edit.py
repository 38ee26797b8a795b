"""Owns `intercom edit`: the log in the person's editor, at its end, with the header of a message prepared.

The editor works on a copy. What it saves is put into the log afterwards, so that nothing which agents
append meanwhile can be lost, and a message that is not right yet is not sent. The copy stays until it is.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from intercom.cli.session import open_bus
from intercom.errors import IntercomError, NotFound, UsageError
from intercom.files import make_private_folder, read_from, replace
from intercom.format import MESSAGE, Entry, digest, parse
from intercom.model import USER, local_stamp, tag_of

if TYPE_CHECKING:
    from intercom.bus import Bus

_PLUS_LINE = {"vi", "vim", "nvim", "view", "nano", "emacs", "micro", "joe", "kak", "ed", "ne", "mcedit"}
_GOTO = {"code", "codium", "cursor", "windsurf"}


def edit(args: argparse.Namespace) -> int:
    """Open the log; send what the person wrote as `user`, and take over what else was changed."""
    tag, _ = tag_of(args.type)
    with open_bus(args) as bus:
        copy = bus.config.private / "edit" / bus.config.log.name
        make_private_folder(copy.parent)
        bus.unread(USER)  # the log is in order before it is shown
        base = read_from(bus.config.log) or b""
        draft = read_from(copy.with_suffix(".draft")) or b"\n"
        header = f"## [{local_stamp(time.time())}] {USER} \u2192 {args.to} [{tag}]\n".encode()
        lead = base if not base or base.endswith(b"\n\n") else base + (b"\n" if base.endswith(b"\n") else b"\n\n")
        replace(copy, lead + header + b"\n" + draft)
        _run_editor(copy, (lead + header).count(b"\n") + 2)
        edited = read_from(copy)
        if edited is None:
            raise NotFound(f"the editor left no file at {copy}; nothing was sent or changed.")
        return _take(bus, base, edited, copy.with_suffix(".draft"))


def _take(bus: Bus, base: bytes, edited: bytes, draft: Path) -> int:
    """Send the new messages of the person, and put the other changes into the log."""
    known = {digest(entry) for entry in parse(base) if entry.kind == MESSAGE}
    entries = parse(edited)
    mine = [e for e in entries if e.kind == MESSAGE and e.sender == USER and e.id is None and digest(e) not in known]
    for entry in mine:
        if entry.body.strip():
            _send(bus, entry, draft)
    rest = b"".join(entry.raw for entry in entries if entry not in mine)
    if rest.rstrip() != base.rstrip():
        bus.save(base, rest)
        print("The log was changed as you saved it.")
    elif not any(entry.body.strip() for entry in mine):
        print("Nothing was written, so nothing was sent.")
    draft.unlink(missing_ok=True)
    return 0


def _send(bus: Bus, entry: Entry, draft: Path) -> None:
    """Send one message; if it cannot be sent, keep its text for the next try."""
    try:
        sent = bus.send(
            entry.to, entry.body, sender=USER, type=entry.tag, priority="urgent" if entry.urgent else None, via="cli"
        )
    except IntercomError:
        replace(draft, entry.body.encode("utf-8", "surrogatepass") + b"\n")
        print("intercom: your text is kept; `intercom edit --to NAME` opens it again", file=sys.stderr)
        raise
    print(sent.id)


def _run_editor(path: Path, line: int) -> None:
    """Run the person's editor on `path`, at `line` where we know how to say so. NotFound if it cannot be run."""
    wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(wanted) or ["vi"]
    except ValueError:
        raise UsageError(f"EDITOR {wanted!r} has a quote that is not closed; nothing was sent.") from None
    name = Path(words[0]).stem
    if name in _PLUS_LINE:
        words.append(f"+{line}")
    if name in _GOTO:
        words += ["--wait", "--goto", f"{path}:{line}"]
    else:
        words.append(str(path))
    try:
        code = os.spawnvp(os.P_WAIT, words[0], words)  # noqa: S606  # the person's own editor, no shell
    except OSError:
        code = 127
    if code == 127:
        raise NotFound(f"the editor {words[0]!r} cannot be run; nothing was sent. Set EDITOR to one that is there.")
    if code:
        raise NotFound(f"the editor ended with {code}; nothing was sent or changed. Your text is in {path}.")
