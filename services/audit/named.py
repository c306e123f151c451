"""How does somebody name what is looked for, and can there be such a thing?

A name that can be nobody's is refused, with what was meant: to a search that finds nothing it would look as
if nothing had happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

from domain.aggregates import EVENT_TYPES, PARTS, checked_stream
from domain.streams import order_stream, stream_parts
from services.audit.filters import EventFilter

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")


class NotThere(ValueError):
    """Something that was asked for is not there; `name` is the parameter."""

    expected = True

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


def checked(wanted: EventFilter) -> EventFilter:
    """With its names as the log has them. Raises NotThere."""
    rules: dict[str, Callable[[str], str]] = {
        **_RULES,
        "order": partial(order_named, merchant=wanted.merchant),
    }
    given = {name: told for name in rules if (told := getattr(wanted, name)) is not None}
    names: dict[str, Any] = {name: named(name, rules[name], told) for name, told in given.items()}
    return replace(wanted, **names)


def named(name: str, rule: Callable[[str], str], told: str) -> str:
    """What the rule makes of it. Raises NotThere where the rule raises ValueError."""
    try:
        return rule(told)
    except ValueError as error:
        raise NotThere(name, str(error)) from None


def order_named(name: str, merchant: str | None = None) -> str:
    """The stream of an order that is named by it, as MERCHANT/ORDER_ID, or by its id alone where its merchant
    is known. Raises ValueError."""
    of, slash, order_id = name.partition("/")
    if slash:
        return order_stream(of, order_id)
    if merchant and not _is_stream(name):
        return order_stream(merchant, name)
    if not name.startswith("order-"):
        raise ValueError(f"{name} is no order: say MERCHANT/{name}, or the order's stream")
    return checked_stream(name)


def _is_stream(name: str) -> bool:
    try:
        return name.startswith("order-") and checked_stream(name) == name
    except ValueError:
        return False


def merchant_asked(told: Mapping[str, str], bound: str = "") -> str:
    """Whose data these parameters ask for: that of `merchant`, also where a `column` of that name has the
    `value`, or that of the `order`, `stream` or `key` that they name; or all of `bound`, who alone is read.

    '' where that tells nobody's, or two merchants: neither may read what was asked of the other.
    """
    merchant = told.get("merchant", "")
    column = told.get("value", "") if told.get("column") == "merchant" else ""
    order = told.get("order", "")
    bare = merchant and "/" not in order and not _is_stream(order)  # the id alone, whatever it looks like
    names = ("" if bare else order, told.get("stream", ""), told.get("key", ""))
    asked = {bound, merchant, column, *map(_merchant_in, names)} - {""}
    whose = asked.pop() if len(asked) == 1 else ""
    return "" if "\0" in whose else whose


def _merchant_in(name: str) -> str:
    """Whose it is that is named so, if the name tells it."""
    of, slash, _ = name.partition("/")
    if slash:
        return of
    category, parts = of.partition("-")[0], stream_parts(of)
    wanted = PARTS.get(category, ("",))
    return parts[0] if wanted[0] == "merchant" and len(parts) >= len(wanted) else ""


def type_named(name: str) -> str:
    """Raises ValueError, with the types that are like it, for one that no event has."""
    if name not in EVENT_TYPES:
        near = " or ".join(get_close_matches(name, EVENT_TYPES, 3))
        raise ValueError(f"there is no type of events {name}{f'; there is {near}' if near else ''}")
    return name


def _pseudonym(name: str) -> str:
    if not _PSEUDONYM.fullmatch(name):
        raise ValueError(f"{name} is no pseudonym: that is 32 hex digits, as `subject` of an event has them")
    return name


_RULES: dict[str, Callable[[str], str]] = {
    "stream": checked_stream,
    "type": type_named,
    "subject": _pseudonym,
}
