"""Owns every error that Intercom raises on purpose: one root, an exit code on the class.

A message says what happened, what did not, and what to do next, in one line. Each edge (command
line, MCP server, hook) catches `IntercomError` once and maps it; nothing below an edge exits.
"""

from __future__ import annotations


class IntercomError(Exception):
    """Root of all deliberate errors. `exit_code` is the exit status of the command line."""

    exit_code = 1


class UsageError(IntercomError):
    """The request itself is malformed: an argument that no state of the bus could make right."""

    exit_code = 2


class UnknownName(IntercomError):
    """A sender, reader or recipient that nobody registered, spawned or named in the settings."""


class Refused(IntercomError):
    """Well formed, but not allowed now or not for this caller (a second master, `user` over MCP)."""


class NotFound(IntercomError):
    """A message or file that was asked for by id or name and is not there."""


class StorageError(IntercomError):
    """The file system said no (full disk, read-only, a directory in the way): nothing was stored."""


class LockTimeout(StorageError):
    """Another process held the writer lock for longer than we wait."""


class FormatError(IntercomError):
    """A value that the log format cannot carry (a name with a newline in it)."""


class ProgramMissing(IntercomError):
    """A program that this command needs (tmux, git, claude) is not installed or far too old."""


class CommandFailed(IntercomError):
    """A program that we ran said no, or took too long; its own words are in the message."""
