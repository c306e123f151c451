"""How do orders come of a cart, each once, whatever dies on the way?

1. The cart is claimed, in one append with what its orders are to be, whole.
2. Each order is placed. That of the cart's own merchant goes into the log in one append with the cart's word
   that it is there; another merchant's is placed first, and recorded then.
3. With the last one the checkout is complete.

Ids of orders are made of the cart's, those of the commands of the claim's. So whoever comes by may do 2
again: the same shopper who presses twice, or the agents once the claim is past its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fastapi import Response

from commands.cart.offers import networks_of
from commands.executor import Context, Done
from commands.http import Call, refusal
from commands.order.call import placing_of
from commands.payment_method import ask_method
from commands.personal import sealed
from domain.cart.cart import Cart
from domain.cart.commands import Buyer, RecordCheckoutOrder, ReleaseCheckout
from domain.cart.events import CheckoutOrderPlanned, Contact
from domain.cart.orders import CartLine, checkout_id_of, place_order_of
from domain.kernel import Group, Target, one
from domain.merchant import Merchant
from domain.payment.method import STORED, MethodToken, StorePaymentMethod
from domain.personal import Sealed
from domain.streams import cart_stream, order_stream, payment_method_stream, stock_stream
from eventstore.log import MAX_NAME_CHARACTERS
from eventstore.seams import derived_id, key_id
from services.web.problems import conflict


async def contact_of(call: Call, cart: Cart) -> Contact | None:
    """In the clear, for who may see the cart; None if nobody said, or the person was erased."""
    if not isinstance(cart.contact, Sealed):
        return None
    keyring = call.parts.keyring
    await keyring.load({cart.contact_subject})
    opened = keyring.open(cart.contact_subject, cart.contact, Contact)
    return opened if isinstance(opened, Contact) else None


async def known_contact(call: Call, cart: Cart) -> Contact:
    """A 409 problem where nobody has said who buys, or the person was erased."""
    contact = await contact_of(call, cart)
    if contact is None and cart.contact:
        raise conflict("customer_not_erased", "the person of this cart was erased; set the contact anew")
    if contact is None:
        raise conflict("contact_known", "set the cart's contact first")
    return contact


async def give_method(call: Call, cart_id: str, token: MethodToken, subjects: Mapping[str, str]) -> Response:
    """Keep it for the person, as each of the merchants knows them: the request's own is the last."""
    keyring, ids = call.parts.keyring, call.parts.ids
    method_id, checkout_id = (
        str(derived_id(call.command_id, "method")),
        checkout_id_of(call.merchant, cart_id),
    )
    for merchant in sorted(subjects, key=lambda each: each == call.merchant):
        subject = subjects[merchant]
        kept = await sealed(keyring, ids, subject, token)
        command = StorePaymentMethod(method_id=method_id, subject=subject, token=kept)
        if merchant != call.merchant:
            await call.parts.executor.execute(
                one(payment_method_stream(merchant, method_id), command),
                replace(
                    call.context(checkout_id),
                    merchant=merchant,
                    command_id=derived_id(call.command_id, "method", merchant),
                ),
            )
    answer = {"cart_id": cart_id, "method": f"{STORED}{method_id}"}
    return await call.carry_out(ask_method, command, answer, status=201, correlation=checkout_id)


async def buyers(
    call: Call, contact: Contact, subjects: Mapping[str, str], merchants: Mapping[str, Merchant]
) -> tuple[Buyer, ...]:
    """The person, sealed for each merchant, with its rules for where they live; a 409 problem for one who was
    erased. Only here the zip prefix is in the clear."""
    keyring, ids, now = call.parts.keyring, call.parts.ids, call.parts.clock.now()
    networks = await networks_of(call.parts.executor.states, merchants)
    return tuple(
        [
            Buyer(
                merchant=merchant,
                subject=subjects[merchant],
                customer=await sealed(keyring, ids, subjects[merchant], contact.customer()),
                terms=settings.terms,
                allocation=networks[merchant].terms_at(now, contact.zip_prefix),
            )
            for merchant, settings in merchants.items()
        ]
    )


def check_fit(lines: Iterable[CartLine], buyers: Iterable[Buyer]) -> None:
    """A 409 problem for a product whose name is too long beside that of a warehouse that rules may choose."""
    allocations = {each.merchant: each.allocation for each in buyers}
    for line in lines:
        terms = allocations[line.merchant]
        for site in terms.sites if terms else ():
            if len(stock_stream(line.merchant, line.sku, site.warehouse)) > MAX_NAME_CHARACTERS:
                raise conflict(
                    "stock_name_fits",
                    f"the names of product {line.sku} and of warehouse {site.warehouse} are too long"
                    " together: take the line out",
                )


async def finish(call: Call, cart_id: str) -> tuple[Cart, int]:
    """Place what is not placed of a claimed cart; the cart after it, and a position that has all of it.

    Raises a 409 problem where an order is refused: then the claim is released, unless other orders stand.
    """
    stream = cart_stream(call.merchant, cart_id)
    (found,) = await call.parts.executor.states.load([stream])
    position = 0
    for order in found.state.unplaced:
        position = max(position, await _place(call, stream, order))
    (found,) = await call.parts.executor.states.load([stream])
    return found.state, position or await call.parts.log.head()  # else all was placed by an earlier click


async def _place(call: Call, stream: str, order: CheckoutOrderPlanned) -> int:
    place = Target(order_stream(order.merchant, order.order_id), place_order_of(order))
    if order.merchant == call.merchant:
        both = Group((Target(stream, _record(order, claimed=True)), place))
        done = await _carry_out(call, both, order, "place")
    else:
        done = await _carry_out(call, Group((place,)), order, "place", merchant=order.merchant)
    if done.refused is None and order.merchant == call.merchant:
        return done.position
    if done.refused and not await _is_ours(call, order):
        if done.refused.rule == "claim_current":
            return done.position  # somebody else finished or released it meanwhile: what they did stands
        released = ReleaseCheckout(cart_id=order.cart_id, claim=order.claim, reason="order_refused")
        await _carry_out(call, one(stream, released), order, "release")
        raise refusal(done.refused, call.parts.identity.token(done.position))
    return (await _carry_out(call, one(stream, _record(order)), order, "record")).position


def _record(order: CheckoutOrderPlanned, *, claimed: bool = False) -> RecordCheckoutOrder:
    return RecordCheckoutOrder(
        cart_id=order.cart_id,
        merchant=order.merchant,
        order_id=order.order_id,
        total_cents=order.total_cents,
        claim=order.claim if claimed else None,
    )


async def _is_ours(call: Call, order: CheckoutOrderPlanned) -> bool:
    """Whether the order that is there came of this cart, by whomever it was placed."""
    correlation, _ = await placing_of(call.parts.log, order_stream(order.merchant, order.order_id))
    return correlation == order.checkout_id


async def _carry_out(
    call: Call, group: Group, order: CheckoutOrderPlanned, what: str, merchant: str = ""
) -> Done:
    words = (call.merchant, order.cart_id, str(order.claim), order.merchant, what)
    context = Context(
        command_id=key_id("checkout", *words),
        merchant=merchant or call.merchant,
        actor=call.asked.principal.actor,
        correlation=order.checkout_id,
        causation=f"request:{call.command_id}",
        occurred_at=call.parts.clock.now(),
    )
    return await call.parts.executor.execute(group, context)
