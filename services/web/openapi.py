"""How is a problem document described in OpenAPI, so that a generated client knows it?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"
_REFERENCE = "#/components/schemas/{model}"
_METHODS = {"get", "put", "post", "delete", "patch"}
_DESCRIPTIONS = {
    400: "No merchant, an unknown one, a body that is not JSON, or a position of another log",
    401: "Nobody is signed in, or what proves it is not good",
    403: "Who asks may not do this; `permission` names what is missing",
    404: "There is no such thing, or it is another merchant's",
    408: "The body came too slowly",
    414: "The path or the query string is too long",
    409: "The command is against a rule; `rule` names it",
    413: "The body is larger than a command may be",
    415: "The body is not sent as `application/json`",
    422: "The input is not valid; `errors` names each field",
    431: "The head of the request is too large",
    429: "Too many requests; try again after `Retry-After` seconds",
    500: "Something broke on our side; it was noted",
    503: "Not ready, too much to do, or not yet as far as asked for; try again after `Retry-After` seconds",
}


class FieldProblem(BaseModel):
    """A field of the input that is wrong."""

    model_config = ConfigDict(populate_by_name=True)

    where: str = Field(alias="in", description="body, query, path or header", examples=["body"])
    name: str = Field(description="the field", examples=["lines[0].quantity"])
    detail: str = Field(description="what is wrong with it")
    pointer: str | None = Field(
        None, description="JSON pointer into the body", examples=["#/lines/0/quantity"]
    )


class ProblemDocument(BaseModel):
    """An error (RFC 9457). `type` is stable; there may be further members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="a relative URI that never changes", examples=["/problems/not-found"])
    title: str
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no order o1"])
    rule: str | None = Field(None, description="409: the rule that the command is against")
    errors: list[FieldProblem] | None = Field(None, description="422: each field that is wrong")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route or router: these problems, and 400 and 422 that any request may meet."""
    return {status: _response(status) for status in sorted({400, 422, *statuses})}


def _response(status: int) -> dict[str, Any]:
    reference = {"$ref": _REFERENCE.format(model=ProblemDocument.__name__)}
    described: dict[str, Any] = {
        "description": _DESCRIPTIONS[status],
        "content": {MEDIA_TYPE: {"schema": reference}},
    }
    if status in {429, 503}:
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return described


def document_limits(app: FastAPI, spared: Collection[str] = ()) -> None:
    """Say in the OpenAPI document what any request may meet: 414, 429, 431, 503, with a body 408 and 413."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        for path, operations in document["paths"].items():
            for method in operations.keys() & _METHODS:
                statuses = {414, 431, 503} if path in spared else {414, 429, 431, 503}
                if method in {"post", "put", "patch"}:
                    statuses |= {408, 413}
                answers = operations[method]["responses"]
                for status in sorted(statuses):
                    answers.setdefault(str(status), _response(status))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def install_schema(app: FastAPI) -> None:
    """Put the schema that the problem responses refer to into the OpenAPI document of `app`."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if ProblemDocument.__name__ not in schemas:
            schema = ProblemDocument.model_json_schema(by_alias=True, ref_template=_REFERENCE)
            schemas.update(schema.pop("$defs", {}))
            schemas[ProblemDocument.__name__] = schema
        return document

    app.openapi = openapi  # type: ignore[method-assign]
