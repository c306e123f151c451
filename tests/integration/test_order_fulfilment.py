"""Is an order's status of fulfilment that of its parcels, and is none said to be all while units are here?"""

from __future__ import annotations

import pytest

from domain.carrier import (
    LabelVoided,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentRequested,
    ShipmentReturned,
)
from domain.kernel import Event
from domain.order import OrderConfirmed, OrderPartShipped, OrderShipped
from domain.personal import Erased
from domain.streams import order_stream, shipment_stream
from projections.read_models import READ_MODELS
from tests.integration.projections_trade import Bought, open_trade
from tests.integration.test_projections import fetch, running, shown

ORDER = order_stream("m1", "o1")
CONFIRMED = (ORDER, OrderConfirmed(order_id="o1"))


def ids(name: str) -> dict[str, str]:
    return {"shipment_id": name, "order_id": "o1"}


def of(name: str, event: Event) -> tuple[str, Event]:
    return shipment_stream("m1", name), event


def asked(name: str) -> tuple[str, Event]:
    person = {"subject": "s1", "recipient": Erased(), "ship_to_state": "SP"}
    return of(name, ShipmentRequested(**ids(name), **person, units=1))


def sent(name: str) -> tuple[str, Event]:
    return of(name, ShipmentDispatched(**ids(name)))


def there(name: str) -> tuple[str, Event]:
    return of(name, ShipmentDelivered(**ids(name), scan_id="1"))


def back(name: str) -> tuple[str, Event]:
    return of(name, ShipmentReturned(**ids(name), scan_id="2"))


PART = (ORDER, OrderPartShipped(order_id="o1", shipment_id="o1", units=()))
LAST = (ORDER, OrderShipped(order_id="o1", shipment_id="o1.2"))
REST_CALLED_OFF = (ORDER, OrderShipped(order_id="o1"))
VOIDED = of("o1.2", LabelVoided(**ids("o1.2")))
FIRST = [CONFIRMED, asked("o1"), sent("o1"), PART]
BOTH = [*FIRST, asked("o1.2"), sent("o1.2"), LAST]


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], "unfulfilled"),
        ([CONFIRMED, asked("o1")], "requested"),
        (FIRST, "partially_dispatched"),  # the other parcel is not even asked for
        ([*FIRST, there("o1")], "partially_delivered"),
        ([*FIRST, back("o1")], "partially_dispatched"),
        ([*FIRST, asked("o1.2"), REST_CALLED_OFF], "dispatched"),  # whose label is still to be given back
        ([*FIRST, asked("o1.2"), REST_CALLED_OFF, there("o1"), VOIDED], "delivered"),
        (BOTH, "dispatched"),
        ([*BOTH, there("o1.2")], "partially_delivered"),
        ([*BOTH, there("o1.2"), back("o1")], "delivered"),
        ([*BOTH, back("o1"), back("o1.2")], "returned"),
    ],
)
async def test_the_status_of_fulfilment_is_that_of_the_parcels(
    database: str, events: list[tuple[str, Event]], status: str
) -> None:
    async with open_trade(database) as trade:
        last = await trade.append("m1", [Bought("m1", "o1").placing()[0], *events])
        async with running(trade, models=[READ_MODELS["orders"]]):
            await shown(trade, last, models=1)
        assert await fetch(trade, "SELECT fulfilment_status FROM orders") == [(status,)]
