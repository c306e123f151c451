"""Which trade does a seed make? Orders of two merchants; few units of few products, so that buyers meet."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal

from domain.cart.orders import checkout_id_of, order_number
from services.simulation.plan import (
    ALWAYS,
    BY_RULES,
    Bank,
    CartFate,
    Change,
    EditPaid,
    OfferKind,
    ParcelFate,
    PaymentFate,
    Plan,
    PlannedCart,
    PlannedDelivery,
    PlannedEdit,
    PlannedGoods,
    PlannedHandling,
    PlannedInvoice,
    PlannedLine,
    PlannedManifest,
    PlannedOffer,
    PlannedOrder,
    PlannedPause,
    PlannedRefusal,
    PlannedShopping,
)

SKUS = 4
UNITS_AN_ORDER = 1.1
"""Units on hand at the start for each order: not enough for all."""
GOODS: tuple[Literal["purchase", "transfer", "stocktake"], ...] = ("purchase", "transfer", "stocktake")
DELIVERIES = 9
"""Of each product, while trade goes on: they and the orders are after the same streams."""
ARRIVAL_SECONDS = 0.05
LOOKED_INTO_EVERY = 9
"""Orders."""
REFUSAL_RATE, CART_RATE, CUT_RATE, EDIT_RATE, OF_TWO_MERCHANTS_RATE = 0.25, 0.15, 0.1, 0.12, 0.3
VALID_SECONDS = ((15, 30), (300, 600), (86_400, 172_800))
"""For how long stock and money are held: so short that deadlines come while there are faults, or so that a
clock that jumps makes them come, or beyond both, so that orders are paid and sent whatever goes wrong."""
VALID_WEIGHTS = (3, 2, 8)
PICK_RATE = 0.3
"""Of those of a merchant with rules."""
SHORT_RATE, HANDLING_RATE = 0.4, 0.25
"""Of those that are picked, and of those that the carrier leaves here for a while."""
THINKING_SECONDS = (1.0, 5.0)
ACCEPTING_RATE, REPRICED_RATE = 0.75, 0.8
MANIFESTS = 3
RULES = 4
"""Times that they change, while orders come."""
HANDLINGS: tuple[Literal["split", "rebooked"], ...] = ("split", "rebooked")
EDITS = ("more", "more", "another", "another", "dearer", "fewer", "address")


def plan_of(random: Random, orders: int, staff: float = 0.0) -> Plan:
    """So many orders of two merchants; few units of few products, so that buyers meet. `staff` is the fault
    of that name."""
    plan = Plan(
        orders=tuple(_orders(random, orders)),
        deliveries=tuple(_deliveries(random, orders)),
        goods=tuple(_goods(random, orders)),
        manifests=tuple(_manifests(random)),
        rules_change_every_s=orders * ARRIVAL_SECONDS / RULES,
    )
    plan = plan.model_copy(update={"orders": tuple(_handled(random, order, staff) for order in plan.orders)})
    plan = _at_prices(random, plan)
    goods = (*plan.goods, *_called_off(random, plan.goods))
    invoices = tuple(
        PlannedInvoice(
            name=f"invoice-{carrier}-{number}",
            merchant=BY_RULES,
            carrier=carrier,
            look_after_s=random.uniform(1.0, 3.0),
        )
        for carrier in ("swift", "post")
        for number in (1, 2)
    )
    pauses = tuple(_pauses(random))
    return plan.model_copy(update={"pauses": pauses, "goods": goods, "invoices": invoices})


def _handled(random: Random, order: PlannedOrder, staff: float) -> PlannedOrder:
    """As staff finds it, and what it does with its parcel. Drawn last: all else of a seed stays as it is."""
    short, handled = random.random() < SHORT_RATE * staff, random.random() < HANDLING_RATE * staff
    units, kind, after_s = random.randint(1, 2), random.choice(HANDLINGS), random.uniform(1.0, 3.0)
    here = order.parcel_fate != "delivered" and order.payment_fate in ("at_once", "late")
    able = here and (kind == "rebooked" or order.units > 1)
    return order.model_copy(
        update={
            "short_units": units if short and order.picked_after_s is not None else 0,
            "handling": PlannedHandling(kind=kind, after_s=after_s) if handled and able else None,
        }
    )


def _at_prices(random: Random, plan: Plan) -> Plan:
    """With what merchants sell at prices of their own, and who buys so. Drawn after all else, too."""
    shopping: dict[str, PlannedShopping | None] = {}
    for order in plan.orders:
        if order.cart and order.checkout not in shopping:
            shopping[order.checkout] = _shopping(random, order) if order.cart.fate != "abandoned" else None
    orders = tuple(_shopped(order, shopping.get(order.checkout)) for order in plan.orders)
    end_s = len(orders) * ARRIVAL_SECONDS
    return plan.model_copy(update={"orders": orders, "offers": tuple(_other_changes(random, end_s))})


def _shopping(random: Random, order: PlannedOrder) -> PlannedShopping:
    thinks_s = random.uniform(*THINKING_SECONDS)
    repriced = random.random() < REPRICED_RATE
    return PlannedShopping(
        thinks_s=thinks_s,
        meanwhile=(_repriced(random, order, thinks_s),) if repriced else (),
        accepts=random.random() < ACCEPTING_RATE,
        wavers=random.random() < 0.5,
        ships=random.random() < 0.5,
    )


def _shopped(order: PlannedOrder, shopping: PlannedShopping | None) -> PlannedOrder:
    """Nobody knows yet what it will cost, or of how many units it will be: one payment is of all, and no list
    is made by hand."""
    if order.cart is None or shopping is None:
        return order
    return order.model_copy(
        update={
            "cart": order.cart.model_copy(update={"shopping": shopping}),
            "parts": (order.total_cents,),
            "short_units": order.short_units if order.merchant == BY_RULES else 0,
        }
    )


def _repriced(random: Random, order: PlannedOrder, thinks_s: float) -> PlannedOffer:
    """Of something of the order, while its buyer thinks."""
    kinds: tuple[OfferKind, ...] = ("now", "later", "later", "withdrawn")
    return PlannedOffer(
        name=f"price {order.order_id}",
        kind=random.choice(kinds),
        merchant=order.merchant,
        at_s=random.uniform(0.0, thinks_s / 2),
        sku=random.choice(order.lines).sku,
        price_cents=random.randrange(100, 9_000),
        in_s=random.uniform(0.0, thinks_s / 2),
    )


def _other_changes(random: Random, end_s: float) -> Iterator[PlannedOffer]:
    kinds: tuple[OfferKind, ...] = ("described", "unpublished", "archived", "removed", "shipping")
    for merchant in ("m1", "m2"):
        for kind in kinds:
            yield PlannedOffer(
                name=f"{kind} {merchant}",
                kind=kind,
                merchant=merchant,
                at_s=random.uniform(0.0, end_s),
                sku=f"sku{random.randint(1, SKUS)}",
                price_cents=random.randrange(300, 1_900),
                in_s=random.uniform(0.2, 2.0),
            )


def _called_off(random: Random, goods: tuple[PlannedGoods, ...]) -> Iterator[PlannedGoods]:
    """Of each kind one at each merchant."""
    for merchant in ("m1", "m2"):
        for kind in GOODS:
            like = random.choice([each for each in goods if (each.kind, each.merchant) == (kind, merchant)])
            yield like.model_copy(update={"name": f"no {kind}-{merchant}", "called_off": True})


def _pauses(random: Random) -> Iterator[PlannedPause]:
    """Of the merchant that has several warehouses and carriers."""
    kinds: dict[Literal["warehouse", "carrier"], tuple[str, ...]] = {
        "warehouse": ("north", "main"),
        "carrier": ("swift", "post"),
    }
    for kind, names in kinds.items():
        for what in names:
            yield PlannedPause(
                name=what,
                kind=kind,
                merchant=BY_RULES,
                what=what,
                after_s=random.uniform(0.5, 3.0),
                for_s=random.uniform(2.0, 8.0),
                prefer=random.choice(("cost", "speed")),
            )


def _manifests(random: Random) -> Iterator[PlannedManifest]:
    for number in range(MANIFESTS):
        for merchant in ("m1", "m2"):
            yield PlannedManifest(
                name=f"manifest-{merchant}-{number}",
                merchant=merchant,
                look_after_s=random.uniform(1.0, 4.0),
                handed_over_after_s=random.uniform(0.0, 8.0),
                one_is_cancelled=number == 0,
            )


def _orders(random: Random, orders: int) -> Iterator[PlannedOrder]:
    """Some come of carts, of which some are of two merchants, and make an order at each."""
    number = 0
    while number < orders:
        number += 1
        order = _order(random, number)
        if random.random() >= CART_RATE:
            yield order
            continue
        fates: tuple[CartFate, ...] = ("pressed", "pressed_twice", "left", "abandoned")
        fate = random.choices(fates, (5, 3, 3, 1))[0]
        cart = PlannedCart(cart_id=f"c{number}", merchant=order.merchant, fate=fate)
        if number == orders or random.random() >= OF_TWO_MERCHANTS_RATE:
            yield _of_cart(order, cart)
            continue
        number += 1
        other = {"at_s": order.at_s, "merchant": "m2" if order.merchant == "m1" else "m1"}
        for each in (order, _order(random, number).model_copy(update=other)):
            yield _of_cart(each.model_copy(update={"parts": (each.total_cents,)}), cart)


def _of_cart(order: PlannedOrder, cart: PlannedCart) -> PlannedOrder:
    """Its name follows from the cart's."""
    order_id = order_number(checkout_id_of(cart.merchant, cart.cart_id), order.merchant)
    return order.model_copy(update={"order_id": order_id, "cart": cart, "twice": False})


