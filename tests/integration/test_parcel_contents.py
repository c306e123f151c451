"""Do read models tell what is in each parcel, and from which warehouse it leaves, whatever became of it?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from domain.carrier import (
    SHIPMENT,
    CarrierChosen,
    LabelBought,
    ParcelChanged,
    ParcelLine,
    ParcelSplit,
    ShipmentCommand,
    ShipmentEvent,
    ShipmentRequested,
    SplitParcel,
)
from domain.carrier.carriers import CarrierAdded, TrackingLinkSet
from domain.personal import Customer
from domain.streams import carriers_stream, shipment_stream
from projections.read_models import READ_MODELS
from tests.integration.carriage_trade import a_parcel
from tests.integration.projections_trade import Bought, Step, Trade, open_trade, setting_up
from tests.integration.test_projections import fetch, running, shown
from tests.integration.test_queries import Api, api  # noqa: F401 - a fixture

Place = tuple[str, str, int]
CONTENTS = (
    "SELECT sku, warehouse, quantity FROM shipment_lines WHERE shipment_id = '{}' ORDER BY sku, warehouse"
)


def lines(*places: Place) -> tuple[ParcelLine, ...]:
    return tuple(ParcelLine(sku=sku, warehouse=warehouse, quantity=n) for sku, warehouse, n in places)


def asked(name: str, *places: Place) -> ShipmentRequested:
    to = Customer(customer_id="c", customer_unique_id="u", zip_prefix="01310", city="São Paulo")
    parcel = lines(*places)
    return ShipmentRequested(
        shipment_id=name,
        order_id="o1",
        subject="subject-p1",
        recipient=to,
        ship_to_state="SP",
        units=sum(line.quantity for line in parcel),
        lines=parcel,
    )


def changed(*places: Place) -> ParcelChanged:
    parcel = lines(*places)
    units = sum(line.quantity for line in parcel)
    return ParcelChanged(shipment_id="o1", order_id="o1", lines=parcel, units=units)


def split(into: str, left: int, *places: Place) -> ParcelSplit:
    return ParcelSplit(shipment_id="o1", order_id="o1", into=into, lines=lines(*places), units_left=left)


FIRST = asked("o1", ("A", "main", 3), ("B", "main", 2), ("B", "north", 1))
LIVES: dict[str, Sequence[ShipmentEvent]] = {
    "as it was asked for": [FIRST],
    "split": [FIRST, split("o1-b", 3, ("A", "main", 1), ("B", "main", 2))],
    "split twice": [FIRST, split("o1-b", 5, ("B", "north", 1)), split("o1-c", 2, ("A", "main", 3))],
    "changed": [FIRST, changed(("A", "main", 1), ("C", "main", 4))],
    "changed, then split": [FIRST, changed(("A", "main", 5)), split("o1-b", 1, ("A", "main", 4))],
    "split, then changed": [FIRST, split("o1-b", 3, ("A", "main", 3)), changed(("A", "main", 1))],
    "emptied": [FIRST, changed()],
    "emptied, and filled": [FIRST, changed(), changed(("B", "north", 2))],
}


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as opened:
        yield opened


@pytest.mark.parametrize("apart", [True, False], ids=["one by one", "at once"])
@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
async def test_the_lines_of_a_parcel_are_those_of_its_state(
    trade: Trade, life: Sequence[ShipmentEvent], apart: bool
) -> None:
    """Whether its events come in a batch, or each by itself."""
    steps: list[Step] = [(shipment_stream("m1", "o1"), event) for event in life]
    models = [READ_MODELS["shipments"]]
    if not apart:
        last = await trade.append("m1", steps)
    async with running(trade, models=models):
        for step in steps if apart else ():
            last = await trade.append("m1", [step])
            await shown(trade, last, models=1)
        await shown(trade, last, models=1)
    state = SHIPMENT.fold(life)
    wanted = sorted((line.sku, line.warehouse, line.quantity) for line in state.lines)
    assert await fetch(trade, CONTENTS.format("o1")) == wanted
    leaves_from = min((line.warehouse for line in state.lines), default="main")
    known = await fetch(trade, "SELECT units_count, warehouse FROM shipments")
    assert known == [(state.units, leaves_from)]


UNWEIGHED, *_, BY_STAFF = [
    event for _, event in a_parcel("m1", "o1", "o1") if isinstance(event, CarrierChosen)
]
WEIGHED: dict[str, Sequence[ShipmentEvent]] = {
    "weighed": [FIRST, BY_STAFF],
    "weighed, then changed": [FIRST, BY_STAFF, changed(("A", "main", 1))],
    "weighed, then split": [FIRST, BY_STAFF, split("o1-b", 3, ("A", "main", 3))],
    "changed, then weighed": [FIRST, UNWEIGHED, changed(("A", "main", 1)), BY_STAFF],
    "changed, and the next best takes it": [FIRST, BY_STAFF, changed(("A", "main", 1)), UNWEIGHED],
    "changed, then weighed anew": [FIRST, BY_STAFF, changed(("A", "main", 1)), BY_STAFF],
}


@pytest.mark.parametrize("apart", [True, False], ids=["one by one", "at once"])
@pytest.mark.parametrize("life", WEIGHED.values(), ids=WEIGHED.keys())
async def test_a_parcel_weighs_what_its_state_says(
    trade: Trade, life: Sequence[ShipmentEvent], apart: bool
) -> None:
    """What was weighed says nothing of a parcel that holds something else."""
    steps: list[Step] = [(shipment_stream("m1", "o1"), event) for event in life]
    if not apart:
        last = await trade.append("m1", steps)
    async with running(trade, models=[READ_MODELS["shipments"]]):
        for step in steps if apart else ():
            last = await trade.append("m1", [step])
            await shown(trade, last, models=1)
        await shown(trade, last, models=1)
    weighed = SHIPMENT.fold(life).weighed
    wanted = (weighed.weight_g, weighed.by) if weighed else (None, None)
    assert await fetch(trade, "SELECT weight_g, weighed_by FROM shipments") == [wanted]


async def parcels(trade: Trade) -> int:
    """An order that leaves from two warehouses, whose first parcel a person has split."""
    two = asked("o1", ("A", "main", 3), ("B", "main", 2))
    command: ShipmentCommand = SplitParcel(shipment_id="o1", into="o1-b", lines=lines(("A", "main", 1)))
    events = [two, *SHIPMENT.decide(command, SHIPMENT.fold([two]))]
    steps: list[Step] = [(shipment_stream("m1", "o1"), event) for event in events]
    steps.append((shipment_stream("m1", "o1-b"), asked("o1-b", ("A", "main", 1))))
    steps.append((shipment_stream("m1", "o1.2"), asked("o1.2", ("A", "north", 2))))
    await trade.append("m1", setting_up("m1"))
    await trade.append("m2", Bought("m2", "theirs").life())
    return await trade.append("m1", [*Bought("m1", "o1").placing(), *steps])


def contents(shown: dict[str, Any]) -> list[Place]:
    return [(line["sku"], line["warehouse"], line["quantity"]) for line in shown["lines"]]


async def test_a_parcel_shows_what_is_in_it_and_a_list_those_of_a_warehouse(api: Api) -> None:  # noqa: F811
    last = await parcels(api.trade)
    one = await api.ok("/v1/shipments/o1", at_least=last)
    assert contents(one) == [("A", "main", 2), ("B", "main", 2)]
    assert one["warehouse"] == "main"
    assert contents(await api.ok("/v1/shipments/o1-b")) == [("A", "main", 1)]

    async def found(**query: Any) -> list[str]:
        return [each["shipment_id"] for each in await api.walk("/v1/shipments", **query, limit=1)]

    assert sorted(await found(warehouse="main")) == ["o1", "o1-b"]
    assert await found(warehouse="north") == ["o1.2"]
    assert await found(warehouse="main", order_id="o1", unlisted=True, status="requested") == await found(
        warehouse="main"
    )
    assert await found(warehouse="main", status="delivered") == []
    assert await found(warehouse="nowhere") == []
    listed = await api.ok("/v1/shipments", order_id="o1")
    assert {each["shipment_id"]: each["warehouse"] for each in listed["items"]} == {
        "o1": "main",
        "o1-b": "main",
        "o1.2": "north",
    }
    order = await api.ok("/v1/orders/o1")
    assert {each["shipment_id"]: contents(each) for each in order["shipments"]} == {
        "o1": [("A", "main", 2), ("B", "main", 2)],
        "o1-b": [("A", "main", 1)],
        "o1.2": [("A", "north", 2)],
    }


async def test_an_account_page_tells_what_is_in_each_parcel(api: Api) -> None:  # noqa: F811
    last = await parcels(api.trade)
    (mine,) = (await api.ok("/v1/account/orders", at_least=last))["items"]
    assert {each["shipment_id"]: each["lines"] for each in mine["shipments"]} == {
        "o1": [{"sku": "A", "name": "", "quantity": 2}, {"sku": "B", "name": "", "quantity": 2}],
        "o1-b": [{"sku": "A", "name": "", "quantity": 1}],
        "o1.2": [{"sku": "A", "name": "", "quantity": 2}],
    }


async def test_a_parcel_with_a_label_has_its_carriers_link_wherever_it_is_shown(api: Api) -> None:  # noqa: F811
    """Also by the carrier's name for itself, and where the link came, or went, once it was on its way. It is
    found by the name that its merchant booked it by, whatever its label says."""
    await parcels(api.trade)

    def label(name: str, carrier: str, number: str) -> Step:
        bought = LabelBought(shipment_id=name, order_id="o1", carrier=carrier, tracking_number=number)
        return shipment_stream("m1", name), bought

    def linked(carrier: str, template: str) -> Step:
        return carriers_stream("m1"), TrackingLinkSet(carrier=carrier, template=template)

    chosen = a_parcel("m1", "o1", "o1-c", "swift")[1]
    steps = [
        label("o1", "post", "PO 1"),
        label("o1-b", "eagle", "EA1"),
        (shipment_stream("m1", "o1-c"), asked("o1-c", ("A", "main", 1))),
        chosen,
        label("o1-c", "Swift Courier Ltd.", "SW1"),
        *((carriers_stream("m1"), CarrierAdded(carrier=name)) for name in ("post", "eagle", "swift")),
        linked("post", "https://post.example/{tracking_number}"),
        linked("swift", "https://swift.example/?n={tracking_number}"),
        linked("eagle", "https://eagle.example/{tracking_number}"),
        linked("eagle", ""),
    ]
    last = await api.trade.append("m1", steps)
    urls = {
        "o1": "https://post.example/PO%201",
        "o1-b": None,
        "o1-c": "https://swift.example/?n=SW1",
        "o1.2": None,
    }

    def shown_in(parcels: list[dict[str, Any]]) -> dict[str, str | None]:
        return {each["shipment_id"]: each["tracking_url"] for each in parcels}

    assert shown_in((await api.ok("/v1/shipments", at_least=last))["items"]) == urls
    assert shown_in((await api.ok("/v1/shipments", warehouse="main"))["items"]) == {
        name: url for name, url in urls.items() if name != "o1.2"
    }
    assert (await api.ok("/v1/shipments/o1"))["tracking_url"] == urls["o1"]
    for carrier, found in {"swift": "o1-c", "post": "o1", "Swift Courier Ltd.": None}.items():
        listed = (await api.ok("/v1/shipments", carrier=carrier))["items"]
        assert {each["booked_with"] for each in listed} <= {carrier, None}
        assert [each["shipment_id"] for each in listed] == ([found] if found else []), carrier
    assert shown_in((await api.ok("/v1/orders/o1"))["shipments"]) == urls
    (mine,) = (await api.ok("/v1/account/orders"))["items"]
    assert shown_in(mine["shipments"]) == urls
    known = (await api.ok("/v1/carriers"))["items"]
    assert [(each["carrier"], each["tracking_template"]) for each in known] == [
        ("eagle", None),
        ("post", "https://post.example/{tracking_number}"),
        ("swift", "https://swift.example/?n={tracking_number}"),
    ]
