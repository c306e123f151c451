"""Which call of Stripe's API does what to the payments of the world?"""

from collections.abc import Callable, Iterable
from typing import Any

from services.worlds.asgi import Answered, Handler, Request
from services.worlds.models import Refused
from services.worlds.payment_messages import (
    CaptureBody,
    ChangePayment,
    EvidenceBody,
    OpenPayment,
    RefundBody,
    VoidBody,
)
from services.worlds.payment_state import Movement, Payment, Payments
from services.worlds.stripe_forms import Form, body_of, made, page, query_of, searched, wrong
from services.worlds.stripe_objects import Object, charge, dispute, intent, listed, refund, seconds
from services.worlds.world import World

REPLAYED = ((b"idempotent-replayed", b"true"),)
_OPENING = (
    "amount", "currency", "capture_method", "confirm", "customer", "description", "metadata", "off_session",
    "payment_method", "payment_method_options", "payment_method_types", "return_url",
)  # fmt: skip
_LIST = ("limit", "starting_after")
Known = tuple[Payment, Movement]


def stripe_routes(world: World[Payments], api_key: str, control: Handler) -> Handler:
    async def handle(request: Request) -> Any:
        if request.segments[0] != "v1":
            return await control(request)
        if api_key and request.authorization != f"Bearer {api_key}":
            raise Refused(401, "", "this API key is not known here")
        if request.method == "POST":
            return await _change(world, request)
        if request.method == "GET":
            await world.settled()
            return _show(world.state, request)
        raise _no_route(request)

    return handle


async def _change(world: World[Payments], request: Request) -> Any:
    match request.segments[1:]:
        case ["payment_intents"]:
            return await _open(world, request)
        case ["payment_intents", reference, "capture"]:
            return await _capture(world, request, reference)
        case ["payment_intents", reference, "cancel"]:
            form = body_of(request, "cancellation_reason")
            payment = _of(world.state, reference)
            body = made(VoidBody, void_id=_key(request))
            return await _changed(world, payment, body, lambda after: intent(after, form.expand))
        case ["refunds"]:
            return await _refund(world, request)
        case ["disputes", dispute_id]:
            return await _evidence(world, request, dispute_id)
    raise _no_route(request)


def _show(state: Payments, request: Request) -> Any:
    match request.segments[1:]:
        case ["payment_intents"]:
            return _intents(state, query_of(request, *_LIST, "created"))
        case ["payment_intents", "search"]:
            form = query_of(request, "query", "limit")
            found = [state.payments[name] for name in state.named.get(searched(form), ())]
            shown = [intent(each, _inner(form)) for each in found[: form.whole("limit", 10)]]
            page_of = {"has_more": len(shown) < len(found), "next_page": None}
            return {"object": "search_result", "data": shown, **page_of, "url": "/v1/payment_intents/search"}
        case ["payment_intents", reference]:
            return intent(_of(state, reference), query_of(request).expand)
        case ["charges", reference]:
            return _first((charge(each) for each in state.payments.values()), reference)
        case ["charges"]:
            of = query_of(request, *_LIST, "payment_intent")
            payments = _asked(state, of)
            found_charges = [charge(each) for each in payments if each.status == "authorized"]
            return _listed(of, found_charges, "/v1/charges")
        case ["refunds"]:
            of = query_of(request, *_LIST, "payment_intent", "created")
            return _listed(of, [refund(*each) for each in _refunds(_asked(state, of))], "/v1/refunds")
        case ["refunds", reference]:
            return _first((refund(*each) for each in _refunds(state.payments.values())), reference)
        case ["disputes"]:
            of = query_of(request, *_LIST, "payment_intent", "created")
            found_disputes = [dispute(each, it) for each in _asked(state, of) for it in each.disputes]
            return _listed(of, found_disputes, "/v1/disputes")
        case ["disputes", reference]:
            payment = _disputed(state, reference)
            return _first((dispute(payment, each) for each in payment.disputes), reference)
    raise _no_route(request)


def _no_route(request: Request) -> Refused:
    path = "/".join(request.segments)
    return Refused(404, "", f"Unrecognized request URL ({request.method}: /{path})")


# ---- what is changed


async def _open(world: World[Payments], request: Request) -> Any:
    form = body_of(request, *_OPENING)
    method, metadata = form.text("payment_method"), form.group("metadata")
    if not method:
        raise wrong("payment_method", "an empty string is none", "parameter_invalid_empty")
    if form.text("capture_method", "automatic") != "manual" or not form.is_true("confirm", default=False):
        raise wrong("capture_method", "only manual is known here, with confirm=true")
    key = _key(request, f"without a key {len(world.state.ids) + 1}")
    command = made(
        OpenPayment,
        payment_id=key,
        order_id=metadata.get("order") or "-",
        merchant=metadata.get("merchant") or "-",
        checkout=metadata.get("checkout") or key,
        amount_cents=form.whole("amount"),
        currency=form.text("currency").upper(),
        method=method,
        installments=1,
        customer=form.text("customer", "") or None,
        off_session=form.is_true("off_session", default=False),
        return_url=form.text("return_url", "") or None,
        metadata=metadata,
    )
    answered = ("open", key, "")
    seen = answered in world.state.answers
    await world.execute(command)
    payment = world.state.answers[answered][1]
    shown = intent(payment, form.expand)
    if payment.status == "declined":
        raise Refused(402, "card_declined", "Your card was declined.", shown=shown)
    return Answered(shown, REPLAYED) if seen else shown


