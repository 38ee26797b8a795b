"""Owns what a tool is: a row of name, description, the function behind it, and who may use it.

What it takes is read from the function's signature, after its two first arguments, or, of a verb of the fleet, after
the crew and who asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from intercom.core.signature import parameters
from intercom.server.arguments import Fitting, schema_of

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

#: Asks the bus thread to do a job: `BusThread.call`.
Caller = Callable[[Callable[["Bus"], Any]], Awaitable[Any]]

ANY = "any"  #: also before registering
REGISTERED = "registered"
WORKER = "worker"
MASTER = "master"
AGENT = "agent"  #: of the settings: nobody's worker

#: Hints for clients that ask people before they call a tool: what is not said here is as the protocol has it. By that
#: a tool reaches out into the world, and Codex asks, or refuses, unless it says that it does not.
LOOKS: Mapping[str, bool] = {"readOnlyHint": True, "openWorldHint": False}
WRITES: Mapping[str, bool] = {"destructiveHint": False, "openWorldHint": False}
DESTROYS: Mapping[str, bool] = {"destructiveHint": True, "openWorldHint": False}

ON_BUS = "bus"  #: function(session, bus, …) runs on the bus thread
ON_LOOP = "loop"  #: async function(session, call, …) runs on the event loop and asks the bus thread itself
ON_CREW = "crew"  #: verb(crew, by=…, …) of the fleet runs on a thread of its own


class Tool:
    """One row of the table. `show` makes a public form of what the function returns, where that is not one."""

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
        self.structured = structured  # its answer holds nothing that others wrote, so a client may read it as it likes
        self.description = description
        self.function = function
        self.on = on
        self.who = who
        self.show = show
        self.quick = quick  # what it does on the bus may be done at once, and begun again on the thread
        self._always = always  # asks a client that loads tools late to have this one at hand
        self._takes = parameters(function, 2)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments; nothing unknown passes."""
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
        """Whether a call's arguments have their own names."""
        return self._fitting.knows(given)

    def arguments(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """`given` as the function takes it; UsageError, in words, where it breaks the schema."""
        return self._fitting.fitted(given or {})
