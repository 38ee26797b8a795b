"""Owns what a send does with its rendered message: check the page, append the record, keep the page short."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from intercom.core.config import Config
from intercom.core.errors import LockTimeout, StorageError
from intercom.system.files import storage

if TYPE_CHECKING:
    from intercom.bus.freshness import Freshness
    from intercom.bus.history import History
    from intercom.bus.names import Names
    from intercom.store.log.log import Log


class Outbox:
    """The sending side of one bus. `notices` collects what to tell a person."""

    def __init__(
        self,
        config: Config,
        log: Log,
        freshness: Freshness,
        names: Names,
        history: Callable[[], History],
        notices: list[str],
    ) -> None:
        self._config = config
        self._log = log
        self._freshness = freshness
        self._names = names
        self._history = history
        self._notices = notices
        self.full = False  #: whether the next send would make the page too long

    def store(self, block: bytes, *, tidies: bool) -> None:
        """Append a rendered message; `tidies`: compact the page if it is too long by then. StorageError, LockTimeout.

        Without `tidies` that is left to `tidy`, or to the next send.
        """
        self._names.make_state()
        with storage(f"look at the files in {self._config.folder}", "nothing was sent"):
            if self._log.to_look_at():
                try:
                    self._freshness.db()  # first take in what people wrote before the first tool came
                except StorageError as error:
                    raise type(error)(f"{error} So nothing was sent.") from error
        request = self._log.request(block)
        try:
            with self._log.locked(instead=request) as held:
                if not held or self._log.has_taken(request):
                    self._notices += filter(None, [request.notice])
                    return
                appended = self._log.append(block, self._first)
                self._notices += appended.notices
                if appended.too_long:
                    self._history().maintain()
                else:
                    self.full = appended.full and not tidies
        except LockTimeout as error:
            if request.withdraw():
                raise
            if not request.done():
                raise StorageError(
                    f"another process has taken the message over and is not done with it ({error}) "
                    "Whether it was sent is not known yet: `intercom log` shows it if it was."
                ) from error
            self._notices += filter(None, [request.notice])
        finally:
            request.withdraw()
            request.close()

    def tidy(self) -> None:
        """Compact a page that the next send would make too long. LockTimeout."""
        if self.full:
            self.full = False
            with self._log.locked():
                self._history().maintain()

    def _first(self) -> bytes:
        """The beginning of a page that does not exist yet."""
        from intercom.store.log.template import fresh_log, keep_out_of_git

        keep_out_of_git(self._config.folder)
        return fresh_log(self._config.machine, self._names.agents())
