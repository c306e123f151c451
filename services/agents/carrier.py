"""The shipping agent: asks for a parcel's label once the order is confirmed, and gives it back on cancel."""

from __future__ import annotations

from domain.carrier import RequestLabelVoid, RequestShipment, ShipmentDispatched
from domain.kernel import Fact, Reaction, Value, one
from domain.order import OrderCancelled, OrderConfirmed, OrderHeld, OrderPlaced, OrderReleased
from domain.personal import Erased, Sealed
from domain.streams import shipment_stream
from services.agents.agent import Agent


class ShippingProcess(Value):
    """Where the order's parcel goes; the recipient stays sealed."""

    order_id: str = ""
    subject: str = ""
    recipient: Sealed | Erased = Erased()
    ship_to_state: str = ""
    units: int = 0
    requested: bool = False
    confirmed: bool = False
    held: bool = False
    dispatched: bool = False


def _placed(event: OrderPlaced) -> ShippingProcess:
    recipient = event.customer
    assert isinstance(recipient, Sealed | Erased), "agents never see personal data in the clear"
    return ShippingProcess(
        order_id=event.order_id,
        subject=event.subject,
        recipient=recipient,
        ship_to_state=event.ship_to_state,
        units=sum(line.quantity for line in event.lines),
    )


def _go_on(process: ShippingProcess, stream: str) -> Reaction[ShippingProcess]:
    """A parcel is asked for once the order is confirmed, and nothing holds it."""
    if not (process.confirmed and process.units) or process.held or process.requested:
        return Reaction(process)
    request = RequestShipment(
        shipment_id=process.order_id,
        order_id=process.order_id,
        subject=process.subject,
        recipient=process.recipient,
        ship_to_state=process.ship_to_state,
        units=process.units,
    )
    return Reaction(process.model_copy(update={"requested": True}), (one(stream, request),))


def react(process: ShippingProcess, fact: Fact) -> Reaction[ShippingProcess]:
    stream = shipment_stream(fact.merchant, process.order_id) if process.order_id else ""
    match fact.event:
        case OrderPlaced() as event if not process.order_id:
            return Reaction(_placed(event))
        case OrderHeld():
            return Reaction(process.model_copy(update={"held": True}))
        case OrderReleased(remaining=remaining):
            return _go_on(process.model_copy(update={"held": remaining > 0}), stream)
        case OrderConfirmed():
            return _go_on(process.model_copy(update={"confirmed": True}), stream)
        case ShipmentDispatched():
            return Reaction(process.model_copy(update={"dispatched": True}))
        case OrderCancelled():
            asked = process.requested and not process.dispatched
            process = process.model_copy(update={"confirmed": False})
            return Reaction(
                process, (one(stream, RequestLabelVoid(shipment_id=process.order_id)),) if asked else ()
            )
        case _:
            return Reaction(process)


CARRIER_AGENT = Agent(
    name="shipping",
    context="carrier",
    initial=ShippingProcess(),
    interests=(OrderPlaced, OrderConfirmed, OrderHeld, OrderReleased, OrderCancelled, ShipmentDispatched),
    react=react,
    rule_version=2,
)

AGENTS = (CARRIER_AGENT,)
