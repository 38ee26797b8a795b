"""Owns every error that Intercom raises on purpose: one root, and an exit code on each class.

A message says what happened, what did not, and what to do next, in one line. Each edge (command line, MCP server,
hook) catches `IntercomError` once and maps it; nothing below an edge exits.
"""

from __future__ import annotations

import errno

from intercom.core.escaping import sentence

_LONGEST = 1_500  #: characters of an error message that are shown


def brief(error: BaseException) -> str:
    """An error's message on one line; the middle of a very long one is left out."""
    text = sentence(str(error))
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} […] {text[-half:]}"


class IntercomError(Exception):
    """Root of all deliberate errors. `exit_code` is the exit status of the command line."""

    exit_code = 1


class UsageError(IntercomError):
    """The request itself is malformed: an argument that no state of the bus could make right."""

    exit_code = 2


class UnknownName(IntercomError):
    """A sender, reader or recipient that nobody registered or spawned and the settings do not name."""


class Refused(IntercomError):
    """Well formed, but not allowed now or not for this caller (a second master, `user` over MCP)."""


class NotFound(IntercomError):
    """A message or file, asked for by id or name, does not exist."""


#: What a person can do about each system error.
_ADVICE = {
    errno.EACCES: "See who may use it (ls -ld), and try again.",
    errno.EPERM: "See who may use it (ls -ld), and try again.",
    errno.EROFS: "The file system is read-only: make it writable, or set INTERCOM_ROOT to another place.",
    errno.ENOSPC: "Free some space and try again.",
    errno.EDQUOT: "Free some space and try again.",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), and try again.",
    errno.EISDIR: "Something else is in its place: move it away and try again.",
    errno.ENOTDIR: "Something else is in its place: move it away and try again.",
    errno.EEXIST: "Something else is in its place: move it away and try again.",
}


_IN_USE = {32, 33}  #: Windows' numbers of errors for a file that another program keeps to itself


def _advice(error: OSError) -> str | None:
    """What a person can do about a system error."""
    number = getattr(error, "winerror", None)
    if number in _IN_USE:
        return "Another program keeps it open: close it there, and try again."
    said = _ADVICE.get(error.errno or 0)
    return said.replace("ls -ld", "icacls, attrib") if said and number else said


class StorageError(IntercomError):
    """The file system refused (full disk, read-only, a directory in the way): nothing was stored.

    Raised `from` the system's error; its message ends with what to do about that, unless it says so itself.
    """

    def __str__(self) -> str:
        said = super().__str__()
        cause = self.__cause__
        advice = _advice(cause) if isinstance(cause, OSError) else None
        told = ". " in said.rpartition("; ")[2]
        return f"{said} {advice}" if advice and not told else said


class LockTimeout(StorageError):
    """Another process held the writer lock for longer than we wait."""


class FormatError(IntercomError):
    """A value that the log format cannot carry (a name with a newline in it)."""


class ProgramMissing(IntercomError):
    """A program that this command needs (tmux, git, an agent) is not installed or far too old."""


class CommandFailed(IntercomError):
    """A program that we ran failed or took too long; its own output is in the message."""
