"""Bugs in carts, change sets, parcels and money, planted one at a time: each breaks a promise that
`services/simulation/commerce.py`, or an invariant beside it, holds the events to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domain.carrier import shipment
from domain.cart import cart, orders
from domain.cart.commands import CartCommands, ClaimCheckout
from domain.cart.events import CartEvents
from domain.payment import facts
from services.agents import carrier as carrier_agent
from services.agents import cart as cart_agent
from services.agents import payment as payment_agent
from services.simulation.system import Parts
from tests.simulation.planting import Mutant, changed

_ASKED_BACK = "unwanted and not shipment.dispatched"


@contextmanager
def _claimed_anew() -> Iterator[None]:
    """Whoever presses claims the cart for himself."""
    real = cart.CART.decide

    def decide(command: CartCommands, state: cart.Cart) -> tuple[CartEvents, ...]:
        pressed = isinstance(command, ClaimCheckout) and state.status == "completing"
        return cart._claimed(command, state) if pressed else real(command, state)

    object.__setattr__(cart.CART, "decide", decide)
    try:
        yield
    finally:
        object.__setattr__(cart.CART, "decide", real)


COMMERCE_MUTANTS = (
    Mutant(
        "what is held is sent",
        Parts(),
        planted=changed(carrier_agent, "_new", "process.held or not process.confirmed", "False"),
    ),
    Mutant(
        "a label that was asked back goes with its manifest",
        Parts(),
        "all,staff=1",
        planted=changed(shipment, "_hand_over", _ASKED_BACK, "False"),
    ),
    Mutant(
        "a parcel stands in two manifests",
        Parts(),
        planted=changed(shipment, "_put_on_manifest", "if shipment.manifest_id:", "if False:"),
    ),
    Mutant("each press of the button claims the cart", Parts(), planted=_claimed_anew),
    Mutant(
        "an order of another claim is another order",
        Parts(),
        planted=changed(
            orders.Planning,
            "_order",
            "order_number(self.checkout_id, merchant)",
            'order_number(f"{self.checkout_id}{self.claim}", merchant)',
        ),
    ),
    Mutant(
        "a claim that nobody finishes is waited for",
        Parts(),
        planted=changed(cart_agent, "_reached", "if claim:", "if False:"),
    ),
    Mutant(
        "nobody tells a cart of its orders",
        Parts(),
        planted=changed(cart_agent, "_placed", "if cart is None:", "if True:"),
    ),
    Mutant(
        "a change set that came to nothing keeps its money",
        Parts(),
        planted=changed(payment_agent, "_drop", "_reverse(fact, *gone)", "()"),
        orders=80,  # it must come to nothing after its money was authorised
    ),
    Mutant(
        "who pays less is charged as before",
        Parts(),
        planted=changed(
            payment_agent,
            "_due",
            '{"amount_cents": due[each.payment_id].amount_cents}',
            "{}",
        ),
    ),
    Mutant(
        "a dispute that is won is not",
        Parts(),
        planted=changed(
            facts,
            "_is_news",
            'return _dispute_rank(payment, reference) < DISPUTE_RANK["won"]',
            "return False",
        ),
        orders=40,
    ),
    Mutant(
        "what a part capture leaves is let go as a whole",
        Parts(),
        planted=changed(
            facts,
            "record",
            "PaymentVoided(**ids, amount_cents=max(0, known.open_cents), happened_at",
            "PaymentVoided(**ids, amount_cents=known.authorized_cents or 0, happened_at",
        ),
    ),
)
