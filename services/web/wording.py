"""How is a person told what is wrong with a field? In our words, not in the library's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMS = {
    "^[A-Z]{3}$": "three capital letters are asked for, as in ISO 4217: BRL",
    "^[A-Za-z0-9_~-]+$": "it may hold letters and digits of ASCII, and `_`, `~` and `-`",
    r"^[^\x00]*$": "it holds a zero character, which can't be kept",
}
"""By the pattern that a text does not match."""
FORM = "it holds what may not stand in it, such as white space, a slash or a control character"
_SAID = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "string_type": "a text is asked for",
    "bool_type": "true or false is asked for",
    "bool_parsing": "true or false is asked for",
    "list_type": "a list is asked for",
    "timezone_aware": "a time needs its zone, such as 2026-05-04T12:00:00Z",
    "none_required": "null is asked for",
}
_KINDS = {
    "int": "a whole number is asked for",
    "float": "a number is asked for",
    "dict": "an object with fields is asked for",
    "model": "an object with fields is asked for",
    "datetime": "a time is asked for, such as 2026-05-04T12:00:00Z",
    "date": "a date is asked for, such as 2026-05-04",
}
"""By the first word of what it is called: there are several ways to be no date."""


def worded(error: Mapping[str, Any]) -> str:
    """What pydantic's error says of a field; its own text only where we never met that kind of error."""
    kind, context = error["type"], error.get("ctx") or {}
    match kind:
        case "value_error" | "assertion_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            return FORMS.get(context["pattern"], FORM)
        case "greater_than_equal":
            return f"it must be at least {context['ge']}"
        case "less_than_equal":
            return f"it must be at most {context['le']}"
        case "string_too_short" | "too_short":
            return f"it must have at least {_counted(context['min_length'], kind)}"
        case "string_too_long" | "too_long":
            return f"it must have at most {_counted(context['max_length'], kind)}"
        case "literal_error" | "enum":
            return f"it must be {context['expected']}"
    return _SAID.get(kind) or _KINDS.get(kind.partition("_")[0]) or str(error["msg"])


def _counted(count: int, kind: str) -> str:
    one = "character" if kind.startswith("string") else "entry"
    many = "characters" if kind.startswith("string") else "entries"
    return f"{count} {one if count == 1 else many}"
