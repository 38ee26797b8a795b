"""Owns what a tool is: a row of name, description, arguments, who may use it, and the function behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.server.arguments import Fitting, Properties

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.server.session import Session

Arguments = dict[str, Any]
#: A plain handler runs on the desk's thread, with its bus.
Handler = Callable[["Session", "Bus", Arguments], Any]
#: A patient handler runs on the event loop and asks the desk itself (`Caller` is `Desk.call`).
Caller = Callable[[Callable[["Bus"], Any]], Awaitable[Any]]
Patient = Callable[["Session", Caller, Arguments], Awaitable[Any]]

ANY = "any"  #: also before registering
REGISTERED = "registered"
WORKER = "worker"
MASTER = "master"


class Tool(NamedTuple):
    """One row of the table. Exactly one of `handler` and `patient` is set."""

    name: str
    description: str
    properties: Properties
    required: tuple[str, ...] = ()
    who: str = REGISTERED
    handler: Handler | None = None
    patient: Patient | None = None
    always: bool = False  #: asks a client that loads tools late to have this one at hand

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments; nothing unknown passes."""
        out: dict[str, Any] = {"type": "object", "properties": self.properties, "additionalProperties": False}
        if self.required:
            out["required"] = list(self.required)
        return out

    def listing(self) -> dict[str, Any]:
        """The entry in `tools/list`."""
        out: dict[str, Any] = {"name": self.name, "description": self.description, "inputSchema": self.schema}
        if self.always:
            out["_meta"] = {"anthropic/alwaysLoad": True}
        return out

    def arguments(self, given: Arguments | None) -> Arguments:
        """`given` with the defaults filled in; UsageError, in words, where it breaks the schema."""
        fitting = _FITTINGS.get(self.name)
        if fitting is None:
            fitting = _FITTINGS[self.name] = Fitting(self.name, self.properties, self.required)
        return fitting.fitted(given or {})


_FITTINGS: dict[str, Fitting] = {}
