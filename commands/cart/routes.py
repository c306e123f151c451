"""What may be asked of a cart from outside: to be filled, looked at, completed.

Most routes are there twice: for who is signed in or has a key (`/v1/carts`), and for guests
(`/v1/storefront/carts`), whom the cart's secret token lets in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from commands.cart import body as bodies
from commands.cart.checkout import buyers, check_fit, contact_of, finish, give_method, known_contact
from commands.cart.door import (
    PERMISSION,
    Shopper,
    WantedLooker,
    WantedShopper,
    digest_of,
    guest,
    guests_cart,
    token_of,
)
from commands.cart.offers import charges_of, for_sale, sold, storefronts
from commands.cart.view import (
    CartView,
    OrderOfCart,
    Status,
    as_told,
    changes_in,
    offered,
    offered_now,
    orders_of,
    view,
)
from commands.executor import Context, Done, Executor
from commands.fields import Id
from commands.http import PROBLEMS, CommandRoute, Positioned, answers
from commands.names import Named, Source
from commands.payment_method import check_stored
from commands.personal import sealed
from domain.cart.cart import Cart, lines_after
from domain.cart.commands import (
    AddItem,
    AssignCart,
    CartCommand,
    ChangeItemQuantity,
    ChooseShipping,
    ClaimCheckout,
    MergeCart,
    SetContact,
    StartCheckout,
)
from domain.cart.orders import checkout_id_of, merchants_of
from domain.kernel import Group, Target, one
from domain.streams import cart_stream, stock_stream
from eventstore.seams import derived_id
from services.web.access import forbidden, public, requires
from services.web.positions import POSITION_HEADER
from services.web.problems import Problem, conflict, problem_responses

CartId = Annotated[Id, Path(description="the cart", examples=["0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11"])]
LineInPath = Annotated[int, Path(ge=1, le=10**6, description="the line's number", examples=[1])]


async def tell_cart(executor: Executor, command: CartCommand, context: Context, answer: bytes = b"") -> Done:
    """Carry out a command on its cart."""
    stream = cart_stream(context.merchant, command.cart_id)
    return await executor.execute(one(stream, command), context, answer)


class CartAnswer(Positioned):
    """The cart that it was about."""

    cart_id: str = Field(examples=["0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11"])


class CartStartedAnswer(CartAnswer):
    """The cart, and for a guest's the secret that opens it: it is shown here alone."""

    token: str | None = Field(None, examples=["Zm9yIHlvdXIgZXllcyBvbmx5"])


class CartMethodAnswer(CartAnswer):
    """How a payment of the cart names it."""

    method: str = Field(examples=["stored:0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11"])


class CompletedAnswer(CartAnswer):
    """The orders that came of the cart, one a merchant: the same however often it is asked for."""

    status: Status
    checkout_id: str = Field(examples=["cart~0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11~m1"])
    total_cents: int = Field(description="minor units of `currency`", examples=[9980])
    currency: str = Field(examples=["BRL"])
    orders: list[OrderOfCart]


async def _tell(shopper: Shopper, command: CartCommand, **answer: Any) -> Response:
    correlation = checkout_id_of(shopper.call.merchant, command.cart_id)
    shown = {"cart_id": command.cart_id, **answer}
    return await shopper.call.carry_out(tell_cart, command, shown, correlation=correlation)


