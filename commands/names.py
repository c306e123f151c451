"""Does all that a command is about fit the streams that are named by it, at once and by the agents later?

A stream's name has a limit, and percent-encoding makes three characters of a byte. So what is short enough
for its field may still be too long beside the others: it is refused at the door, never on an order's way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

from fastapi.exceptions import RequestValidationError

from domain.aggregates import AGGREGATES, AnyDecider
from domain.contexts import exported
from domain.kernel import Command
from domain.streams import encode_part, stream_name
from eventstore.log import MAX_NAME_CHARACTERS
from services.web.access import HEADER

Source: TypeAlias = tuple[str | int, ...]
"""Where a value came from: `("body", "lines", 0, "sku")`."""
Named: TypeAlias = tuple[str, Mapping[Source, str]]
"""A stream, and the fields of the request that it is named by."""


def check_names(merchant: str, command: Command, in_path: Collection[str] = ()) -> None:
    """Raises a 422 problem that names the field to blame: of a name's parts the longest one.

    `in_path` are those fields of the command that stood in the request's path.
    """
    for stream, parts in _streams_of(merchant, command, in_path):
        if len(stream) > MAX_NAME_CHARACTERS:
            field = max(parts, key=lambda each: len(encode_part(parts[each])))
            detail = (
                f"too long: with the merchant and what else it is named by it makes {len(stream)} characters,"
                f" and {MAX_NAME_CHARACTERS} is the most; any but A-Z, a-z, 0-9, _ and ~ counts three a byte"
            )
            raise RequestValidationError([{"loc": field, "msg": detail, "type": "name_too_long"}])


def _streams_of(merchant: str, command: Command, in_path: Collection[str]) -> Iterator[Named]:
    """Every stream that the command leads to: its own, and those that its context says (`LEADS_TO`)."""
    aggregate = _aggregates()[type(command)]
    named: dict[Source, str] = {}
    for part in command.named_by or aggregate.parts:
        if part == "merchant":
            named["header", HEADER] = merchant
        else:
            named["path" if part in in_path else "body", part] = getattr(command, part)
    yield stream_name(aggregate.category, *named.values()), _blamed(named)
    if leads_to := _further().get(type(command)):
        yield from leads_to(merchant, command)


def _blamed(named: Mapping[Source, str]) -> Mapping[Source, str]:
    """The merchant, which was short enough when it was registered, only where there is nothing else."""
    return {field: text for field, text in named.items() if field[0] != "header"} or named


@cache
def _aggregates() -> dict[type[Command], AnyDecider]:
    return {command: each for each in AGGREGATES.values() for command in each.commands}


@cache
def _further() -> dict[type[Command], Callable[[str, Any], Iterator[Named]]]:
    """Command -> further streams that agents make of it."""
    return dict(exported("commands", "LEADS_TO"))
