"""Does who takes nothing new get nothing new? Warehouses that are closed, carriers that are suspended.

Nobody reads and decides in one moment: what was so at some time since it was asked counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from domain.allocation import AllocationPlanned
from domain.allocation.rules import AllocationTerms
from domain.carrier import CarrierChosen, RebookingRequested, ShipmentRequested
from domain.carrier.carriers import CarrierAdded, CarrierResumed, CarrierSuspended
from domain.cart.events import CheckoutOrderPlanned
from domain.kernel import Fact
from domain.order import OrderPlaced
from domain.warehouse.network import WarehouseClosed, WarehouseOpened, WarehouseRegistered
from services.simulation.invariants import History
from services.simulation.shop import Answered

Turns = dict[tuple[str, str], list[tuple[int, bool]]]
"""By merchant and name: from which positions on it takes what is new, or does not."""


def suspended_carriers_get_no_parcel(history: History) -> Iterator[str]:
    """None whose carrier was suspended all the time since the parcel was to be booked."""
    turns = _turns(history.facts, (CarrierAdded, CarrierResumed), (CarrierSuspended,))
    asked: dict[str, int] = {}
    for fact in history.facts:
        match fact.event:
            case ShipmentRequested() | RebookingRequested():
                asked[fact.stream] = fact.position
            case CarrierChosen(option=option):
                known = turns[fact.merchant, option.carrier]
                if not _ever(known, asked[fact.stream], fact.position):
                    yield f"position {fact.position}: {fact.stream} goes to {option.carrier}, suspended"


def closed_warehouses_get_no_order(history: History, answered: Answered) -> Iterator[str]:
    """None that was closed all the time since its customer pressed; and no plan has another than those that
    its order came with."""
    turns = _turns(history.facts, (WarehouseRegistered, WarehouseOpened), (WarehouseClosed,))
    sites: dict[tuple[str, str], set[str]] = {}
    for fact in history.facts:
        match fact.event:
            case OrderPlaced(order_id=order_id, allocation=terms):
                sites[fact.merchant, order_id] = _names(terms)
                yield from _closed(fact, fact.merchant, terms, turns, answered)
            case CheckoutOrderPlanned(merchant=merchant, allocation=terms):
                yield from _closed(fact, merchant, terms, turns, answered)
            case AllocationPlanned(order_id=order_id, picks=picks):
                others = {pick.warehouse for pick in picks} - sites[fact.merchant, order_id]
                if others:
                    yield f"position {fact.position}: {order_id} is planned at {sorted(others)}, closed to it"


def _closed(
    fact: Fact, merchant: str, terms: AllocationTerms | None, turns: Turns, answered: Answered
) -> Iterator[str]:
    sent = answered.sent.get(f"{fact.merchant} {fact.causation}")
    for name in sorted(_names(terms)) if sent else ():
        assert sent
        if not _ever(turns[merchant, name], sent.head, fact.position):
            yield f"position {fact.position}: {fact.stream} may go to warehouse {name}, which is closed"


def _names(terms: AllocationTerms | None) -> set[str]:
    return {site.warehouse for site in terms.sites} if terms else set()


def _turns(facts: Iterable[Fact], begins: tuple[type, ...], ends: tuple[type, ...]) -> Turns:
    found: Turns = defaultdict(list)
    for fact in facts:
        if isinstance(fact.event, (*begins, *ends)):
            name = getattr(fact.event, "carrier", "") or getattr(fact.event, "warehouse", "")
            found[fact.merchant, name].append((fact.position, isinstance(fact.event, begins)))
    return found


def _ever(turns: Sequence[tuple[int, bool]], since: int, until: int) -> bool:
    """Whether it took what is new at any time between these positions."""
    before = [takes for position, takes in turns if position <= since]
    return any(before[-1:]) or any(takes for position, takes in turns if since < position <= until)