async def _start(shopper: WantedShopper, body: bodies.StartCartBody) -> Response:
    """The cart is the customer's who asks, or whom a shop's program names; else a guest's, which the token
    opens. It is abandoned, and expires, when nobody touches it for as long as the storefront's settings say.
    """
    await shopper.check_let_in()
    if shopper.is_guest:
        # all guests are one sender: none must be given what another one's key was answered with
        call = replace(shopper.call, command_id=shopper.call.parts.ids.new(), fingerprint=b"", digest=b"")
        shopper = replace(shopper, call=call)
    call = shopper.call
    if shopper.is_guest and body.customer:
        raise forbidden(PERMISSION, call.merchant)
    cart_id = str(derived_id(call.command_id, "cart"))
    subject = shopper.subject(call.merchant, body.customer) if body.customer else call.own
    token = "" if subject else token_of(call.parts.keyring, call.merchant, cart_id)
    settings = await storefronts(call.parts.executor.states, [call.merchant])
    command = StartCheckout(
        cart_id=cart_id,
        merchant=call.merchant,
        channel=body.channel or settings[call.merchant].channel,
        currency=body.currency,
        subject=subject,
        token_digest=digest_of(token) if token else "",
        terms=settings[call.merchant].terms,
    )
    location = {"Location": f"/v1/carts/{quote(cart_id, safe='')}"}
    started = await call.carry_out(
        tell_cart,
        command,
        {"cart_id": cart_id},
        status=201,
        correlation=checkout_id_of(call.merchant, cart_id),
        headers=location,
    )
    # the secret is told, and stands neither in the log nor in the ledger
    shown = {**orjson.loads(started.body), "token": token or None}
    return Response(orjson.dumps(shown), 201, _headers_of(started), "application/json")


def _headers_of(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name != "content-length"}


async def _look(shopper: WantedLooker, cart_id: CartId, response: Response) -> CartView:
    """From the cart's own stream: who changed it sees that at once."""
    cart = await shopper.cart(cart_id)
    parts = shopper.call.parts
    response.headers[POSITION_HEADER] = parts.identity.token(await parts.log.head())
    return await view(shopper, cart, cart_id)


async def _add_item(shopper: WantedShopper, cart_id: CartId, body: bodies.ItemBody) -> Response:
    """At the merchant's price of now. More of what is in the cart adds to its line, at that price."""
    cart = await shopper.cart(cart_id)
    call, merchant = shopper.call, body.merchant or shopper.call.merchant
    await shopper.merchants([merchant])
    if body.unit_price_cents is not None and not shopper.trusted:
        raise forbidden(f"{PERMISSION} with prices", merchant)
    states, now = call.parts.executor.states, call.parts.clock.now()
    (product,) = await sold(states, [(merchant, body.sku)], cart.channel, cart.currency, now)
    price = product.unit_price_cents if body.unit_price_cents is None else body.unit_price_cents
    if not product.on_sale:
        raise conflict(
            "product_on_sale", f"{body.sku} is not for sale on channel {cart.channel} at merchant {merchant}"
        )
    if price is None:
        raise conflict(
            "price_known",
            f"{body.sku} has no price in {cart.currency} on channel {cart.channel} at merchant {merchant}:"
            " set one, or have the shop's program say it",
        )
    command = AddItem(
        cart_id=cart_id,
        merchant=merchant,
        sku=body.sku,
        name=body.name or product.name,
        category=body.category or product.category,
        quantity=body.quantity,
        unit_price_cents=price,
        warehouse=body.warehouse,
        priced_by="settings" if body.unit_price_cents is None else "caller",
    )
    return await _tell(shopper, await _as_shown(shopper, cart, command))


async def _change_quantity(
    shopper: WantedShopper, cart_id: CartId, line: LineInPath, body: bodies.QuantityBody
) -> Response:
    """The price stays that at which it was put in."""
    cart = await shopper.cart(cart_id)
    command = ChangeItemQuantity(cart_id=cart_id, line=line, quantity=body.quantity)
    return await _tell(shopper, await _as_shown(shopper, cart, command))


_Put = TypeVar("_Put", AddItem, ChangeItemQuantity)


