"""How is each order of a dataset played: which merchant orders, which scenarios of the worlds, which steps?

Pure: rows in, plans out. What an odd row becomes is decided here, in `story` (times) and `division` (money).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.order import Adjustment, Line, PlaceOrder, Portion
from domain.personal import Customer
from domain.streams import parcel_id, payment_stream, shipment_stream
from services.play import tables
from services.play.catalogue import (
    CURRENCY,
    HOUSE,
    TERMS,
    WAREHOUSE,
    Catalogue,
    Setup,
    Stage,
    plan_catalogue,
)
from services.play.division import divide
from services.play.network import Networks
from services.play.rows import CustomerRow, ItemRow, OlistRows, OrderRow, PaymentRow, by_order
from services.play.story import Action, Advance, Cancel, Place, Prepare, Step, Story, tell

__all__ = [
    "CURRENCY",
    "Action",
    "Advance",
    "Cancel",
    "Catalogue",
    "CheckoutPlan",
    "MerchantOrder",
    "Place",
    "PlannedRows",
    "Prepare",
    "Setup",
    "Stage",
    "Step",
    "Unplayed",
    "account_for",
    "plan_catalogue",
    "plan_checkouts",
]


@dataclass(frozen=True, slots=True)
class MerchantOrder:
    """One seller's part of a checkout."""

    merchant: str
    place: PlaceOrder