def _goods(random: Random, orders: int) -> Iterator[PlannedGoods]:
    """Of half of the products orders may wait for more; of each something is bought, moved and counted."""
    end_s = orders * ARRIVAL_SECONDS
    for merchant in ("m1", "m2"):
        for sku in range(1, SKUS + 1):
            of = {"merchant": merchant, "sku": f"sku{sku}"}
            if sku % 2:
                yield PlannedGoods(name=f"wait-{merchant}-{sku}", kind="backorders", at_s=0.0, **of)
            for kind in GOODS:
                yield PlannedGoods(
                    name=f"{kind}-{merchant}-{sku}",
                    kind=kind,
                    at_s=random.uniform(0.0, end_s),
                    quantity=random.randint(2, 6),
                    odd=random.choice((0, 1, 2)),
                    **of,
                )


def _deliveries(random: Random, orders: int) -> list[PlannedDelivery]:
    each = max(1, round(orders * UNITS_AN_ORDER / (2 * SKUS * DELIVERIES / 3)))
    end_s = orders * ARRIVAL_SECONDS
    return [
        PlannedDelivery(
            reference=f"{merchant}-{sku}-{number}",
            merchant=merchant,
            at_s=0.0 if number == 0 else random.uniform(0.0, end_s),
            sku=f"sku{sku}",
            quantity=each,
            warehouse="north" if merchant == BY_RULES and number % 2 else "main",
        )
        for merchant in ("m1", "m2")
        for sku in range(1, SKUS + 1)
        for number in range(DELIVERIES)
    ]