async def _as_shown(shopper: Shopper, cart: Cart, command: _Put) -> _Put:
    """With how many units of its line will wait, as the cart's page shows it next."""
    lines, number = lines_after(command, cart)
    if not number:
        return command
    product = next((line.merchant, line.sku) for line in lines if line.line == number)
    alike = [line for line in lines if (line.merchant, line.sku) == product]  # no others share its stock
    contact = await contact_of(shopper.call, cart)
    states, now = shopper.call.parts.executor.states, shopper.call.parts.clock.now()
    zip_prefix = contact.zip_prefix if contact else ""
    units = await for_sale(states, alike, cart.ship_to_state, now, zip_prefix)
    return command.model_copy(update={"waits": units[number].waits})


async def _set_contact(shopper: WantedShopper, cart_id: CartId, body: bodies.ContactBody) -> Response:
    """Who buys. A guest is known by the e-mail address: with it, and the order's number, the order is found
    again.
    """
    await shopper.cart(cart_id)
    call = shopper.call
    if shopper.is_guest and (body.customer_id or body.customer_unique_id):
        raise forbidden(f"{PERMISSION} of somebody else", call.merchant)
    contact = body.to_domain()
    subject = shopper.subject(call.merchant, contact.customer_unique_id)
    kept = await sealed(call.parts.keyring, call.parts.ids, subject, contact)
    command = SetContact(cart_id=cart_id, subject=subject, contact=kept, ship_to_state=body.ship_to_state)
    return await _tell(shopper, command)


async def _choose_shipping(shopper: WantedShopper, cart_id: CartId, body: bodies.ShippingBody) -> Response:
    """For all that is in the cart, at its merchants' own prices (`PUT /v1/storefront`)."""
    cart = await shopper.cart(cart_id)
    if body.charges is not None:
        if not shopper.trusted:
            raise forbidden(f"{PERMISSION} with prices", shopper.call.merchant)
        command = ChooseShipping(cart_id=cart_id, method=body.method, charges=body.to_domain())
        return await _tell(shopper, command)
    states = shopper.call.parts.executor.states
    charges = await charges_of(states, cart.lines, body.method, cart.currency)
    missing = set(merchants_of(cart.lines)) - {each.merchant for each in charges}
    if missing:
        sellers = ", ".join(sorted(missing))
        detail = f"merchant {sellers} has no price in {cart.currency} for shipping by {body.method}"
        raise conflict("shipping_method_known", detail)
    return await _tell(
        shopper, ChooseShipping(cart_id=cart_id, method=body.method, charges=charges, priced_by="settings")
    )


async def _assign(shopper: WantedShopper, cart_id: CartId, body: bodies.AssignBody) -> Response:
    """A guest signed in: the cart goes with them, and its token opens it no more. The contact is said anew,
    as that of the guest was another person's.
    """
    call = shopper.call
    person = shopper.subject(call.merchant, body.customer) if body.customer else call.own
    if not person:
        raise conflict("customer_named", "say whose the cart is to be: `customer`")
    (found,) = await call.parts.executor.states.load([cart_stream(call.merchant, cart_id)])
    if found.state.subject != person or found.state.status == "none":
        await guests_cart(call, cart_id, body.token)
    return await _tell(shopper, AssignCart(cart_id=cart_id, subject=person))


async def _merge(shopper: WantedShopper, cart_id: CartId, body: bodies.TokenBody) -> Response:
    """A guest signed in, and has a cart already: the lines of the guest's go into it, all or none, and the
    guest's is over. Equal products become one line.
    """
    call = shopper.call
    await shopper.cart(cart_id)

    async def merge(executor: Executor, command: MergeCart, context: Context, answer: bytes) -> Done:
        source = await guests_cart(call, command.cart_id, body.token)
        if source.status == "merged":  # then the ledger knows whether it was by this command
            return await tell_cart(executor, command, context, answer)
        into = cart_stream(context.merchant, cart_id)
        adds = [
            Target(into, AddItem(cart_id=cart_id, **{n: v for n, v in _fields(line) if n != "line"}))
            for line in source.lines
        ]
        merged = command.model_copy(update={"activity": source.activity})
        end = Target(cart_stream(context.merchant, command.cart_id), merged)
        return await executor.execute(Group((*adds, end)), context, answer)

    command = MergeCart(cart_id=body.cart_id, into=cart_id, activity=0)
    correlation = checkout_id_of(call.merchant, cart_id)
    return await call.carry_out(merge, command, {"cart_id": cart_id}, correlation=correlation)


