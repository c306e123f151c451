"""Is an uploaded catalogue carried out row by row, once, each error told where it is, and out the same?"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from commands.product import imports
from commands.product.importing import Importer
from domain.product import ProductDrafted
from tests.integration.api_client import Api, problem, serving
from tests.integration.test_product_api import projecting, shown

HEADER = "product_id,name,description,options,sku,option_values,gtin,prices,channels,status"
GOOD = (
    'MUG,Mug,"=1+1, ""said"" he",colour,MUG-RED,red,4006381333931,web EUR 1990,web,active',
    'MUG,Mug,"=1+1, ""said"" he",colour,MUG-BLUE,\'-blue,,web EUR 2090|web USD 2190,web,active',
    "OLD,Old,,,OLD,,,,,archived",
    "NEW,New,,,NEW,,,shop EUR 5,shop,draft",
)


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api, projecting(api, database):
        yield api


async def upload(
    api: Api, *rows: str, key: str = "", header: str = HEADER, merchant: str = ""
) -> httpx.Response:
    headers = {
        "Authorization": f"Bearer {api.key}",
        "Tillroll-Merchant": merchant or api.merchant,
        "Content-Type": "text/csv",
    } | ({"Idempotency-Key": key} if key else {})
    text = "\r\n".join((header, *rows)) + "\r\n"
    return await api.client.post("/v1/catalogue/imports", content=text.encode(), headers=headers)


async def finished(api: Api, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    import_id = answer.json()["import_id"]
    for _ in range(200):
        progress: dict[str, Any] = (await api.send("GET", f"/v1/catalogue/imports/{import_id}")).json()
        if progress["state"] == "finished":
            return progress
        await asyncio.sleep(0.05)
    raise AssertionError(progress)


async def test_what_is_good_is_done_and_the_rest_is_told_by_line_and_column(api: Api) -> None:
    bad = "BAD,Bad,,,BAD,,123,,,"
    taken = "TAKEN,Taken,,,MUG-RED,,,,,"
    progress = await finished(api, await upload(api, *GOOD, bad, taken, "SHORT,Short"))
    assert (progress["rows"], progress["done"], progress["failed"]) == (7, 4, 3)
    assert [(each["line"], each["column"]) for each in progress["errors"]] == [
        (6, "gtin"),
        (7, "sku"),
        (8, ""),
    ]
    assert "digits" in progress["errors"][0]["message"]
    assert "MUG" in progress["errors"][1]["message"]
    statuses = {each: (await shown(api, f"/v1/products/{each}"))["status"] for each in ("MUG", "OLD", "NEW")}
    assert statuses == {"MUG": "active", "OLD": "archived", "NEW": "draft"}


async def test_only_what_failed_is_tried_again(api: Api) -> None:
    drafted = {"product_id": "X", "name": "X", "variants": [{"sku": "MUG-RED"}]}
    assert (await api.post("/v1/products", drafted)).status_code == 201
    progress = await finished(api, await upload(api, *GOOD))
    assert [each["line"] for each in progress["errors"]] == [2]
    path = f"/v1/catalogue/imports/{progress['import_id']}"
    failed = await api.send("GET", f"{path}/failed")
    (row,) = csv.DictReader(io.StringIO(failed.text))
    assert row["sku"] == "MUG-RED"
    assert row["error"].startswith("sku: ")
    before = len(await api.facts())
    assert (await api.post("/v1/products/X/variants/remove", {"sku": "MUG-RED"})).status_code == 200
    progress = await finished(api, await api.post(f"{path}/retry"))
    assert (progress["done"], progress["failed"], progress["attempt"]) == (4, 0, 2)
    types = (await api.types())[before:]
    assert types.count("VariantAdded") == 1
    assert "ProductDrafted" not in types


async def test_what_could_not_be_read_is_never_tried_again(api: Api) -> None:
    """A price of `4,990` without quotes is two cells: it must not become 4 cents by a retry."""
    await upload(api, *GOOD)
    progress = await finished(api, await upload(api, "MIS,Mis,,,MIS,,,web BRL 4,990,web,active"))
    assert (progress["failed"], progress["unreadable"], progress["done"]) == (1, 1, 0)
    again = await api.post(f"/v1/catalogue/imports/{progress['import_id']}/retry")
    assert again.json()["rows"] == 0
    progress = await finished(api, again)
    assert (progress["failed"], progress["attempt"]) == (1, 1)
    assert not [each for each in await api.events(ProductDrafted) if each.product_id == "MIS"]


async def test_uploaded_twice_it_is_done_once(api: Api) -> None:
    first, second = await upload(api, *GOOD, key="k1"), await upload(api, *GOOD, key="k1")
    assert first.json()["import_id"] == second.json()["import_id"]
    assert first.json()["rows"] == second.json()["rows"] == 4
    await finished(api, first)
    assert len(await api.events(ProductDrafted)) == 3
    before = len(await api.facts())
    await finished(api, await upload(api, *GOOD))
    assert len(await api.facts()) == before, "the same again changes nothing"
    problem(await upload(api, *GOOD[:1], key="k1"), 422, "idempotency-key-reused")


async def test_an_importer_that_dies_leaves_the_rest_to_another(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after the commands and before their outcome is kept: they are not done twice."""
    real, died = Importer._carry_out, []

    async def dying(self: Importer, rows: Any) -> Any:
        outcomes = await real(self, rows)
        if not died:
            died.append(True)
            raise OSError("the power went")
        return outcomes

    monkeypatch.setattr(Importer, "_carry_out", dying)
    progress = await finished(api, await upload(api, *GOOD))
    assert died
    assert (progress["done"], progress["failed"]) == (4, 0)
    assert len(await api.events(ProductDrafted)) == 3


async def test_what_goes_out_comes_in_as_the_same(api: Api) -> None:
    await finished(api, await upload(api, *GOOD))
    await shown(api, "/v1/products")
    exported = (await api.send("GET", "/v1/catalogue/export")).text
    assert "'=1+1" in exported
    assert "'-blue" in exported
    before = len(await api.facts())
    header, *rows = exported.splitlines()
    await finished(api, await upload(api, *rows, header=header))
    assert len(await api.facts()) == before
    assert (await api.send("POST", "/v1/merchant", {}, merchant="m2")).status_code == 201
    answer = await upload(api, *rows, header=header, merchant="m2")
    other = replace(api, merchant="m2")
    path = f"/v1/catalogue/imports/{answer.json()['import_id']}"
    for anothers in (path, f"{path}/failed"):
        problem(await api.send("GET", anothers), 404, "not-found")
    problem(await api.post(f"{path}/retry"), 404, "not-found")
    await finished(other, answer)
    await shown(other, "/v1/products")
    assert (await other.send("GET", "/v1/catalogue/export")).text == exported


async def test_what_is_no_catalogue_is_refused_whole(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such column" in problem(await upload(api, header="colour"), 422, "invalid-input")["detail"]
    assert "no row" in problem(await upload(api), 422, "invalid-input")["detail"]
    monkeypatch.setattr(imports, "BYTES_MAX", 100)
    problem(await upload(api, *GOOD), 413, "too-large")
    monkeypatch.setattr(imports, "BYTES_MAX", 10_000)
    monkeypatch.setattr(imports, "ROWS_MAX", 2)
    problem(await upload(api, *GOOD), 413, "too-large")
    problem(await api.send("POST", "/v1/catalogue/imports", {}), 415, "unsupported-media-type")
    problem(await api.send("GET", f"/v1/catalogue/imports/{'0' * 32}"), 404, "not-found")
    assert await api.events(ProductDrafted) == []