def _order(random: Random, number: int) -> PlannedOrder:
    chosen = random.sample(range(1, SKUS + 1), random.choice((1, 1, 1, 2, 3)))
    lines = tuple(
        PlannedLine(
            sku=f"sku{sku}",
            quantity=random.choice((1, 1, 2, 3)),
            unit_price_cents=random.randrange(100, 9_000),
        )
        for sku in sorted(chosen)
    )
    total = sum(line.quantity * line.unit_price_cents for line in lines)
    payment_fates: tuple[PaymentFate, ...] = ("at_once", "late", "late_declined", "never", "declined")
    parcel_fates: tuple[ParcelFate, ...] = ("delivered", "told", "returned", "exception", "never")
    parcel_fate = random.choices(parcel_fates, (8, 4, 3, 2, 1))[0]
    payment_fate = random.choices(payment_fates, (10, 3, 1, 1, 1))[0]
    bank = _bank(random, payment_fate)
    edit = _edit(random, lines) if random.random() < EDIT_RATE else None
    if edit and parcel_fate == "delivered":
        parcel_fate = "told"  # else it is gone before anybody wants something else
    return PlannedOrder(
        order_id=f"o{number}",
        merchant=random.choice(("m1", "m1", "m2")),
        at_s=number * ARRIVAL_SECONDS * random.uniform(0.5, 1.5),
        lines=lines,
        parts=_parts(random, total),
        payment_fate=payment_fate,
        parcel_fate=parcel_fate,
        told_after_s=random.uniform(0.0, 8.0 if bank == "quiet" else 4.0),
        cancel_after_s=random.uniform(0.0, 30.0) if random.random() < 0.2 else None,
        twice=random.random() < 0.1,
        valid_s=random.choices(VALID_SECONDS, VALID_WEIGHTS)[0],
        refusal=_refusal(random, parcel_fate),
        early=random.random() < 0.1,
        prepare_after_s=random.uniform(0.0, 8.0) if random.random() < 0.2 else None,
        looked_into_after_s=random.uniform(0.0, 4.0) if number % LOOKED_INTO_EVERY == 0 else None,
        bank=bank,
        cut_after_s=random.uniform(0.0, 12.0) if random.random() < CUT_RATE else None,
        edit=edit,
        picked_after_s=random.uniform(1.0, 3.0) if random.random() < PICK_RATE else None,
    )


