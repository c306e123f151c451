"""How does an answer say what went wrong? As an RFC 9457 problem document, for every error of the API.

Raise a `Problem` (best by one of the functions below); `install_problems(app)` turns it, input that does not
validate, and what nobody expected into documents. `problem_responses(404, 409)` documents them in OpenAPI.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from services.web.openapi import MEDIA_TYPE, install_schema, problem_responses
from services.web.wording import worded

__all__ = [
    "MEDIA_TYPE",
    "Problem",
    "conflict",
    "install_problems",
    "invalid",
    "merchant_required",
    "not_found",
    "problem_responses",
    "try_later",
    "unknown_merchant",
]

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
logger = structlog.get_logger()
_TITLES = {
    400: "The request can't be understood",
    401: "Who asks is not known",
    403: "Not allowed",
    404: "Not found",
    405: "This method is not for this path",
    408: "It came too slowly",
    409: "The command is against a rule",
    413: "Too large",
    414: "The address is too long",
    415: "This media type is not understood",
    422: "The input is not valid",
    429: "Too many requests",
    431: "The head of the request is too large",
    500: "Something broke on our side",
    503: "Not ready; try again later",
}


class Problem(Exception):
    """An error for the caller. `kind` is the stable last part of its `type` URI: `/problems/KIND`.

    `members` are further members of the document, `headers` further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        title: str = "",
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title or _TITLES.get(status, "It did not work")
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def document(self) -> dict[str, Any]:
        return {
            "type": f"/problems/{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }

    def response(self) -> Response:
        """The answer, as it goes out."""
        return Response(
            orjson.dumps(self.document()), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def not_found(what: str, name: str) -> Problem:
    """404: `not_found("order", "o1")`."""
    return Problem(404, "not-found", f"there is no {what} {name}")


def conflict(rule: str, detail: str) -> Problem:
    """409: a command against a rule; `rule` is the rule's stable name."""
    return Problem(409, "conflict", detail, rule=rule)


def invalid(name: str, detail: str, *, where: str = "query", kind: str = "invalid-input") -> Problem:
    """422: one field of the input is wrong. `where` is `query`, `path`, `header` or `body`."""
    return Problem(422, kind, f"{name}: {detail}", errors=[field_error((where, name), detail)])


def merchant_required() -> Problem:
    """400: nothing is anybody's without a merchant."""
    return Problem(400, "merchant-required", "say whose data it is about: the header Tillroll-Merchant")


def unknown_merchant(merchant: str) -> Problem:
    """400: the header names nobody we know."""
    return Problem(400, "merchant-unknown", f"there is no merchant {merchant}; register it first")


def try_later(detail: str, seconds: float, *, kind: str = "unavailable", **members: Any) -> Problem:
    """503, with `Retry-After` of at least a second."""
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
    return Problem(503, kind, detail, headers=headers, **members)


def install_problems(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document, and describe that document in its OpenAPI."""

    @app.exception_handler(Problem)
    async def answer_problem(_: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def answer_invalid(_: Request, error: RequestValidationError) -> Response:
        return _validation_problem(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def answer_http(request: Request, error: HTTPException) -> Response:
        kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http")
        allowed = {"Allow": ", ".join(_methods(request))} if error.status_code == 405 else {}
        headers = {**(error.headers or {}), **allowed}
        return Problem(error.status_code, kind, str(error.detail), headers=headers).response()

    @app.exception_handler(Exception)
    async def answer_broken(request: Request, error: Exception) -> Response:
        # no trace here: with its local variables it might hold what is personal; the server has its own
        logger.error("request_failed", path=request.url.path, error=type(error).__name__)
        return Problem(500, "internal", "this is our mistake; it was noted").response()

    install_schema(app)


def _methods(request: Request) -> list[str]:
    """What may be asked of the path: by any of its routes, where the framework knows of one alone."""
    return [method for method in METHODS if _has_route(request, method)]


def _has_route(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] == Match.FULL for route in request.app.routes)


def _validation_problem(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """422, with each field that is wrong; 400 where what came is not even JSON."""
    named = [field_error(error["loc"], worded(error)) for error in errors]
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(400, "malformed-json", f"the body is not JSON: {errors[0]['ctx']['error']}")
    first = named[0]
    more = f" (and {len(named) - 1} more)" if len(named) > 1 else ""
    return Problem(422, "invalid-input", f"{first['name']}: {first['detail']}{more}", errors=named)


def field_error(location: Sequence[str | int], detail: str) -> dict[str, str]:
    """One wrong field: `in`, `name` as a person writes it, and for a body the JSON pointer."""
    where, *path = location
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    error = {"in": str(where), "name": name or str(where), "detail": detail}
    if where == "body":
        steps = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
        error["pointer"] = "#" + "".join(f"/{step}" for step in steps)
    return error