async def _capture(world: World[Payments], request: Request, reference: str) -> Any:
    """A last capture of nothing lets go of what is left."""
    form = body_of(request, "amount_to_capture", "final_capture", "metadata")
    payment, key, metadata = _of(world.state, reference), _key(request), form.group("metadata")
    cents = form.whole("amount_to_capture", payment.left_cents)
    final = form.is_true("final_capture", default=True)
    body: CaptureBody | VoidBody
    if not cents and final and payment.captures:
        body = made(VoidBody, void_id=key, metadata=metadata)
    else:
        body = made(CaptureBody, capture_id=key, amount_cents=cents, final=final, metadata=metadata)
    return await _changed(world, payment, body, lambda after: intent(after, form.expand))


async def _refund(world: World[Payments], request: Request) -> Any:
    form = body_of(request, "payment_intent", "amount", "metadata", "reason")
    payment, key = _of(world.state, form.text("payment_intent")), _key(request)
    cents = form.whole("amount", payment.captured_cents - payment.refunded_cents)
    body = made(RefundBody, refund_id=key, amount_cents=cents, metadata=form.group("metadata"))

    def made_now(after: Payment) -> Object:
        return refund(after, next(each for each in after.refunds if each.id == key))

    return await _changed(world, payment, body, made_now)


async def _evidence(world: World[Payments], request: Request, dispute_id: str) -> Any:
    """Handed in for good, or not at all: a draft is nothing here."""
    form = body_of(request, "evidence", "submit", "metadata")
    payment, told = _disputed(world.state, dispute_id), form.group("evidence")
    body = made(
        EvidenceBody,
        dispute_id=dispute_id,
        evidence_id=_key(request),
        text=told.get("uncategorized_text", ""),
        carrier=told.get("shipping_carrier", ""),
        tracking_number=told.get("shipping_tracking_number", ""),
        metadata=form.group("metadata"),
    )

    def handed_in(after: Payment) -> Object:
        return next(dispute(after, each) for each in after.disputes if each.dispute_id == dispute_id)

    return await _changed(world, payment, body, handed_in)


async def _changed(
    world: World[Payments],
    payment: Payment,
    body: CaptureBody | RefundBody | VoidBody | EvidenceBody,
    shown: Callable[[Payment], Object],
) -> Any:
    command = ChangePayment(payment.request.payment_id, body)
    seen = command.key in world.state.answers
    await world.execute(command)
    answer = shown(world.state.answers[command.key][1])
    return Answered(answer, REPLAYED) if seen else answer


def _key(request: Request, otherwise: str = "") -> str:
    """Of a change: the client makes one up for each request that has none."""
    if not (request.idempotency_key or otherwise):
        raise Refused(400, "parameter_missing", "Idempotency-Key: a change needs one here")
    return request.idempotency_key or otherwise


# ---- what is shown


def _of(state: Payments, reference: str) -> Payment:
    name = state.references.get(reference)
    if name is None:
        raise Refused(404, "resource_missing", f"No such payment_intent: '{reference}'", "intent")
    return state.payments[name]


def _disputed(state: Payments, dispute_id: str) -> Payment:
    name = state.disputes.get(dispute_id)
    if name is None:
        raise Refused(404, "resource_missing", f"No such dispute: '{dispute_id}'", "dispute")
    return state.payments[name]


def _asked(state: Payments, form: Form) -> Iterable[Payment]:
    """The payment that is asked about, or all, the newest first."""
    if form.has("payment_intent"):
        return (_of(state, form.text("payment_intent")),)
    return (state.payments[name] for name in reversed(state.ids))


def _refunds(payments: Iterable[Payment]) -> Iterable[Known]:
    return ((payment, each) for payment in payments for each in reversed(payment.refunds))


def _intents(state: Payments, form: Form) -> Object:
    since = _since(form)
    newest = (state.payments[name] for name in reversed(state.ids))
    found, more = page(
        form,
        (each for each in newest if seconds(each.opened_at) >= since),
        lambda each: each.provider_reference,
    )
    return listed([intent(each, _inner(form)) for each in found], more, "/v1/payment_intents")


def _inner(form: Form) -> tuple[str, ...]:
    """What is expanded in each of a list."""
    return tuple(each.removeprefix("data.") for each in form.expand)


def _since(form: Form) -> int:
    return int(form.group("created").get("gte", "0") or "0")


def _listed(form: Form, found: list[Object], url: str) -> Object:
    lately = (each for each in found if each["created"] >= _since(form))
    shown, more = page(form, lately, lambda each: str(each["id"]))
    return listed(shown, more, url)


def _first(found: Iterable[Object], reference: str) -> Object:
    for each in found:
        if each["id"] == reference:
            return each
    raise Refused(404, "resource_missing", f"there is no {reference}", "id")
