"""The product agent: says of a price that was scheduled that it holds, once its time has come."""

from __future__ import annotations

from domain.deadline import DeadlineReached
from domain.kernel import Deadline, Fact, Reaction, Value, one
from domain.product import ApplyPrices, PriceSet
from domain.streams import stream_parts
from services.agents.agent import Agent, order_key


class ProductProcess(Value):
    """It remembers nothing: what is scheduled stands in the product's own stream."""


def react(process: ProductProcess, fact: Fact) -> Reaction[ProductProcess]:
    match fact.event:
        case PriceSet(valid_from=valid_from, set_at=set_at) if valid_from > set_at:
            return Reaction(
                process, (), (Deadline(order_key(fact), f"price {valid_from.isoformat()}", valid_from),)
            )
        case DeadlineReached(key=stream, due_at=due_at) if stream.startswith("product-"):
            _, product_id = stream_parts(stream)
            return Reaction(process, (one(stream, ApplyPrices(product_id=product_id, now=due_at)),))
        case _:
            return Reaction(process)


AGENTS = (
    Agent(
        name="product",
        context="product",
        initial=ProductProcess(),
        interests=(PriceSet, DeadlineReached),
        react=react,
        keyed_by=("product",),
    ),
)