def _bank(random: Random, fate: PaymentFate) -> Bank:
    """It has something to say of what it may let go."""
    if fate not in ("at_once", "late"):
        return "quiet"
    banks: tuple[Bank, ...] = (
        "quiet",
        "asks",
        "asks_in_vain",
        "lapses",
        "disputes_won",
        "disputes_lost",
    )
    return random.choices(banks, (40, 3, 2, 2, 3, 3))[0]


def _edit(random: Random, lines: tuple[PlannedLine, ...]) -> PlannedEdit:
    kind = random.choice(EDITS)
    another = PlannedLine(sku=f"sku{random.randint(1, SKUS)}", quantity=1, unit_price_cents=4_900)
    fates: tuple[Literal["confirmed", "declined", "left"], ...] = ("confirmed", "declined", "left")
    paid: tuple[EditPaid, ...] = ("at_once", "declined", "late", "never")
    return PlannedEdit(
        after_s=random.uniform(0.8, 2.0),
        fate=random.choices(fates, (6, 1, 1))[0],
        paid=random.choices(paid, (6, 1, 3, 1))[0],
        more={"more": 1, "fewer": -1 if lines[0].quantity > 1 else 1}.get(kind, 0),
        shipping_cents=190 if kind == "dearer" else 0,
        line=another if kind == "another" else None,
    )


def _refusal(random: Random, fate: ParcelFate) -> PlannedRefusal | None:
    if random.random() > REFUSAL_RATE:
        return None
    change: Change = "refunds" if fate == "returned" else random.choice(("captures", "void", "void"))
    return PlannedRefusal(change=change, times=random.choice((1, 1, 2, ALWAYS)))


def _parts(random: Random, total: int) -> tuple[int, ...]:
    """How it is paid: by one payment, or by two."""
    if random.random() < 0.75:
        return (total,)
    first = random.randrange(1, total)
    return (first, total - first)
