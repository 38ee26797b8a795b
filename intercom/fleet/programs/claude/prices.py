"""Owns the list prices of Claude's models, as published by Anthropic in November 2026.

They are for the API itself. Clouds, subscriptions, discounts, fast mode and web searches are priced differently:
what is not listed here is unknown. A person's own `[prices]` take precedence (`intercom.fleet.spending`).
"""

from __future__ import annotations

import re

from intercom.fleet.programs.usage import Call, Price

AS_OF = "November 2026"
_LONG = 100_000  #: prompt tokens above which some models cost more


def _price(fresh: float, output: float, share: float = 0.1) -> Price:
    """A price by the rule for caches: writing costs a quarter more (minutes) or twice (an hour), reading `share`."""
    return Price(fresh, output, fresh * share, fresh * 1.25, fresh * 2)


#: By prefix of the model's name.
LIST = {
    "claude-fable-5-1": _price(10, 50, 0.025),
    "claude-fable-5": _price(10, 50),
    "claude-opus-5-5": _price(4, 20, 0.05),
    "claude-opus-5": _price(5, 25),
    **{f"claude-opus-4-{minor}": _price(5, 25) for minor in (5, 6, 7, 8)},
    "claude-opus-4-1": _price(15, 75),
    "claude-opus-4": _price(15, 75),
    "claude-sonnet-5-5": _price(2, 10, 0.05),
    "claude-sonnet-5": _price(2, 10),
    **{f"claude-sonnet-4{minor}": _price(3, 15) for minor in ("-6", "-5", "")},
    "claude-haiku-5-5": _price(0.1, 0.5),
    "claude-haiku-4-5": _price(1, 5),
}
_LONGER = {"claude-haiku-5-5": _price(0.5, 2.5)}
_VARIANT = re.compile(r"(?:-20\d{6})?(?:\[1m\])?\Z")


def cost(call: Call) -> float | None:
    """The list price of a call in US dollars; None if unknown."""
    name = re.sub(_VARIANT, "", call.model, count=1)
    price = _LONGER.get(name) if call.prompt > _LONG else None
    price = price or LIST.get(name)
    return None if price is None or call.fast else price.of(call)
