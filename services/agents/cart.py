"""The cart agent: tells which carts nobody touches any more, and has what was claimed come to an end."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.cart.commands import (
    AbandonCart,
    CartCommand,
    ExpireCart,
    RecordCheckoutOrder,
    ReleaseCheckout,
    RequestCheckoutOrders,
)
from domain.cart.events import (
    TOUCHES,
    CartExpired,
    CartMerged,
    CartTerms,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutReleased,
    CheckoutStarted,
)
from domain.cart.orders import cart_of_checkout
from domain.deadline import DeadlineReached
from domain.kernel import Deadline, Fact, Reaction, Value, one
from domain.order import OrderPlaced
from domain.streams import cart_stream
from services.agents.agent import Agent, order_key

ABANDON, EXPIRE, CLAIM, RELEASE = "abandon", "expire", "claim", "release"


class CartProcess(Value):
    """`activity` counts what the shopper did, as the cart itself does; `claim` is the last one."""

    cart_id: str = ""
    terms: CartTerms = CartTerms()
    activity: int = 0
    claim: int = 0


def _deadlines(fact: Fact, **due: datetime | None) -> tuple[Deadline, ...]:
    return tuple(Deadline(order_key(fact), name, at) for name, at in due.items())


def _waiting(process: CartProcess, fact: Fact) -> tuple[Deadline, ...]:
    """The cart waits for its shopper from now on."""
    since, terms = fact.occurred_at, process.terms
    return _deadlines(
        fact,
        abandon=since + timedelta(seconds=terms.abandon_after_s),
        expire=since + timedelta(seconds=terms.expire_after_s),
    )


def _touched(process: CartProcess, fact: Fact) -> Reaction[CartProcess]:
    match fact.event:
        case CheckoutStarted(cart_id=cart_id, terms=terms):
            process = CartProcess(cart_id=cart_id, terms=terms)
    process = process.model_copy(update={"activity": process.activity + 1})
    if isinstance(fact.event, CartMerged):
        return Reaction(process, (), _over(fact))
    return Reaction(process, (), _waiting(process, fact))


def _over(fact: Fact) -> tuple[Deadline, ...]:
    return _deadlines(fact, abandon=None, expire=None, claim=None, release=None)


def _reached(process: CartProcess, event: DeadlineReached, fact: Fact) -> Reaction[CartProcess]:
    cart_id, claim, activity = process.cart_id, process.claim, process.activity
    commands: dict[str, CartCommand] = {
        ABANDON: AbandonCart(cart_id=cart_id, activity=activity),
        EXPIRE: ExpireCart(cart_id=cart_id, activity=activity),
    }
    if claim:
        commands[CLAIM] = RequestCheckoutOrders(cart_id=cart_id, claim=claim)
        commands[RELEASE] = ReleaseCheckout(cart_id=cart_id, claim=claim, reason="unfinished")
    if event.name not in commands:
        return Reaction(process)
    # what is requested has as long again to be placed, however late that is
    again = max(event.due_at, fact.occurred_at) + timedelta(seconds=process.terms.claim_valid_s)
    deadlines = _deadlines(fact, release=again) if event.name == CLAIM else ()
    return Reaction(process, (one(event.key, commands[event.name]),), deadlines)


def _placed(process: CartProcess, event: OrderPlaced, fact: Fact) -> Reaction[CartProcess]:
    """An order is there: if it came of a cart, that is told, whoever placed it."""
    cart = cart_of_checkout(event.checkout_id)
    if cart is None:
        return Reaction(process)
    merchant, cart_id = cart
    record = RecordCheckoutOrder(
        cart_id=cart_id, merchant=fact.merchant, order_id=event.order_id, total_cents=event.total_cents
    )
    return Reaction(process, (one(cart_stream(merchant, cart_id), record),))


def react(process: CartProcess, fact: Fact) -> Reaction[CartProcess]:
    match fact.event:
        case OrderPlaced() as event:
            return _placed(process, event, fact)
        case event if isinstance(event, TOUCHES):
            return _touched(process, fact)
        case _ if not process.cart_id:
            return Reaction(process)
        case DeadlineReached() as event:
            return _reached(process, event, fact)
        case CheckoutClaimed(claim=claim, expires_at=expires_at):
            process = process.model_copy(update={"claim": claim})
            return Reaction(process, (), _deadlines(fact, abandon=None, expire=None, claim=expires_at))
        case CheckoutReleased():
            return Reaction(
                process, (), (*_deadlines(fact, claim=None, release=None), *_waiting(process, fact))
            )
        case CheckoutCompleted() | CartExpired():
            return Reaction(process, (), _over(fact))
    return Reaction(process)


CART_AGENT = Agent(
    name="cart",
    context="cart",
    initial=CartProcess(),
    interests=(
        *TOUCHES,
        CheckoutClaimed,
        CheckoutReleased,
        CheckoutCompleted,
        CartExpired,
        OrderPlaced,
        DeadlineReached,
    ),
    react=react,
    rule_version=2,
    keyed_by=("cart",),
)

AGENTS = (CART_AGENT,)