@dataclass(frozen=True, slots=True)
class CheckoutPlan:
    """All of one order of the dataset. The scenarios are the worlds' own JSON; a payment of zero has none,
    because no provider is called for it, and every parcel has one, be it empty: never collected.
    """

    checkout_id: str
    placed_at: datetime
    source_status: str
    orders: tuple[MerchantOrder, ...]
    payment_scenarios: tuple[dict[str, Any], ...]
    carrier_scenarios: tuple[dict[str, Any], ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Unplayed:
    """A row that no command comes of, and why; `line` is None for a whole file, and for rows of no file."""

    file: str
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """Where each row of each file ends: `played` counts rows by file."""

    played: dict[str, int]
    unplayed: tuple[Unplayed, ...]


def plan_checkouts(
    rows: OlistRows, subject_of: Callable[[str], str], networks: Networks | None = None
) -> Iterator[CheckoutPlan]:
    """The plans of all orders by time of purchase, each made when it is asked for.

    `subject_of` gives the data subject of a `customer_unique_id`. With `networks` orders are allocated by
    their sellers' rules.
    """
    items, payments = by_order(rows.items), by_order(rows.payments)
    customers = {row.customer_id: row for row in rows.customers}
    categories = {row.product_id: row.category for row in rows.products}
    for order in sorted(rows.orders, key=lambda row: row.purchased_at):
        customer = customers[order.customer_id]
        placing = _Placing(order, customer, subject_of(customer.customer_unique_id), categories, networks)
        of_order = sorted(payments.get(order.order_id, ()), key=lambda row: row.sequence)
        orders = placing.orders(items.get(order.order_id, ()), of_order)
        yield _checkout(order, orders, tell(order))


def account_for(rows: OlistRows) -> PlannedRows:
    """Where each row ends: in the catalogue, in a checkout, or not played, with its reason."""
    bought = {order.customer_id for order in rows.orders}
    idle = [row for row in rows.customers if row.customer_id not in bought]
    unplayed = [
        Unplayed(tables.CUSTOMERS.name, row.line or None, "the customer has no order") for row in idle
    ]
    unplayed += [
        Unplayed(tables.REVIEWS.name, row.line or None, "there are no reviews yet that it could become")
        for row in rows.reviews
    ]
    unplayed += [Unplayed(file, None, "trade needs no geography; not read") for file in rows.unread]
    played = {
        tables.ORDERS.name: len(rows.orders),
        tables.ITEMS.name: len(rows.items),
        tables.PAYMENTS.name: len(rows.payments),
        tables.CUSTOMERS.name: len(rows.customers) - len(idle),
        tables.PRODUCTS.name: len(rows.products),
        tables.SELLERS.name: len(rows.sellers),
        tables.TRANSLATIONS.name: len(rows.translations),
    }
    return PlannedRows(played, tuple(unplayed))


def _checkout(order: OrderRow, orders: tuple[MerchantOrder, ...], story: Story) -> CheckoutPlan:
    payment_scenarios = tuple(
        {
            "payment_id": payment_stream(each.merchant, portion.payment_id),
            "checkout": order.order_id,
            "authorize": story.authorize,
        }
        for each in orders
        for portion in each.place.portions
        if portion.amount_cents
    )
    carrier_scenarios = tuple(
        {
            "shipment_id": shipment_stream(each.merchant, parcel),
            "checkout": order.order_id,
            "facts": list(story.facts),
        }
        for each in orders
        for parcel in _parcels(each.place)
    )
    return CheckoutPlan(
        order.order_id,
        order.purchased_at,
        order.status,
        orders,
        payment_scenarios,
        carrier_scenarios,
        story.steps,
    )


def _parcels(place: PlaceOrder) -> Iterator[str]:
    """The parcels that an order may come to: as many as its units, and one for each warehouse at most."""
    yield place.order_id
    if place.allocation:
        units = sum(line.quantity for line in place.lines)
        numbers = range(2, min(units, len(place.allocation.sites)) + 1)
        yield from (parcel_id(place.order_id, number) for number in numbers)


@dataclass(frozen=True, slots=True)
class _Placing:
    """What all merchant orders of one checkout share."""

    order: OrderRow
    customer: CustomerRow
    subject: str
    categories: Mapping[str, str | None]
    networks: Networks | None = None

    def orders(self, items: Sequence[ItemRow], payments: Sequence[PaymentRow]) -> tuple[MerchantOrder, ...]:
        """One order a seller, by seller id; without items the house merchant's."""
        baskets: dict[str, list[ItemRow]] = {}
        for item in sorted(items, key=lambda row: row.item):
            baskets.setdefault(item.seller_id, []).append(item)
        merchants = sorted(baskets) or [HOUSE]
        lines = [self._lines(baskets.get(merchant, ())) for merchant in merchants]
        division = divide(
            [sum(line.total_cents for line in each) for each in lines],
            [payment.amount_cents for payment in payments],
        )
        names = _payment_names(payments)
        placed = []
        for index, merchant in enumerate(merchants):
            order_id = f"{self.order.order_id}-{index + 1}" if len(merchants) > 1 else self.order.order_id
            portions = tuple(
                Portion(
                    payment_id=f"{order_id}.{name}",
                    method=payment.method,
                    amount_cents=parts[index],
                    installments=payment.installments,
                    sequence=payment.sequence,
                )
                for name, payment, parts in zip(names, payments, division.portions, strict=True)
            )
            place = self._place(order_id, merchant, lines[index], division.adjustments[index], portions)
            placed.append(MerchantOrder(merchant, place))
        return tuple(placed)

    def _place(
        self,
        order_id: str,
        merchant: str,
        lines: tuple[Line, ...],
        adjustment: int,
        portions: tuple[Portion, ...],
    ) -> PlaceOrder:
        spread = self.networks if lines else None  # who bought nothing has nothing to allocate
        return PlaceOrder(
            order_id=order_id,
            checkout_id=self.order.order_id,
            subject=self.subject,
            customer=Customer(
                customer_id=self.customer.customer_id,
                customer_unique_id=self.customer.customer_unique_id,
                zip_prefix=self.customer.zip_prefix,
                city=self.customer.city,
            ),
            ship_to_state=self.customer.state,
            currency=CURRENCY,
            lines=lines,
            adjustments=_adjustments(adjustment),
            portions=portions,
            on_account=not portions,
            estimated_delivery_at=self.order.estimated_at,
            terms=TERMS,
            imported=True,
            allocation=spread.terms(merchant, self.customer) if spread else None,
        )

    def _lines(self, items: Sequence[ItemRow]) -> tuple[Line, ...]:
        """Equal units are one line; the category is the product's of today, kept as it is now."""
        units: dict[tuple[str, int, int, datetime], int] = {}
        for item in items:
            alike = (item.product_id, item.price_cents, item.freight_cents, item.shipping_limit_at)
            units[alike] = units.get(alike, 0) + 1
        return tuple(
            Line(
                line=number,
                sku=product,
                category=self.categories[product],
                quantity=quantity,
                unit_price_cents=price,
                unit_shipping_cents=freight,
                warehouse=WAREHOUSE,
                ship_by=ship_by,
            )
            for number, ((product, price, freight, ship_by), quantity) in enumerate(units.items(), 1)
        )


def _adjustments(signed_cents: int) -> tuple[Adjustment, ...]:
    if signed_cents == 0:
        return ()
    kind: Any = "surcharge" if signed_cents > 0 else "shortfall"
    return (Adjustment(kind=kind, amount_cents=abs(signed_cents)),)


def _payment_names(payments: Sequence[PaymentRow]) -> list[str]:
    """The payments' own numbers; one that comes again is told apart: `1`, `1.2`, `1.3`."""
    seen: dict[int, int] = {}
    names = []
    for payment in payments:
        seen[payment.sequence] = times = seen.get(payment.sequence, 0) + 1
        names.append(str(payment.sequence) if times == 1 else f"{payment.sequence}.{times}")
    return names
