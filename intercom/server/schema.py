"""Owns the arguments of tools: their JSON schemas, and checking calls, with errors that help a model correct its call.

Both derive from the signature of the tool's function. A call is accepted as meant if that is unambiguous: models
write numbers, booleans and lists as strings, and "null" for what they leave out. The validator is the one that the
MCP SDK uses and has loaded anyway, built from the same schema that the client sees.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from intercom.core.errors import UsageError
from intercom.core.signature import Parameter
from intercom.core.texts import cut

Properties = dict[str, dict[str, Any]]

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
}
#: Arguments that clients add to every call by themselves.
_CLIENTS_OWN = frozenset({"wait_for_previous", "task_progress"})
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(?:\.0+)?\Z")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?\Z")
_WORD = re.compile(r"[\w-]+\Z")
_SHOWN = 80  #: characters of a wrong value that the error quotes


def schema_of(takes: Iterable[Parameter]) -> dict[str, Any]:
    """The JSON schema of the arguments. It does not forbid unknown ones, because some clients add their own."""
    properties = {one.name: _property(one) for one in takes}
    required = [one.name for one in takes if one.required]
    out: dict[str, Any] = {"type": "object", "properties": properties}
    return {**out, "required": required} if required else out


def _property(one: Parameter) -> dict[str, Any]:
    """The schema of one argument."""
    kinds = [{"type": kind} for kind in one.kinds]  # not as a list of types, which strict clients reject
    out: dict[str, Any] = {**kinds[0]} if len(kinds) == 1 else {"anyOf": kinds}
    if one.arg.words:
        out["enum"] = [*one.arg.words]
    if one.kinds == ("array",):
        out["items"] = {"type": "string"}
    bounds = {"minimum": one.arg.low, "maximum": one.arg.high}
    out |= {side: value for side, value in bounds.items() if value is not None}
    if one.default is not None:
        out["default"] = [*one.default] if isinstance(one.default, tuple) else one.default
    return {**out, "description": one.arg.about} if one.arg.about else out


class Fitting:
    """Checks and converts the arguments of one tool."""

    def __init__(self, tool: str, takes: Sequence[Parameter]) -> None:
        from pydantic_core import SchemaValidator

        self._tool = tool
        self._properties: Properties = schema_of(takes)["properties"]
        self._known = frozenset((*self._properties, *_CLIENTS_OWN))
        self._kinds = {name: str(spec.get("type", "")) for name, spec in self._properties.items()}
        self._optional = {one.name for one in takes if not one.required}
        self._python = {one.name: one.python for one in takes}
        fields = {
            one.name: {
                "type": "typed-dict-field",
                "schema": _core(self._properties[one.name]),
                "required": one.required,
            }
            for one in takes
        }
        self._validator = SchemaValidator({"type": "typed-dict", "fields": fields, "extra_behavior": "forbid"})

    def fitted(self, given: dict[str, Any]) -> dict[str, Any]:
        """`given` in the form the function takes, where null counts as absent; UsageError if it does not fit."""
        from pydantic_core import ValidationError

        if not self.knows(given):
            given = self._renamed(given)
        meant = {name: self._meant(name, value) for name, value in given.items() if name not in _CLIENTS_OWN}
        meant = {name: value for name, value in meant.items() if value is not None or name not in self._optional}
        try:
            found = self._validator.validate_python(meant)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            first = next((one for one in faults if one["type"] in {"extra_forbidden", "invalid_key"}), faults[0])
            said = self._words(first["type"], first["loc"], first["input"])
            missing = [_shown(one["loc"][0]) for one in faults if one["type"] == "missing"]
            if missing and first["type"] != "missing":
                said += f", and {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            raise UsageError(f"{self._tool}: {said}; nothing was done.") from None
        return {self._python[name]: value for name, value in found.items()}

    def knows(self, given: dict[str, Any]) -> bool:
        """Whether all these arguments have their proper names."""
        return given.keys() <= self._known

    def _renamed(self, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments under our own names, where models use synonyms."""
        from intercom.server.synonyms import renamed

        inner = next(iter(given.values())) if given.keys() <= {"arguments", "params", "input"} else None
        if isinstance(inner, dict) and len(given) == 1:
            given = inner
        return renamed({str(name): value for name, value in given.items() if name not in _CLIENTS_OWN}, self._kinds)

    def _meant(self, name: str, value: Any) -> Any:
        """A value converted to its argument's kind, if unambiguous; None for an optional one to leave out."""
        spec = self._properties.get(name)
        if name == "to" and spec is not None:
            value = _joined(value)
        if spec is None or not isinstance(value, str):
            return value
        text = value.strip()
        if name in self._optional and text in {"", "null"}:
            return None
        if "enum" in spec:
            from intercom.server.synonyms import word as meant

            said = meant(name, text).lower()
            return next((word for word in spec["enum"] if word.lower() == said), value)
        for kind in (one["type"] for one in spec.get("anyOf", [spec])):
            found = _READ[kind](text)
            if found is not None:
                return found
        return value

    def _words(self, kind: str, place: tuple[int | str, ...], value: Any) -> str:
        """One sentence on what does not fit: the expected kind, the argument, the value."""
        if not place:  # a name with a lone surrogate
            return f"no argument has such a name (it takes {', '.join(self._properties) or 'none'})"
        name = str(place[0])
        if kind == "missing":
            return f"the argument {name!r} is missing"
        if kind in {"extra_forbidden", "invalid_key"}:
            near = difflib.get_close_matches(name, list(self._properties), 1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(self._properties) or 'none'}"
            return f"there is no argument {_shown(name)} ({hint})"
        spec = self._properties[name]
        if kind == "literal_error":
            return f"{name} must be one of {', '.join(spec['enum'])}, not {_shown(value)}"
        for side, least in (("minimum", "at least"), ("maximum", "at most")):
            if kind == {"minimum": "greater_than_equal", "maximum": "less_than_equal"}[side]:
                return f"{name} must be {least} {spec[side]}, not {_shown(value)}"
        if spec.get("type") == "array" and len(place) > 1:
            return f"{name}.{place[1]} must be {_TYPES[spec['items']['type']]}, not {_shown(value)}"
        kinds = [one["type"] for one in spec.get("anyOf", [spec])]
        return f"{name} must be {' or '.join(_TYPES[one] for one in kinds)}, not {_shown(value)}"


