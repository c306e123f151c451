"""Does the document say of each door who may pass, and enough to make a client from?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from eventstore.seams import WallClock
from services.access.composition import Access
from services.settings import Settings
from tests.integration.access_client import CHEAP, Letters, make_app
from tests.integration.api_client import in_memory
from tests.unit.test_openapi import has_example, operations, resolved

SECRETS = {"password", "new_password", "token", "refresh_token"}
SHOWS_SECRETS = {"sign_in", "refresh_session", "confirm_second_factor", "begin_second_factor"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory: Path = tmp_path_factory.mktemp("access")
    parts = in_memory()
    access = Access(
        Settings(data_dir=directory),
        parts.log,
        parts.executor,
        parts.keyring,
        parts.pool,
        WallClock(),
        parts.ids,
        Letters(),
        CHEAP,
    )
    return make_app(access).openapi()


def doors_of(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [each for each in operations(document) if "/v1/work" not in each[0]]


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_each_operation_says_what_it_is_and_who_may(document: dict[str, Any]) -> None:
    assert len(doors_of(document)) >= 25
    for where, operation in doors_of(document):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"]), where
        assert operation["summary"], where
        assert where.startswith("GET") or operation["description"], where
        assert set(operation["tags"]) <= {"auth", "users", "keys"}, where
        assert operation["x-scope"] in {"merchant", "platform", "self", "public"}, where
        assert bool(operation["security"]) == (operation["x-scope"] != "public"), where


def test_each_operation_has_an_example_and_documents_its_answers(document: dict[str, Any]) -> None:
    for where, operation in doors_of(document):
        assert has_example(document, operation), where
        assert {"401", "422"} <= operation["responses"].keys(), where
        good = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
        for answer in good:
            schema = resolved(document, answer["content"]["application/json"]["schema"])
            assert schema.get("properties") or schema.get("items"), where


def test_no_body_takes_what_is_not_named(document: dict[str, Any]) -> None:
    for where, operation in doors_of(document):
        if "requestBody" in operation:
            schema = resolved(document, operation["requestBody"]["content"]["application/json"]["schema"])
            assert schema["additionalProperties"] is False, where
            for name in SECRETS & schema["properties"].keys():
                assert schema["properties"][name]["writeOnly"], (where, name)


def test_public_doors_are_those_of_who_is_not_in_yet(document: dict[str, Any]) -> None:
    found = {op["operationId"] for _, op in doors_of(document) if op["x-scope"] == "public"}
    assert found == {
        "sign_in",
        "refresh_session",
        "request_password_reset",
        "confirm_password_reset",
        "get_jwks",
    }
