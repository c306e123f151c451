"""Is every parameter of the query one that the route knows? A misspelt filter must not be lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant

from services.web.problems import Problem, field_error

SPARED = "sign-in"
"""Other providers send their browsers here with whatever else they please."""
_KNOWN: dict[Any, dict[str, bool]] = {}
"""Each route's parameters, and whether they may be repeated, by its endpoint: they never change."""


async def refuse_unknown_parameters(request: Request) -> None:
    """For the `dependencies` of an app: 422 with each parameter that its route does not take."""
    route = request.scope["route"]
    if not request.query_params or SPARED in route.tags:
        return
    known = _known(request)
    once = (name for name, repeats in known.items() if not repeats)
    twice = [name for name in once if len(request.query_params.getlist(name)) > 1]
    if twice:
        errors = [field_error(("query", name), "it stands there more than once") for name in twice]
        raise Problem(422, "invalid-input", f"{twice[0]}: {errors[0]['detail']}", errors=errors)
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        takes = f"; it takes {', '.join(known)}" if known else "; it takes none"
        errors = [field_error(("query", name), "there is no such parameter here" + takes) for name in unknown]
        raise Problem(422, "invalid-input", f"{unknown[0]}: {errors[0]['detail']}", errors=errors)


def _known(request: Request) -> dict[str, bool]:
    endpoint = request.scope["endpoint"]
    if endpoint not in _KNOWN:
        _KNOWN[endpoint] = dict(_names(request.scope["route"].dependant))
    return _KNOWN[endpoint]


def _names(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    yield from (
        (field.alias, get_origin(field.field_info.annotation) is list) for field in dependant.query_params
    )
    for inner in dependant.dependencies:
        yield from _names(inner)