def _joined(value: Any) -> Any:
    """A list of recipients, as JSON or not, joined to text; anything else unchanged."""
    names = _list(value.strip()) if isinstance(value, str) and value.lstrip().startswith("[") else value
    if isinstance(names, list) and names and all(isinstance(one, str) and one.strip() for one in names):
        return ", ".join(names)
    return value


def _truth(text: str) -> bool | None:
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower())


def _count(text: str) -> int | None:
    return int(text.partition(".")[0]) if _WHOLE.match(text) else None


def _amount(text: str) -> float | None:
    return float(text) if _DECIMAL.match(text) else None


def _list(text: str) -> list[Any] | None:
    """A list from JSON, or a single word."""
    if _WORD.match(text):
        return [text]
    try:
        found = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


#: How to convert a string to each kind; None if it cannot be.
_READ: dict[str, Callable[[str], Any]] = {
    "string": lambda _text: None,
    "boolean": _truth,
    "integer": _count,
    "number": _amount,
    "array": _list,
}


def _shown(value: Any) -> str:
    return cut("null" if value is None else ascii(value), _SHOWN)


def _core(spec: dict[str, Any]) -> Any:
    """The validator's schema for one of our JSON schemas; ValueError for a kind that no tool uses yet."""
    if "enum" in spec:
        return {"type": "literal", "expected": spec["enum"]}
    bounds = {short: spec[long] for short, long in (("ge", "minimum"), ("le", "maximum")) if long in spec}
    if "anyOf" in spec:
        return {"type": "union", "choices": [_core(one) for one in spec["anyOf"]]}
    match spec["type"]:
        case "string":  # any str: lone surrogates are refused further in, by the argument's own check
            return {"type": "is-instance", "cls": str}
        case "boolean":
            return {"type": "bool", "strict": True}
        case "number":
            return {"type": "float", "strict": True, "allow_inf_nan": False, **bounds}
        case "integer":
            strict = {"type": "int", "strict": True, **bounds}
            return {"type": "function-before", "function": {"type": "no-info", "function": _whole}, "schema": strict}
        case "array":
            return {"type": "list", "strict": True, "items_schema": _core(spec["items"])}
    raise ValueError(spec)


def _whole(value: Any) -> Any:
    """Convert a whole float to an integer: JSON does not tell 3.0 from 3."""
    return int(value) if type(value) is float and value.is_integer() else value
