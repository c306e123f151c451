"""Do the doors of carriers, parcels, manifests and invoices do what they say, and refuse clearly?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.executor import Context
from domain.carrier import (
    CarrierChosen,
    ChooseCarrier,
    LabelVoidRequested,
    Measures,
    ParcelLine,
    Rebook,
    RecordCarrierShipment,
    RequestShipment,
    ShipmentBilled,
    ShipmentDispatched,
    SplitParcel,
    VoidLabel,
)
from domain.carrier.carriers import TrackingLinkSet
from domain.carrier.choice import Option
from domain.carrier.invoice import InvoiceDiscrepancyOpened
from domain.kernel import Command, one
from domain.personal import Customer
from domain.streams import shipment_stream
from eventstore.seams import RandomIds
from services.gateways.carrier_desk import choose
from tests.integration.api_client import Api, an_order, problem, serving_in_memory

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
CARD: dict[str, Any] = {
    "expected_version": 0,
    "currency": "BRL",
    "services": [
        {
            "service": "express",
            "days": 2,
            "zones": [{"zone": "near", "regions": ["SP"]}],
            "bands": [{"zone": "near", "up_to_g": 5000, "cents": 1490}],
        }
    ],
}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving_in_memory() as api:
        yield api


async def say(api: Api, *commands: Command) -> None:
    """What agents and gateways say of the parcel `s1`, or another."""
    executor = api.client._transport.app.state.executor  # type: ignore[attr-defined]
    for command in commands:
        stream = shipment_stream("m1", command.shipment_id)  # type: ignore[attr-defined]
        context = Context(RandomIds().new(), "m1", "test", "c1", "test", NOON)
        done = await executor.execute(one(stream, command), context)
        assert done.refused is None, done.refused


async def a_parcel(api: Api, shipment_id: str = "s1", cents: int = 1490) -> None:
    """It has a label of swift."""
    to = Customer(customer_id="c", customer_unique_id="u", zip_prefix="01310", city="São Paulo")
    await api.client._transport.app.state.keyring.ensure({"p1"})  # type: ignore[attr-defined]
    option = Option(
        carrier="swift",
        service="express",
        card_version=1,
        zone="near",
        billed_g=900,
        cents=cents,
        currency="BRL",
        days=2,
        on_time_permille=900,
        seen=0,
    )
    await say(
        api,
        RequestShipment(
            shipment_id=shipment_id,
            order_id="o1",
            subject="p1",
            recipient=to,
            ship_to_state="SP",
            units=3,
            shipping_method="express",
            lines=(ParcelLine(sku="MUG", warehouse="main", quantity=3),),
        ),
        ChooseCarrier(shipment_id=shipment_id, booking=1, options=(option,), reason="only it", now=NOON),
        RecordCarrierShipment(shipment_id=shipment_id, carrier="swift", tracking_number="SW1", cents=cents),
    )


async def test_rates_are_published_and_quoted(api: Api) -> None:
    problem(await api.post("/v1/carriers/swift/rate-cards", CARD), 404, "not-found")
    assert (await api.put("/v1/carriers/swift", {"name": "Swift"})).status_code == 200
    assert (await api.post("/v1/carriers/swift/rate-cards", CARD)).status_code == 200
    quoted = (await api.post("/v1/carriers/quotes", {"weight_g": 900, "region": "SP"})).json()
    assert [(each["carrier"], each["service"], each["cents"]) for each in quoted["options"]] == [
        ("swift", "express", 1490)
    ]
    assert "the cheapest of 1" in quoted["reason"]
    fast = {"method": "fast", "currency": "BRL", "amount_cents": 2900}
    named = {**fast, "services": [{"carrier": "swift", "service": "express"}]}
    assert (await api.put("/v1/storefront", {"shipping": [named]})).status_code == 200
    paid = {"weight_g": 900, "region": "SP", "shipping_method": "fast"}
    quoted = (await api.post("/v1/carriers/quotes", paid)).json()
    assert (quoted["options"][0]["fulfils"], "that fulfil fast" in quoted["reason"]) == ("fast", True)
    heavy = (await api.post("/v1/carriers/quotes", {"weight_g": 9000, "region": "SP"})).json()
    assert heavy["options"] == []
    assert heavy["not_served"] == [{"carrier": "swift", "service": "express", "why": "too_heavy"}]
    assert (await api.post("/v1/carriers/swift/suspend", {"reason": "strike"})).status_code == 200
    silent = (await api.post("/v1/carriers/quotes", {"weight_g": 900, "region": "SP"})).json()
    assert (silent["options"], silent["reason"]) == ([], None)
    assert (await api.post("/v1/carriers/swift/resume")).status_code == 200


HEAVY: dict[str, Any] = {
    **CARD,
    "services": [
        {
            **CARD["services"][0],
            "bands": [
                {"zone": "near", "up_to_g": 5_000, "cents": 1490},
                {"zone": "near", "up_to_g": 20_000, "cents": 4990},
            ],
        }
    ],
}


async def weighing(api: Api) -> None:
    """A merchant with rates, and a parcel: two anvils of 4.5 kg, one thing that an import knows to be of
    1.2 kg, and one that is in no catalogue."""
    await api.put("/v1/carriers/swift", {})
    assert (await api.post("/v1/carriers/swift/rate-cards", HEAVY)).status_code == 200
    variant = {"sku": "ANVIL-L", "weight_g": 4_500, "length_cm": 20, "width_cm": 15, "height_cm": 10}
    draft = {"product_id": "ANVIL", "name": "Anvil", "variants": [variant]}
    assert (await api.post("/v1/products", draft)).status_code == 201
    assert (await api.put("/v1/products/KNOWN", {"weight_g": 1_200})).status_code == 200
    await api.client._transport.app.state.keyring.ensure({"p1"})  # type: ignore[attr-defined]
    units = {"ANVIL-L": 2, "KNOWN": 1, "NOWHERE": 1}
    parcel = tuple(ParcelLine(sku=sku, warehouse="main", quantity=n) for sku, n in units.items())
    to = Customer(customer_id="c", customer_unique_id="u", zip_prefix="01310", city="São Paulo")
    asked: dict[str, Any] = {"subject": "p1", "recipient": to, "ship_to_state": "SP", "units": 4}
    await say(api, RequestShipment(shipment_id="s1", order_id="o1", **asked, lines=parcel))


async def choosing(api: Api) -> ChooseCarrier:
    """What is made of the last request for a carrier."""
    executor = api.client._transport.app.state.executor  # type: ignore[attr-defined]
    facts = [each for each in await api.facts() if "Request" in type(each.event).__name__]
    chosen = await choose(facts[-1], executor, datetime.now(UTC) + timedelta(minutes=1))
    assert isinstance(chosen, ChooseCarrier)
    return chosen


async def test_a_parcel_is_quoted_on_what_the_catalogue_says_that_it_weighs(api: Api) -> None:
    await weighing(api)
    chosen = await choosing(api)
    grams = 2 * 4_500 + 1_200 + 500
    assert [(each.billed_g, each.cents) for each in chosen.options] == [(grams, 4990)]
    assert chosen.weighed is not None
    assert (chosen.weighed.weight_g, chosen.weighed.by) == (grams, "catalogue_in_part")
    assert f"weighed {grams} g" in chosen.reason
    await say(api, chosen)
    (kept,) = await api.events(CarrierChosen)
    assert kept.weighed == chosen.weighed


async def test_the_catalogue_counts_as_it_is_and_the_parcel_as_it_was_split(api: Api) -> None:
    await weighing(api)
    heavier = {"sku": "ANVIL-L", "weight_g": 9_000}
    assert (await api.post("/v1/products/ANVIL/variants/describe", heavier)).status_code == 200
    light = tuple(ParcelLine(sku=sku, warehouse="main", quantity=1) for sku in ("ANVIL-L", "NOWHERE"))
    await say(api, SplitParcel(shipment_id="s1", into="s1-b", lines=light))
    chosen = await choosing(api)
    assert [each.billed_g for each in chosen.options] == [9_000 + 1_200]


async def test_what_staff_measured_counts_instead_of_the_catalogue(api: Api) -> None:
    await weighing(api)
    await say(
        api,
        await choosing(api),
        RecordCarrierShipment(shipment_id="s1", carrier="swift", tracking_number="SW1"),
        VoidLabel(shipment_id="s1"),
        RecordCarrierShipment(shipment_id="s1", carrier="swift", tracking_number="SW1", voided=True),
        Rebook(shipment_id="s1", measures=Measures(weight_g=800)),
    )
    chosen = await choosing(api)
    assert [(each.billed_g, each.cents) for each in chosen.options] == [(800, 1490)]
    assert chosen.weighed is not None
    assert (chosen.weighed.weight_g, chosen.weighed.by) == (800, "staff")


async def test_who_takes_no_parcel_of_that_weight_says_so(api: Api) -> None:
    await weighing(api)
    heavier = {"sku": "ANVIL-L", "weight_g": 19_000}
    assert (await api.post("/v1/products/ANVIL/variants/describe", heavier)).status_code == 200
    chosen = await choosing(api)
    assert not chosen.options
    assert "swift express: too_heavy" in chosen.reason
    assert "weighed 39700 g" in chosen.reason


async def test_a_parcel_that_is_chosen_for_reads_its_products_together(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await weighing(api)
    states = api.client._transport.app.state.executor.states  # type: ignore[attr-defined]
    asked: list[list[str]] = []
    load = states.load

    async def counting(streams: Any) -> Any:
        asked.append(list(streams))
        return await load(streams)

    monkeypatch.setattr(states, "load", counting)
    await choosing(api)
    of_products = [each for each in asked if any(name.startswith("product-") for name in each)]
    assert [len(each) for each in of_products] == [3, 1], "the SKUs, then the products that they are of"


async def test_where_a_carrier_shows_the_way_of_parcels_is_set(api: Api) -> None:
    path, link = "/v1/carriers/swift/tracking-link", "https://track.swift.example/{tracking_number}"
    problem(await api.put(path, {"template": link}), 404, "not-found")
    await api.put("/v1/carriers/swift", {})
    for template in (link, link, ""):
        assert (await api.put(path, {"template": template})).status_code == 200
    assert [each.template for each in await api.events(TrackingLinkSet)] == [link, ""]
    for wrong in ("http://track.example/{tracking_number}", "https://track.example/", link * 2):
        problem(await api.put(path, {"template": wrong}), 422, "invalid-input")


async def test_a_carrier_that_asks_in_another_currency_is_not_compared(api: Api) -> None:
    """A dollar is not a real, though each has a hundred cents."""
    for carrier, currency, cents in (("swift", "BRL", 1490), ("eagle", "USD", 900)):
        await api.put(f"/v1/carriers/{carrier}", {})
        bands = [{"zone": "near", "up_to_g": 5_000, "cents": cents}]
        card = {**CARD, "currency": currency, "services": [{**CARD["services"][0], "bands": bands}]}
        assert (await api.post(f"/v1/carriers/{carrier}/rate-cards", card)).status_code == 200
    assert (await api.post("/v1/orders", an_order(order_id="o1", currency="BRL"))).status_code == 201
    await a_parcel(api)
    chosen = await choosing(api)
    assert [each.name for each in chosen.options] == ["swift express", "eagle express"]
    assert "the cheapest of 1: 1490 cents BRL" in chosen.reason
    assert "not compared, as in another currency: eagle express (USD)" in chosen.reason
    parcel = {"weight_g": 900, "region": "SP"}
    quoted = (await api.post("/v1/carriers/quotes", {**parcel, "currency": "USD"})).json()
    assert [each["carrier"] for each in quoted["options"]] == ["eagle", "swift"]
    elsewhere = (await api.post("/v1/carriers/quotes", {**parcel, "currency": "EUR"})).json()
    assert "nobody asks in EUR" in elsewhere["reason"]


async def test_a_card_that_is_not_whole_or_late_is_refused_with_the_rule(api: Api) -> None:
    await api.put("/v1/carriers/swift", {})
    service = {**CARD["services"][0], "bands": [{"zone": "far", "up_to_g": 1, "cents": 1}]}
    told = problem(
        await api.post("/v1/carriers/swift/rate-cards", {**CARD, "services": [service]}), 409, "conflict"
    )
    assert (told["rule"], "far" in told["detail"]) == ("rate_card_complete", True)
    stale = {**CARD, "expected_version": 3}
    told = problem(await api.post("/v1/carriers/swift/rate-cards", stale), 409, "conflict")
    assert told["rule"] == "rate_card_follows_the_last"


async def test_a_label_is_voided_until_it_is_listed_and_the_manifest_dispatches(api: Api) -> None:
    problem(await api.post("/v1/shipments/s1/void-label"), 404, "not-found")
    await a_parcel(api)
    listed = {"carrier": "swift", "warehouse": "main", "shipments": ["s1"]}
    assert (await api.put("/v1/manifests/d1", listed)).status_code == 200
    assert (await api.put("/v1/manifests/d1", listed)).status_code == 200
    told = problem(await api.put("/v1/manifests/d2", listed), 409, "conflict")
    assert told["rule"] == "manifested_once"
    told = problem(await api.post("/v1/shipments/s1/void-label"), 409, "conflict")
    assert told["rule"] == "void_before_manifest"
    problem(await api.post("/v1/manifests/d2/hand-over", {}), 404, "not-found")
    for _ in range(2):
        over = await api.post("/v1/manifests/d1/hand-over", {"received_by": "R. Lima"})
        assert over.status_code == 200
    (dispatched,) = await api.events(ShipmentDispatched)
    assert (dispatched.units, dispatched.lines[0].quantity) == (3, 3)
    told = problem(await api.post("/v1/shipments/s1/void-label"), 409, "conflict")
    assert told["rule"] == "void_before_hand_over"


async def test_a_label_goes_back_and_another_is_booked(api: Api) -> None:
    await a_parcel(api)
    told = problem(await api.post("/v1/shipments/s1/rebook", {}), 409, "conflict")
    assert told["rule"] == "rebook_without_label"
    assert (await api.post("/v1/shipments/s1/void-label")).status_code == 200
    (asked,) = await api.events(LabelVoidRequested)
    assert asked.carrier == "swift"
    await say(
        api, RecordCarrierShipment(shipment_id="s1", carrier="swift", tracking_number="SW1", voided=True)
    )
    assert (await api.post("/v1/shipments/s1/rebook", {"measures": {"weight_g": 800}})).status_code == 200


async def test_a_parcel_is_split_and_no_unit_is_in_two(api: Api) -> None:
    await a_parcel(api)
    body = {"into": "s1-b", "lines": [{"sku": "MUG", "quantity": 1}]}
    assert (await api.post("/v1/shipments/s1/split", body)).status_code == 201
    states = api.client._transport.app.state.executor.states  # type: ignore[attr-defined]
    loaded = await states.load([shipment_stream("m1", each) for each in ("s1", "s1-b")])
    assert [each.state.units for each in loaded] == [2, 1]
    assert [each.state.order_id for each in loaded] == ["o1", "o1"]
    assert [each.state.shipping_method for each in loaded] == ["express", "express"]
    too_many = {"into": "s1-c", "lines": [{"sku": "MUG", "quantity": 5}]}
    told = problem(await api.post("/v1/shipments/s1/split", too_many), 409, "conflict")
    assert told["rule"] == "split_what_is_there"
    another = {**body, "into": "o2"}  # it would have the name of that order's parcel
    told = problem(await api.post("/v1/shipments/s1/split", another), 409, "conflict")
    assert told["rule"] == "split_named_after_its_order"


def invoice(*lines: tuple[int, str, int]) -> dict[str, Any]:
    return {
        "currency": "BRL",
        "lines": [{"line": n, "shipment_id": s, "charged_cents": cents} for n, s, cents in lines],
    }


async def test_carrier_invoice_above_quote(api: Api) -> None:
    """And an unknown parcel, and one that is billed twice, in one invoice and in two."""
    await a_parcel(api)
    await a_parcel(api, "s2")
    await a_parcel(api, "s3")
    lines = ((1, "s1", 1490), (2, "s2", 1500), (3, "nobody", 900), (4, "s1", 1490))
    path = "/v1/carrier-invoices/swift/2026-05"
    assert (await api.put(path, invoice(*lines))).status_code == 200
    opened = await api.events(InvoiceDiscrepancyOpened)
    assert [(each.line, each.kind, each.expected_cents) for each in opened] == [
        (2, "above_quote", 1490),
        (3, "unknown_parcel", 0),
        (4, "billed_twice", 0),
    ]
    assert len(await api.events(ShipmentBilled)) == 3
    assert (await api.put(path, invoice(*lines))).status_code == 200
    told = problem(await api.put(path, invoice(*lines[:1])), 409, "conflict")
    assert told["rule"] == "invoice_imported_once"
    again = await api.put("/v1/carrier-invoices/swift/2026-06", invoice((1, "s2", 1490), (2, "s3", 1490)))
    assert again.status_code == 200
    opened = await api.events(InvoiceDiscrepancyOpened)
    assert [(each.invoice_id, each.kind) for each in opened[3:]] == [("2026-06", "billed_twice")]
    resolve = f"{path}/lines/2/resolve"
    assert (await api.post(resolve, {"resolution": "credited", "note": "n7"})).status_code == 200
    assert (await api.post(resolve, {"resolution": "credited"})).status_code == 200
    told = problem(await api.post(resolve, {"resolution": "rejected"}), 409, "conflict")
    assert told["rule"] == "resolved_once"
    problem(await api.post(f"{path}/lines/1/resolve", {"resolution": "accepted"}), 404, "not-found")
