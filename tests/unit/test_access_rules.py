"""Does an application with a door that nobody thought of refuse to start?"""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from services.web.access import RouteWithoutRule, install_rules, public, requires, routes_of


def an_app(*dependencies: Any, deep: bool) -> FastAPI:
    """With one route, on the app itself or in a router that another includes."""
    app = FastAPI()
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")

    async def door() -> dict[str, str]:
        return {}

    (inner if deep else app).get("/door", dependencies=list(dependencies))(door)
    outer.include_router(inner)
    app.include_router(outer)
    return app


@pytest.mark.parametrize("deep", [True, False])
def test_a_route_that_says_nothing_is_refused_wherever_it_stands(deep: bool) -> None:
    with pytest.raises(RouteWithoutRule, match="/door"):
        install_rules(an_app(deep=deep))


@pytest.mark.parametrize("deep", [True, False])
def test_what_a_route_says_stands_in_the_document(deep: bool) -> None:
    app = an_app(requires("orders:read"), deep=deep)
    install_rules(app)
    (path,) = app.openapi()["paths"].values()
    assert (path["get"]["x-permission"], path["get"]["x-scope"]) == ("orders:read", "merchant")
    assert {name for each in path["get"]["security"] for name in each} == {"bearer", "session"}
    assert {"bearer", "session"} <= app.openapi()["components"]["securitySchemes"].keys()
    open_to_all = an_app(public("a test"), deep=deep)
    install_rules(open_to_all)
    (path,) = open_to_all.openapi()["paths"].values()
    assert (path["get"]["x-permission"], path["get"]["security"]) == ("public", [])


def test_all_routes_are_found() -> None:
    assert [route.path for route in routes_of(an_app(deep=True))] == ["/outer/inner/door"]