def _fields(line: Any) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(line, name)) for name in line.__dataclass_fields__)


async def _give_method(shopper: WantedShopper, cart_id: CartId, body: bodies.CartMethodBody) -> Response:
    """The provider's token for the card that the buyer has entered, never the card: sealed under the key of
    who buys, for each merchant in the cart. `complete` charges it as the `method` of the answer; where the
    bank wants the buyer to act, the order's payment says where (`action_url`).
    """
    cart = await shopper.cart(cart_id)
    merchants = await shopper.merchants(merchants_of(cart.lines))
    contact = await known_contact(shopper.call, cart)
    subjects = {
        merchant: shopper.subject(merchant, contact.customer_unique_id)
        for merchant in (*merchants, shopper.call.merchant)
    }
    return await give_method(shopper.call, cart_id, body.to_domain(), subjects)


async def _complete(shopper: WantedShopper, cart_id: CartId, body: bodies.CompleteBody) -> Response:
    """Place the cart's orders, one a merchant. Pressed twice, sent again, or broken off in the middle: there
    is one order a merchant, and each answer tells of the same.

    What is not any more as the buyer saw it (a price, units, more of them that wait, the total) is told
    before it costs anything: 409 `as_seen` with `changes`, old and new, and `accept` to take them with. Units
    that waited for goods to come when they were put in are no change: the lines say how many will (`waits`).
    Nothing is held by a cart: stock is reserved for its orders, by the rules of merchants that have some.
    """
    call = shopper.call
    cart = await shopper.cart(cart_id)
    merchants = await shopper.merchants(merchants_of(cart.lines))
    contact = await known_contact(call, cart)
    if body.on_account and not shopper.trusted:
        raise forbidden(f"{PERMISSION} on account", call.merchant)
    person = contact.customer_unique_id
    subjects = {merchant: shopper.subject(merchant, person) for merchant in merchants}
    # who presses again is told of the same orders, whatever became of the card since
    for merchant, subject in subjects.items() if cart.status == "open" else ():
        await check_stored(call, (each.method for each in body.payments), subject, merchant)
    offers, charges = await offered(shopper, cart, contact.zip_prefix)
    buying = await buyers(call, contact, subjects, merchants)
    check_fit(cart.lines, buying)
    command = ClaimCheckout(
        cart_id=cart_id,
        now=call.parts.clock.now(),
        seen_total_cents=body.total_cents,
        accept=body.accept,
        offers=offers,
        charges=charges,
        buyers=buying,
        payments=tuple(each.to_domain(place) for place, each in enumerate(body.payments, 1)),
        on_account=body.on_account,
    )
    try:
        await _tell(shopper, command)
    except Problem as problem:
        if problem.members.get("rule") == "as_seen":
            cart = await shopper.cart(cart_id)
            now = await offered_now(shopper, cart, contact.zip_prefix)
            problem.members.update(as_told(changes_in(shopper, cart, cart_id, body.total_cents, now)))
        raise
    return await _completed(shopper, cart_id)


async def _completed(shopper: Shopper, cart_id: str) -> Response:
    cart, position = await finish(shopper.call, cart_id)
    if cart.status != "completed":
        detail = "the checkout was given up meanwhile, and nothing was ordered by it: press again"
        raise conflict("claim_current", detail)
    token = shopper.call.parts.identity.token(position)
    orders = orders_of(cart)
    shown = {
        "cart_id": cart_id,
        "status": cart.status,
        "checkout_id": checkout_id_of(cart.merchant, cart_id),
        "total_cents": sum(order["total_cents"] for order in orders),
        "currency": cart.currency,
        "orders": orders,
        "position": token,
    }
    return Response(orjson.dumps(shown), 200, {POSITION_HEADER: token}, "application/json")


