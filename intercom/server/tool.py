"""Owns the definition of a tool: its name, description and function, and who may use it.

Its arguments are read from the function's signature: what follows the first two, or, for a verb of the fleet, what
follows the crew and the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from intercom.core.signature import parameters
from intercom.server.schema import Fitting, schema_of

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

#: Runs a job on the bus thread: `BusThread.call`.
Caller = Callable[[Callable[["Bus"], Any]], Awaitable[Any]]

ANY = "any"  #: everybody, registered or not
REGISTERED = "registered"
WORKER = "worker"
MASTER = "master"
AGENT = "agent"  #: named in the settings: nobody's worker

#: Hints for clients that ask people before calling a tool; unset ones have the protocol's defaults. By default
#: a tool reaches out into the world, so Codex asks, or refuses, unless a hint says that it does not.
LOOKS: Mapping[str, bool] = {"readOnlyHint": True, "openWorldHint": False}
WRITES: Mapping[str, bool] = {"destructiveHint": False, "openWorldHint": False}
DESTROYS: Mapping[str, bool] = {"destructiveHint": True, "openWorldHint": False}

ON_BUS = "bus"  #: function(session, bus, …) runs on the bus thread
ON_LOOP = "loop"  #: async function(session, call, …) runs on the event loop and asks the bus thread itself
ON_CREW = "crew"  #: verb(crew, by=…, …) of the fleet runs on a thread of its own


class Tool:
    """One row of the table. `show` converts the function's result to its public form, if necessary."""

    def __init__(
        self,
        name: str,
        description: str,
        function: Callable[..., Any],
        *,
        on: str = ON_BUS,
        who: str = REGISTERED,
        show: Callable[[Any], Any] | None = None,
        always: bool = False,
        title: str,
        hint: Mapping[str, bool] = WRITES,
        structured: bool = False,
        quick: bool = False,
    ) -> None:
        self.name = name
        self.title = title
        self.hint = hint
        self.structured = structured  # the answer contains nothing that others wrote, so structured output is safe
        self.description = description
        self.function = function
        self.on = on
        self.who = who
        self.show = show
        self.quick = quick  # its work may run on the event loop, and be restarted on the thread
        self._always = always  # asks a client that loads tools on demand to load this one at once
        self._takes = parameters(function, 2)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return schema_of(self._takes)

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        """The schema of each argument."""
        found: dict[str, dict[str, Any]] = self.schema["properties"]
        return found

    def listing(self) -> dict[str, Any]:
        """The entry in `tools/list`."""
        out: dict[str, Any] = {"name": self.name, "description": self.description, "inputSchema": self.schema}
        out |= {"title": self.title, "annotations": self.hint}
        if self.structured:
            out["outputSchema"] = {"type": "object"}
        if self._always:
            out["_meta"] = {"anthropic/alwaysLoad": True}
        return out

    @cached_property
    def _fitting(self) -> Fitting:
        return Fitting(self.name, self._takes)

    def knows(self, given: dict[str, Any]) -> bool:
        """Whether all arguments of a call have their proper names."""
        return self._fitting.knows(given)

    def arguments(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """`given` in the form the function takes; UsageError, in words, if it violates the schema."""
        return self._fitting.fitted(given or {})
