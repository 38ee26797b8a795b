"""Owns what a tool is: a row of name, description, arguments, who may use it, and the function behind it.

Also the words for arguments that do not fit, so that a model can mend its call without guessing.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.errors import UsageError

if TYPE_CHECKING:
    from intercom.bus import Bus
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

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
}


class Tool(NamedTuple):
    """One row of the table. Exactly one of `handler` and `patient` is set."""

    name: str
    description: str
    properties: dict[str, dict[str, Any]]
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
        import jsonschema

        given = given or {}
        validator = _VALIDATORS.get(self.name)
        if validator is None:
            validator = _VALIDATORS[self.name] = jsonschema.Draft202012Validator(self.schema)
        for error in validator.iter_errors(given):
            raise UsageError(f"{self.name}: {self._words(error)}; nothing was done.")
        filled = {key: spec["default"] for key, spec in self.properties.items() if "default" in spec}
        filled.update(given)
        return filled

    def _words(self, error: Any) -> str:
        """One sentence about one schema error."""
        where = ".".join(str(part) for part in error.absolute_path)
        shown = ascii(error.instance)
        shown = shown if len(shown) <= 80 else shown[:77] + "…"
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"the argument {', '.join(missing)} is missing"
        if error.validator == "additionalProperties":
            extra = sorted(set(error.instance) - set(self.properties))
            near = difflib.get_close_matches(extra[0], list(self.properties), 1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(self.properties) or 'none'}"
            return f"there is no argument {ascii(extra[0])[:80]} ({hint})"
        if error.validator == "enum":
            return f"{where} must be one of {', '.join(map(str, error.validator_value))}, not {shown}"
        if error.validator == "type":
            kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
            return f"{where} must be {' or '.join(_TYPES.get(kind, str(kind)) for kind in kinds)}, not {shown}"
        if error.validator in ("minimum", "maximum"):
            side = "at least" if error.validator == "minimum" else "at most"
            return f"{where} must be {side} {error.validator_value}, not {shown}"
        return f"{where} does not fit ({error.validator} {error.validator_value!r})"


_VALIDATORS: dict[str, Any] = {}


def text(about: str = "", **more: Any) -> dict[str, Any]:
    """Schema of a text argument."""
    return {"type": "string", **({"description": about} if about else {}), **more}


def choice(*words: str, default: str | None = None) -> dict[str, Any]:
    """Schema of an argument that is one of a few words."""
    return {"type": "string", "enum": list(words), **({"default": default} if default else {})}


def whole(low: int, high: int | None = None, **more: Any) -> dict[str, Any]:
    """Schema of a whole number with bounds."""
    return {"type": "integer", "minimum": low, **({"maximum": high} if high is not None else {}), **more}


def flag(about: str = "", *, default: bool = False) -> dict[str, Any]:
    """Schema of a yes-or-no argument."""
    return {"type": "boolean", "default": default, **({"description": about} if about else {})}
