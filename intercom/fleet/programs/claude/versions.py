"""Owns the versions of Claude Code that Intercom was tried on: the tests run on the oldest and on the newest.

A new version appears nearly every day. `make claude-newest` tries the newest one and prints what still works.
"""

from __future__ import annotations

from typing import NamedTuple


class Version(NamedTuple):
    """A version of Claude Code; versions are ordered."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))


OLDEST = Version(2, 1, 197)  #: older versions are refused as workers
NEWEST = Version(2, 1, 332)  #: on a newer one hooks still count, and anything unrecognised is left alone


def untried(version: str) -> str:
    """A warning if this version is newer than the newest that was tried; "" otherwise."""
    if Version(*map(int, version.split("."))) <= NEWEST:
        return ""
    return (
        f"newer than {NEWEST}, the newest that Intercom was tried on: messages and permissions go through its hooks as "
        "ever; a dialog or screen that it draws in another way is left alone and shown, for a person to answer"
    )
