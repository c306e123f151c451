"""Do the limits hold in the API as its process runs it: over Postgres, for its own commands and queries?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from eventstore.postgres import make_pool
from tests.integration.api_client import an_order, app_in_memory, problem, serving
from tests.patience import HANGS


async def test_two_processes_limit_together(database: str, nats_url: str, tmp_path: Path) -> None:
    limited = {"rate_address": "4 per hour", "master_key_file": tmp_path / "master.key"}
    async with (
        serving(database, nats_url, tmp_path / "one", **limited) as first,
        serving(database, nats_url, tmp_path / "two", **limited) as second,
    ):
        async with asyncio.timeout(HANGS):
            while (await first.post("/v1/merchant", {})).status_code != 429:
                pass
            while (await second.post("/v1/merchant", {})).status_code != 429:
                await asyncio.sleep(0.05)
            while _counted(database) < 4:
                await asyncio.sleep(0.05)


def _counted(database: str) -> int:
    with psycopg.connect(database) as connection:
        (hits,) = connection.execute("SELECT coalesce(sum(hits), 0) FROM rates").fetchone() or (0,)
    return int(hits)


async def test_a_statement_has_a_time(database: str) -> None:
    async with make_pool(database, statement_seconds=0.05) as pool, pool.connection() as connection:
        with pytest.raises(psycopg.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(60)")


async def test_a_query_that_takes_too_long_is_given_up(database: str, nats_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as blocking:
        blocking.execute("CREATE TABLE merchants (); CREATE TABLE orders ()")
        blocking.execute("GRANT SELECT ON merchants, orders TO tillroll_query")
        blocking.commit()
        async with serving(database, nats_url, tmp_path, request_seconds=5.2) as api:
            blocking.execute("LOCK TABLE merchants IN ACCESS EXCLUSIVE MODE")
            problem(await api.send("GET", "/v1/orders"), 503, "took-too-long")


async def test_bodies_are_bounded_for_commands(database: str, nats_url: str, tmp_path: Path) -> None:
    async with serving(database, nats_url, tmp_path, body_bytes_max=2048) as api:
        assert (await api.post("/v1/orders", an_order())).status_code == 201
        problem(await api.post("/v1/orders", an_order(checkout_id="x" * 3000)), 413, "too-large")
        assert await api.types() == ["MerchantRegistered", "OrderPlaced"]


Schemas = dict[str, Any]


def parts(document: Schemas, where: str, schema: Schemas) -> Iterator[tuple[str, Schemas]]:
    """The schema, and those of all that stands in it."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = document["components"]["schemas"][name]
    yield where, schema
    inner = [(f"{where}.{key}", each) for key, each in schema.get("properties", {}).items()]
    inner += [(f"{where}[]", schema["items"])] if "items" in schema else []
    inner += [(where, each) for each in schema.get("anyOf", ())]
    for name, each in inner:
        yield from parts(document, name, each)


def inputs(document: Schemas) -> Iterator[tuple[str, Schemas]]:
    """What can be sent, but for headers: the head of a request is bounded as a whole."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            sent = [
                (each["name"], each["schema"])
                for each in operation.get("parameters", ())
                if each["in"] != "header"
            ]
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]
                sent += [(f"body {kind}", each["schema"]) for kind, each in content.items()]
            for name, schema in sent:
                yield from parts(document, f"{method} {path} {name}", schema)


def bounded(schema: Schemas) -> bool:
    match schema.get("type"):
        case "array":
            return "maxItems" in schema
        case "string":
            fixed = "pattern" in schema and not set("*+") & set(schema["pattern"])
            return fixed or bool(schema.keys() & {"maxLength", "enum", "const", "format"})
        case "integer":
            return bool(schema.keys() & {"maximum", "exclusiveMaximum"})
    return True


def test_what_can_be_sent_has_a_length() -> None:
    found = list(inputs(app_in_memory().openapi()))
    assert len(found) > 50
    assert [where for where, schema in found if not bounded(schema)] == []


def test_what_a_limit_answers_is_documented() -> None:
    for path, operations in app_in_memory().openapi()["paths"].items():
        for method, operation in operations.items():
            wanted = {"503"} if path == "/health" else {"429", "503"}
            wanted |= {"408", "413"} if method in {"post", "put", "patch"} else set()
            assert wanted <= operation["responses"].keys(), (method, path)
