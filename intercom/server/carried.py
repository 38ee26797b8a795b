"""Owns messages taken from the bus until they are in an answer that arrived, so a cancelled call loses nothing.

The bus counts what it gave us as received when this session acts again. A call that is cancelled in between was
given messages that nobody saw: they are carried here, and come first in the next read. So are those whose answer
went out when the client may have stopped listening: they are marked as redelivered, until the client shows that it
has them.

It is locked, because the bus thread may fill a hand while the event loop drops it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from intercom.core.message import Message, canonical


class Filters(NamedTuple):
    """The filters of a read; None means no filter. The names are those of `Bus.read`."""

    thread: str | None = None
    query: str | None = None
    sender: str | None = None

    def given(self) -> dict[str, Any]:
        """The filters as keyword arguments for the bus."""
        return {key: value for key, value in self._asdict().items() if value is not None}

    def match(self, message: Message) -> bool:
        """Whether a message carried here answers this read."""
        from intercom.store.index.query import filter_of

        wanted = filter_of(thread=self.thread, sender=self.sender, words=self.query)
        return wanted.lets(message._replace(sender=canonical(message.sender)))


class Hand:
    """The messages on their way into one answer. `dropped`: the call was cancelled, nothing may be added."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.dropped = False
        self.fresh = True  #: whether nobody has looked for it yet: the first look is the client's own act


class Carried:
    """Messages that the bus gave and no answer has shown yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._carried: list[Message] = []

    def fill(self, hand: Hand, messages: list[Message]) -> None:
        """Add messages from the bus for the answer of `hand`."""
        with self._lock:
            if hand.dropped:
                self._carried += messages
            else:
                hand.messages += messages

    def take(self, hand: Hand, filters: Filters, limit: int | None, fits: Callable[[list[Message]], int]) -> None:
        """Move carried messages that answer this read into `hand`, as many as fit."""
        with self._lock:
            if hand.dropped:
                return
            wanted = [message for message in self._carried if filters.match(message)][:limit]
            hand.messages = wanted[: fits(wanted)]
            gone = {message.id for message in hand.messages}
            self._carried = [message for message in self._carried if message.id not in gone]

    def drop(self, hand: Hand) -> None:
        """Take back the messages of `hand`, whose answer will never go out."""
        with self._lock:
            hand.dropped = True
            gone = {message.id for message in hand.messages}
            self._carried = [*hand.messages, *(message for message in self._carried if message.id not in gone)]
            hand.messages = []

    def doubt(self, hand: Hand) -> None:
        """Keep the messages of `hand`, whose answer may not reach anybody: they come again, marked."""
        with self._lock:
            if not hand.dropped:
                self._carried += [message._replace(redelivered=True) for message in hand.messages]

    def confirm(self, said: Iterable[object]) -> None:
        """Forget the messages that the client mentions in a call: it has them."""
        with self._lock:
            if self._carried:
                words = [text for text in said if isinstance(text, str)]
                self._carried = [
                    message
                    for message in self._carried
                    if not (message.redelivered and any(message.id in text for text in words))
                ]

    def count(self) -> int:
        """How many messages are carried."""
        with self._lock:
            return len(self._carried)

    def clear(self) -> None:
        """Forget everything, for a change of name: the bus still has it as not received by the old one."""
        with self._lock:
            self._carried.clear()
