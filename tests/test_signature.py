"""What a function takes, read from its signature; and the schema that a model sees of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest

from intercom.cli import arguments
from intercom.core.errors import UsageError
from intercom.core.signature import Arg, parameters
from intercom.server.schema import Fitting, schema_of

WORDS = ("a", "b")


def verb(
    crew: object,
    to: str,
    *,
    many: Annotated[Sequence[str], Arg("several")] = ("x",),
    number: Annotated[int | None, Arg(low=1, high=9)] = None,
    from_: Annotated[str, Arg(words=WORDS)] = "a",
    how: Literal["now", "later"] | None = None,
    either: bool | str = False,
    seconds: float,
) -> None:
    """Take one of each kind."""


def test_each_kind() -> None:
    """Name, kind, whether it must be given, how, and what is said about it."""
    found = {one.name: one for one in parameters(verb, 1)}
    assert list(found) == ["to", "many", "number", "from", "how", "either", "seconds"]
    assert {name: one.kinds for name, one in found.items()} == {
        "to": ("string",),
        "many": ("array",),
        "number": ("integer",),
        "from": ("string",),
        "how": ("string",),
        "either": ("boolean", "string"),
        "seconds": ("number",),
    }
    assert [one.name for one in found.values() if one.required] == ["to", "seconds"]
    assert [one.name for one in found.values() if not one.keyword] == ["to"]
    assert (found["from"].python, found["how"].arg.words, found["many"].arg.about) == (
        "from_",
        ("now", "later"),
        "several",
    )


def test_its_schema() -> None:
    """As JSON schema has it."""
    schema = schema_of(parameters(verb, 1))
    assert schema["required"] == ["to", "seconds"]
    assert schema["properties"] == {
        "to": {"type": "string"},
        "many": {"type": "array", "items": {"type": "string"}, "default": ["x"], "description": "several"},
        "number": {"type": "integer", "minimum": 1, "maximum": 9},
        "from": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "how": {"type": "string", "enum": ["now", "later"]},
        "either": {"anyOf": [{"type": "boolean"}, {"type": "string"}], "default": False},
        "seconds": {"type": "number"},
    }


def test_what_fits_is_given_under_the_names_of_the_function() -> None:
    """What was left out is the function's to fill in."""
    fitting = Fitting("verb", parameters(verb, 1))
    assert fitting.fitted({"to": "x", "seconds": 1, "from": "b", "number": 3.0, "how": None}) == {
        "to": "x",
        "seconds": 1.0,
        "from_": "b",
        "number": 3,
    }
    with pytest.raises(UsageError, match="from must be one of a, b, not 'c'; nothing was done"):
        fitting.fitted({"to": "x", "seconds": 1, "from": "c"})


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["x", "--seconds", "1"], {"to": "x", "seconds": 1.0}),
        (["x", "--seconds", "0.5", "--from", "b", "--number", "7"], {"from_": "b", "number": 7, "seconds": 0.5}),
        (
            ["--many", "1", "--seconds", "2", "--many", "2", "x", "--how", "now"],
            {"many": ["1", "2"], "how": "now"},
        ),
    ],
)
def test_its_command_line(argv: list[str], found: dict[str, Any]) -> None:
    """What is given by place and what by name, as the function has it."""
    parser = argparse.ArgumentParser()
    takes = [one for one in parameters(verb, 1) if one.name != "either"]  # one or the other is for models
    arguments.add(parser, takes)
    given = arguments.given(parser.parse_args(argv), takes)
    assert found.items() <= given.items()
    assert given["to"] == "x"


@pytest.mark.parametrize("argv", [[], ["x"], ["x", "--seconds", "-1"], ["x", "--seconds", "1", "--from", "c"]])
def test_what_does_not_fit_a_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage, and which argument."""
    parser = argparse.ArgumentParser()
    arguments.add(parser, [one for one in parameters(verb, 1) if one.name != "either"])
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(argv)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_what_is_no_kind_of_argument() -> None:
    """A mistake of ours, said when the list of tools is made."""

    def strange(session: object, what: dict[str, Any]) -> None:
        """Take what nobody can give."""

    with pytest.raises(TypeError, match=r"what: .* is not a kind of argument"):
        parameters(strange, 1)