SIGNED_IN = APIRouter(prefix="/v1/carts", tags=["carts"], route_class=CommandRoute, responses=PROBLEMS)
GUESTS = APIRouter(
    prefix="/v1/storefront/carts",
    tags=["storefront"],
    route_class=CommandRoute,
    responses={**PROBLEMS, **problem_responses(403)},
)
_WHY = "who is not signed in may shop, where the merchant lets guests in; the cart's token opens it"


def _route(
    method: str,
    path: str,
    endpoint: Callable[..., Any],
    model: type[BaseModel],
    name: str,
    summary: str,
    described: Mapping[int | str, dict[str, Any]],
    *,
    for_guests: bool = True,
) -> None:
    """Let in who may write carts, and, by the same handler, guests."""
    (status,) = described
    doors = [(SIGNED_IN, name, [requires(PERMISSION)])]
    if for_guests:
        doors.append((GUESTS, f"{name}_as_guest", [public(_WHY), Depends(guest)]))
    for router, operation_id, rules in doors:
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            operation_id=operation_id,
            dependencies=rules,
            summary=summary if router is SIGNED_IN else f"{summary}, as a guest",
            status_code=int(status),
            response_model=model,
            responses=dict(described),
        )


_route(
    "POST",
    "",
    _start,
    CartStartedAnswer,
    "start_cart",
    "Start a cart",
    answers(201, "The cart is there", Location="its path"),
)
_LOOKED = answers(200, "The cart as it is now")
_route("GET", "/{cart_id}", _look, CartView, "get_cart", "A cart with all that is in it", _LOOKED)
_CHANGED = answers(200, "The cart is so")
_route("POST", "/{cart_id}/items", _add_item, CartAnswer, "add_cart_item", "Put something in", _CHANGED)
_route(
    "PUT",
    "/{cart_id}/items/{line}",
    _change_quantity,
    CartAnswer,
    "change_cart_quantity",
    "Change how many, or take it out",
    _CHANGED,
)
_route("PUT", "/{cart_id}/contact", _set_contact, CartAnswer, "set_cart_contact", "Say who buys", _CHANGED)
_route(
    "PUT",
    "/{cart_id}/shipping",
    _choose_shipping,
    CartAnswer,
    "choose_cart_shipping",
    "Choose how it is shipped",
    _CHANGED,
)
_route(
    "POST",
    "/{cart_id}/payment-methods",
    _give_method,
    CartMethodAnswer,
    "give_cart_payment_method",
    "Give a card to pay with",
    answers(201, "It is known, now or before"),
)
_route(
    "POST",
    "/{cart_id}/complete",
    _complete,
    CompletedAnswer,
    "complete_cart",
    "Place the orders of a cart",
    answers(200, "The orders are placed, now or before"),
)
_route(
    "POST",
    "/{cart_id}/assign",
    _assign,
    CartAnswer,
    "assign_cart",
    "Take a guest's cart as one's own",
    answers(200, "The cart is theirs, now or before"),
    for_guests=False,
)
_route(
    "POST",
    "/{cart_id}/merge",
    _merge,
    CartAnswer,
    "merge_cart",
    "Take the lines of a guest's cart",
    answers(200, "The guest's lines are in this cart"),
    for_guests=False,
)

BOTH_DOORS = (SIGNED_IN, GUESTS)


def _stock_of(_: str, item: AddItem) -> Iterator[Named]:
    """The stock that its order will be reserved in."""
    parts: Mapping[Source, str] = {("body", "sku"): item.sku, ("body", "warehouse"): item.warehouse}
    yield stock_stream(item.merchant, item.sku, item.warehouse), parts


RESERVED_IN = ((AddItem, _stock_of),)
