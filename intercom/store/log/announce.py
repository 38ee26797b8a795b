"""Owns what Intercom itself says in the log: messages by `system` to the people or agents concerned."""

from __future__ import annotations

import time

from intercom.core.config import Config
from intercom.core.message import SYSTEM, USER, Message, local_stamp, new_id, utc
from intercom.format import render
from intercom.store.log.log import Log
from intercom.store.log.template import fresh_log, keep_out_of_git


def announcement(
    text: str, *, to: str = USER, tag: str = "INFO", thread: str | None = None, file: str = ""
) -> tuple[Message, bytes]:
    """A message from Intercom itself, and its block for the log."""
    now = time.time()
    kind = "status" if tag == "INFO" else tag.lower()
    message = Message(new_id(), None, utc(now), SYSTEM, to, tag, kind, text, thread=thread, file=file)
    return message, render(message, local_stamp(now))


def announce(config: Config, text: str, *, to: str = USER, thread: str | None = None) -> Message:
    """Send one. A log that becomes too long is left for the next send to compact. StorageError, LockTimeout."""
    message, block = announcement(text, to=to, thread=thread, file=config.log.name)

    def first() -> bytes:
        keep_out_of_git(config.folder)
        return fresh_log(config.machine, list(config.agents))

    log = Log(config)
    with log.locked():
        log.append(block, first)
    return message
