"""Owns which versions of Claude Code Intercom was tried on: the tests run on the oldest and on the newest of them.

A new version appears nearly every day. `make claude-newest` tries the newest one and prints what still holds.
"""

from __future__ import annotations

from typing import NamedTuple


class Version(NamedTuple):
    """A version of Claude Code; versions compare as they follow each other."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))


OLDEST = Version(2, 1, 197)  #: older ones are refused as workers
NEWEST = Version(2, 1, 332)  #: on a newer one hooks are believed as ever, and what is not recognised is left alone


def untried(version: str) -> str:
    """What it means that this version is newer than the newest that was tried; "" where it is not."""
    if Version(*map(int, version.split("."))) <= NEWEST:
        return ""
    return (
        f"newer than {NEWEST}, the newest that Intercom was tried on: messages and permissions go through its hooks as "
        "ever; a dialog or screen that it draws in another way is left alone and shown, for a person to answer"
    )
