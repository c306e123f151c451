"""Is the OpenAPI document complete enough to make a client from?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from services.limits import CORS_ASK
from tests.integration.api_client import app_in_memory

METHODS = {"get", "put", "post", "delete", "patch"}
ACCESS = {"auth", "users", "keys", "sign-in"}
"""Tags of what keeps who may come in: not commands of trade, so they take no key and tell no position."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return app_in_memory().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in methods.keys() & METHODS:
            yield f"{method.upper()} {path}", methods[method]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def has_example(document: dict[str, Any], part: Any) -> bool:
    """Somewhere in it, or in the schemas that it refers to."""
    if isinstance(part, list):
        return any(has_example(document, each) for each in part)
    if not isinstance(part, dict):
        return False
    if "example" in part or "examples" in part:
        return True
    inner = resolved(document, part) if "$ref" in part else part
    return any(has_example(document, each) for each in inner.values())


FILES = {"get_checkpoint": "text/plain", "get_tile": "application/octet-stream"}
"""Answers in the forms of others."""


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["info"]["description"]


def test_each_operation_says_what_it_is(document: dict[str, Any]) -> None:
    names = []
    known = {tag["name"] for tag in document["tags"]}
    for where, operation in operations(document):
        names.append(operation["operationId"])
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"]), where
        assert operation["summary"], where
        assert where.startswith("GET") or operation["description"], where
        assert operation["tags"], where
        assert set(operation["tags"]) <= known, where
    assert len(set(names)) == len(names)


def test_each_operation_has_an_example_and_documents_its_answers(document: dict[str, Any]) -> None:
    for where, operation in operations(document):
        assert has_example(document, operation), where
        problems = [
            answer["content"]["application/problem+json"]["schema"]["$ref"]
            for status, answer in operation["responses"].items()
            if status[0] in "45"
        ]
        assert problems, where
        assert set(problems) == {"#/components/schemas/ProblemDocument"}, where
        good = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
        if operation["operationId"] in FILES:
            assert [list(answer["content"]) for answer in good] == [[FILES[operation["operationId"]]]], where
            continue
        for answer in good:
            if "application/json" not in answer["content"]:  # what comes bit by bit has no shape
                assert all("example" in media for media in answer["content"].values()), where
                continue
            schema = resolved(document, answer["content"]["application/json"]["schema"])
            assert schema.keys() & {"properties", "items", "anyOf"}, where


def test_each_command_takes_a_key_and_tells_its_position(document: dict[str, Any]) -> None:
    commands = [
        (where, operation)
        for where, operation in operations(document)
        if not where.startswith("GET")
        and not ACCESS & set(operation["tags"])
        and operation["operationId"] != "add_cosignature"  # what a witness says is no event of the log
    ]
    assert len(commands) >= 9
    for where, operation in commands:
        headers = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
        of_merchant = {"Tillroll-Merchant"} if operation["x-scope"] == "merchant" else set()
        if operation["x-scope"] == "public":  # who is nobody says where, and opens a cart with its token
            of_merchant = {"Tillroll-Merchant", "Tillroll-Cart"}
        assert headers == {"Idempotency-Key"} | of_merchant, where
        assert {"400", "404", "409", "413", "415", "422", "503"} <= operation["responses"].keys(), where
        (good,) = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
        assert "Tillroll-Position" in good["headers"], where
        schema = resolved(document, good["content"]["application/json"]["schema"])
        assert "position" in schema["required"], where
        assert schema["properties"]["position"]["examples"], where


def test_pages_of_other_origins_may_send_each_header_that_is_asked_for(document: dict[str, Any]) -> None:
    asked = {
        each["name"].lower()
        for _, operation in operations(document)
        for each in operation.get("parameters", ())
        if each["in"] == "header"
    }
    safelisted = {"accept"}
    assert {"tillroll-cart", "tillroll-email", "last-event-id"} <= asked
    assert asked - safelisted <= {name.lower() for name in CORS_ASK}
