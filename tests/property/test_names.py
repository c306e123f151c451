"""Does all that the door lets in fit the streams that are named by it, also those that agents derive?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from hypothesis import event, example, given
from hypothesis import strategies as st

from commands.fields import NAME_BYTES_MAX, SKU_BYTES_MAX
from commands.names import check_names
from commands.order_body import PlaceOrderBody
from domain.allocation import (
    AllocationPlanned,
    AllocationRules,
    AllocationTerms,
    Candidate,
    FewestSplits,
    Pick,
    Site,
)
from domain.kernel import Event, Fact
from domain.order import ORDER, OrderConfirmed, OrderPlaced, OrderReserved, PlaceOrder, Terms
from domain.personal import Erased
from domain.streams import deadline_stream, order_stream
from eventstore.log import MAX_NAME_CHARACTERS
from services.agents.registered import AGENTS


def names(bytes_max: int, characters: str = "a-é\N{SNOWMAN}") -> st.SearchStrategy[str]:
    """Names up to their limit, of characters that take one to nine in a stream's name."""

    def of(character: str) -> st.SearchStrategy[str]:
        return st.integers(1, bytes_max // len(character.encode())).map(lambda length: character * length)

    return st.sampled_from(characters).flatmap(of)


lines = st.fixed_dictionaries(
    {"sku": names(SKU_BYTES_MAX), "quantity": st.just(1), "unit_price_cents": st.just(10)},
    optional={"warehouse": names(NAME_BYTES_MAX)},
)
payments = st.fixed_dictionaries(
    {"method": st.just("card"), "amount_cents": st.just(0)}, optional={"payment_id": names(60, "a-")}
)


ON_ACCOUNT: dict[str, Any] = {
    "order_id": "-" * 90,
    "customer": {"customer_id": "c1", "zip_prefix": "01310", "city": "São Paulo"},
    "currency": "BRL",
    "lines": [{"sku": "a", "quantity": 1, "unit_price_cents": 10}],
    "on_account": True,
}


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    bought = draw(st.lists(lines, min_size=1, max_size=3))
    paid = draw(st.lists(payments, max_size=3, unique_by=lambda each: each.get("payment_id")))
    if paid:
        paid[0] = paid[0] | {"amount_cents": 10 * len(bought)}
    return {
        **ON_ACCOUNT,
        "order_id": draw(names(NAME_BYTES_MAX)),
        "lines": bought,
        "payments": paid,
        "on_account": not paid,
    }


FEWEST = AllocationRules(rules=(FewestSplits(kind="fewest_splits"),))
sites = st.lists(names(NAME_BYTES_MAX), max_size=3, unique=True).map(
    lambda warehouses: (
        AllocationTerms(version=1, rules=FEWEST, sites=tuple(Site(warehouse=each) for each in warehouses))
        if warehouses
        else None
    )
)
PAID = {"payment_id": "-" * 60, "method": "card", "amount_cents": 10}


SEVERAL = [ON_ACCOUNT["lines"][0] | {"warehouse": each} for each in ("w1", "w2", "w3")]


@example(sent=ON_ACCOUNT, terms=None, room=-1)  # where the parcel's name is the longest, by three characters
@example(sent=ON_ACCOUNT | {"lines": SEVERAL}, terms=None, room=-1)
@example(
    sent=ON_ACCOUNT | {"order_id": "a" * 50, "on_account": False, "payments": [PAID]}, terms=None, room=-1
)
@given(sent=orders(), terms=sites, room=st.integers(-4, 8))
def test_what_the_door_lets_in_fits_all_that_is_named_by_it(
    sent: dict[str, Any], terms: AllocationTerms | None, room: int
) -> None:
    """The merchant's name is made so long that all names are close to the limit, on both sides of it."""
    body = PlaceOrderBody.model_validate(sent)
    command = body.to_command(sent["order_id"], "k1", "s1", Erased(), Terms(), terms)
    longest = max(map(len, names_after("m", command)))
    left = min(3 * NAME_BYTES_MAX, max(1, MAX_NAME_CHARACTERS - room - longest + 1))
    merchant = "-" * (left // 3) + "m" * (left % 3)
    try:
        check_names(merchant, command)
    except RequestValidationError as refused:
        event("refused for {}".format(refused.errors()[0]["loc"][-1]))
    else:
        too_long = [name for name in names_after(merchant, command) if len(name) > MAX_NAME_CHARACTERS]
        assert too_long == []
        event("let in")


def names_after(merchant: str, command: PlaceOrder) -> Iterator[str]:
    """The streams of what agents command, and of the deadlines that they ask for, once it is placed."""
    (placed,) = ORDER.decide(command, ORDER.initial)
    assert isinstance(placed, OrderPlaced)
    yield order_stream(merchant, placed.order_id)
    whose = {"order_id": placed.order_id}
    for agent in AGENTS:
        process = agent.initial
        for told in (placed, *_planned(placed), OrderReserved(**whose), OrderConfirmed(**whose)):
            reaction = agent.react(process, _fact(merchant, told))
            process = reaction.process
            yield from (target.stream for group in reaction.commands for target in group.targets)
            yield from (deadline_stream(merchant, agent.name, d.key, d.name) for d in reaction.deadlines)


def _planned(placed: OrderPlaced) -> Iterator[AllocationPlanned]:
    """A unit of each line from a warehouse of its own, as far as there are units and warehouses."""
    terms = placed.allocation
    if terms is None:
        return
    picks = [
        Pick(line=line.line, sku=line.sku, warehouse=site.warehouse, quantity=1)
        for line in placed.lines
        for site in terms.sites
    ]
    candidates = tuple(Candidate(warehouse=site.warehouse) for site in terms.sites)
    yield AllocationPlanned(
        order_id=placed.order_id,
        attempt=1,
        settings_version=1,
        rule="fewest_splits",
        picks=tuple(picks),
        candidates=candidates,
    )


def _fact(merchant: str, told: Event) -> Fact:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return Fact(1, "order-1", 1, told, merchant, "k1", "because", UUID(int=1), now, now)
