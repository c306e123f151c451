"""Which call of the HTTP interface does what?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.worlds import carrier
from services.worlds.asgi import Handler, Request, parse
from services.worlds.carrier import (
    BookShipment,
    SetCarriers,
    Shipments,
    VoidShipment,
    account_of,
    label_of,
)
from services.worlds.faults import Faults, RequestDice, RequestFault
from services.worlds.models import Refused
from services.worlds.payment_state import Payments
from services.worlds.stage import MoveClocks, PutFaults, PutScenarios
from services.worlds.stripe_routes import stripe_routes
from services.worlds.world import World

PAGE_LIMIT, PAGE_LIMIT_MAX = 100, 1000


def fault_of(world: World[Any]) -> Callable[[Request], tuple[RequestFault | None, float]]:
    """Only the provider misbehaves, never the control of it."""
    dice = RequestDice()

    def fault(request: Request) -> tuple[RequestFault | None, float]:
        if "v1" not in (request.segments[0], *request.segments[2:3]):
            return None, 0.0
        return dice.fault(world.state.stage.faults, request.method, request.segments, request.body)

    return fault


def payment_routes(world: World[Payments], api_key: str = "") -> Handler:
    """Stripe's API under /v1; without a key, for whoever asks."""

    async def control(request: Request) -> Any:
        return await _control(world, request)

    return stripe_routes(world, api_key, control)


def carrier_routes(world: World[Shipments]) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Any:
        match request.method, request.segments:
            case "PUT", ["control", "carriers"]:
                await world.execute(request.model(SetCarriers))
                return world.state.carriers.model_dump()
            case _, ["carriers", name, "v1", *rest]:
                _check_up(world.state, name)
                return await _carrier(world, request, name, rest)
            case _, ["v1", *rest]:
                return await _carrier(world, request, "", rest)
            case _:
                return await _control(world, request)

    return handle


def _check_up(state: Shipments, name: str) -> None:
    if name in state.carriers.down:
        raise Refused(503, "out_of_service", f"{name} is out of service; nothing was done")


async def _carrier(world: World[Shipments], request: Request, name: str, path: list[str]) -> Any:
    """One carrier, by its name; the house's has none."""
    state = world.state
    match request.method, path:
        case "POST", ["shipments"]:
            command = request.model(BookShipment).model_copy(update={"carrier": name})
            _check_key(request, account_of(command.shipment_id, command.booking), "the booking's name")
            await world.execute(command)
            return carrier.render(state.first_answer(command.label))
        case "POST", ["shipments", account, "void"]:
            label = label_of(name, account)
            await world.execute(VoidShipment(label))
            return carrier.render(state.shipments[label])
        case "GET", ["shipments", account]:
            await world.settled()
            return carrier.render(_found(state.shipments, label_of(name, account), "shipment"))
        case "GET", ["shipments"]:
            await world.settled()
            return _page(request, "shipments", state.ids, state.shipments, carrier.render)
        case "POST", ["rates"]:
            measures = request.model(carrier.Measures)
            services = ("standard", "express")
            prices = [(each, carrier.rate(each, measures.weight_g)) for each in services]
            return {"rates": [{"service": each, "price_cents": cents} for each, cents in prices]}
        case _:
            return await _control(world, request)


async def _control(world: World[Any], request: Request) -> Any:
    stage = world.state.stage
    match request.method, request.segments:
        case "PUT", ["control", "scenarios"]:
            return await _put_scenarios(world, request)
        case "POST", ["control", "clock"]:
            command = request.model(MoveClocks)
            await world.execute(command)
            return {"clocks": {checkout: stage.clocks[checkout] for checkout in command.clocks}}
        case "PUT", ["control", "faults"]:
            await world.execute(PutFaults(request.model(Faults)))
            return stage.faults.model_dump()
        case "GET", ["control", "outstanding"]:
            await world.settled()
            return {"checkouts": stage.outstanding}
        case "GET", ["control", "health"]:
            await world.settled()
            return {"status": "ok", "kind": world.core.kind, "outstanding": len(stage.unacknowledged)}
        case _:
            path = "/".join(request.segments)
            raise Refused(
                404, "not_found", f"there is no {request.method} /{path} in the {world.core.kind} world"
            )


async def _put_scenarios(world: World[Any], request: Request) -> Any:
    lines = enumerate(request.body.splitlines(), 1)
    scenarios = tuple(
        parse(world.core.scenario, line, f"line {number}: ") for number, line in lines if line.strip()
    )
    await world.execute(PutScenarios(scenarios))  # type: ignore[arg-type]
    return {"scenarios": len(scenarios)}


def _check_key(request: Request, expected: str, field: str) -> None:
    if request.idempotency_key != expected:
        raise Refused(422, "invalid_request", f"Idempotency-Key: must be there and equal {field}")


def _found(things: Mapping[str, Any], thing_id: str, name: str) -> Any:
    thing = things.get(thing_id)
    if thing is None:
        raise Refused(404, f"{name}_not_found", f"there is no {name} {thing_id}")
    return thing


def _page(
    request: Request,
    name: str,
    ids: Sequence[str],
    things: Mapping[str, Any],
    render: Callable[[Any], Any],
) -> Any:
    """In the order of creation; `next` is the `after` of the next page, null on the last."""
    query = request.query("after", "limit")
    limit = query.get("limit", str(PAGE_LIMIT))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= PAGE_LIMIT_MAX):
        raise Refused(422, "invalid_query", f"limit: must be between 1 and {PAGE_LIMIT_MAX}")
    after = query.get("after")
    start = _found(things, after, name).number if after is not None else 0
    page = ids[start : start + int(limit)]
    more = start + len(page) < len(ids)
    return {name: [render(things[thing_id]) for thing_id in page], "next": page[-1] if more else None}
