"""Owns `intercom edit`: opens the log in the person's editor, at its end, with a prepared message header.

The editor works on a copy. What it saves is merged into the log afterwards, so nothing that agents append meanwhile
can be lost, and an invalid message is not sent. The copy stays until it is valid.
"""

from __future__ import annotations

import codecs
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from intercom.cli import show
from intercom.cli.session import Asked, author, open_bus
from intercom.core.errors import IntercomError, NotFound, UsageError
from intercom.core.message import USER, local_stamp, tag_of
from intercom.core.signature import Arg
from intercom.format import MESSAGE, Entry, digest, parse
from intercom.format.utf16 import as_utf8
from intercom.system import host, proc
from intercom.system.files import joined, make_private_folder, read_from, replace

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

_PLUS_LINE = {"vi", "vim", "nvim", "view", "nano", "emacs", "micro", "joe", "kak", "ed", "ne", "mcedit"}
_GOTO = {"code", "codium", "cursor", "windsurf"}


def edit(
    asked: Asked,
    *,
    to: Annotated[str, Arg(help="who the prepared message is for")] = "all",
    type: Annotated[str, Arg(help="its type, as it stands in the log", metavar="T")] = "INFO",
) -> int:
    """Open the log; send what the person wrote as `user`, and apply their other changes."""
    tag, _ = tag_of(type)
    with open_bus(asked, makes=True) as bus:
        names = bus.addressees(to)  # fail before anybody writes to an unknown name
        copy = bus.config.private / "edit" / bus.config.log.name
        make_private_folder(copy.parent)
        bus.unread(USER)  # take in the log before it is shown
        base = read_from(bus.config.log) or b""
        draft = read_from(copy.with_suffix(".draft")) or b"\n"
        header = f"## [{local_stamp(time.time())}] {USER} \u2192 {names} [{tag}]\n".encode()
        lead = base if not base or base.endswith(b"\n\n") else base + (b"\n" if base.endswith(b"\n") else b"\n\n")
        replace(copy, lead + header + b"\n" + draft)
        _run_editor(copy, (lead + header).count(b"\n") + 2)
        edited = read_from(copy)
        if edited is None:
            raise NotFound(f"the editor left no file at {copy}; nothing was sent or changed.")
        _take(bus, base, _as_it_was(as_utf8(edited), base), copy.with_suffix(".draft"))
        copy.unlink(missing_ok=True)
    return 0


def _as_it_was(edited: bytes, base: bytes) -> bytes:
    """The text without the editor's own changes: other line ends, a byte order mark."""
    if b"\r\n" not in base:
        edited = edited.replace(b"\r\n", b"\n")
    return edited if base.startswith(codecs.BOM_UTF8) else edited.removeprefix(codecs.BOM_UTF8)


def _take(bus: Bus, base: bytes, edited: bytes, draft: Path) -> None:
    """Send the person's new messages, and merge the other changes into the log."""
    entries = parse(edited)
    mine = _new(parse(base), entries)
    unsent: list[Entry] = []
    wrong: IntercomError | None = None
    for entry in mine:
        try:
            _send(bus, entry)
        except IntercomError as error:
            unsent.append(entry)
            wrong = wrong or error
    if unsent:
        parts = [unsent[0].body.encode("utf-8", "surrogatepass") + b"\n", *(entry.raw for entry in unsent[1:])]
        replace(draft, joined(parts))
    rest = b"".join(entry.raw for entry in entries if entry not in mine)
    if rest.rstrip() != base.rstrip():
        bus.save(base, rest)
        show.line("The log was changed as you saved it.")
    elif not any(entry.body.strip() for entry in mine):
        show.line("Nothing was written, so nothing was sent.")
    if wrong is not None:
        show.note("your text is kept; `intercom edit --to NAME` opens it again")
        raise wrong
    draft.unlink(missing_ok=True)


def _new(base: list[Entry], edited: list[Entry]) -> list[Entry]:
    """The person's new messages, not counting new texts of earlier hand-written ones."""
    known, still = ({digest(e): e for e in entries if _by_hand(e)} for entries in (base, edited))
    corrected = {entry.stamp for mark, entry in known.items() if mark not in still}
    return [e for e in edited if _by_hand(e) and digest(e) not in known and e.stamp not in corrected]


def _by_hand(entry: Entry) -> bool:
    return entry.kind == MESSAGE and entry.sender == USER and entry.id is None


def _send(bus: Bus, entry: Entry) -> None:
    """Send one message, if it is not empty."""
    if entry.body.strip():
        priority = "urgent" if entry.urgent else None
        by = author(bus, USER)
        sent = bus.send(entry.to, entry.body, sender=by.sender, type=entry.tag, priority=priority, via=by.via)
        show.line(sent.id)


def _run_editor(path: Path, line: int) -> None:
    """Run the person's editor on `path`, at `line` if we know its option. NotFound if it cannot be run."""
    wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR") or host.EDITOR
    try:
        words = host.split_words(wanted) or [host.EDITOR]
    except ValueError:
        raise UsageError(f"EDITOR {wanted!r} has an unclosed quote; nothing was sent. Correct EDITOR.") from None
    name = Path(words[0]).stem
    if name in _PLUS_LINE:
        words.append(f"+{line}")
    if name in _GOTO:
        words += ["--wait", "--goto", f"{path}:{line}"]
    else:
        words.append(str(path))
    code = proc.attended(words)
    if code == 127:
        raise NotFound(f"the editor {words[0]!r} cannot be run; nothing was sent. Set EDITOR to one that is there.")
    if code:
        how = f"with status {code}" if code > 0 else "by a signal"
        raise NotFound(f"the editor ended {how}; nothing was sent or changed. Your text is in {path}.")
