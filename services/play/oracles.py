"""Do the read models say of played trade what its dataset must come to?

Each oracle has a statement in `oracles.sql`, of the oracle's name with `_` for `.`. It reads the read models
and nothing else: never the dataset, never the log. The one column of its one row is named for what is in it:
a `value`, or `cents` (also those in an object or a list), or a `moment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from domain.money import format_cents
from eventstore.queries import load_queries
from eventstore.statements import Pool
from services.play.catalogue import HOUSE, TRIAL
from services.play.fact import written
from services.play.facts import matches

UNANSWERABLE: Final = {
    "olist_core.items_seq_gap": "equal units are one line of the order; their item numbers are not kept",
}
"""Oracles that can't be asked, because no event records what they are about: name -> reason."""

_GATHERED: Final = ("gather_checkouts", "gather_payments")
_BY_STATUS: Final = ("olist_core.orders_per_status", "olist_core.orders_without_items_by_status")
_QUERIES = load_queries("services.play", "oracles.sql")


@dataclass(frozen=True, slots=True)
class Answer:
    """An oracle and what was found; `query` names the statement, `reason` says why it could not be asked."""

    name: str
    expected: Any
    found: Any
    query: str
    reason: str = ""

    @property
    def good(self) -> bool:
        """It matches, or it is known that it can't be asked; an oracle that nobody knows is not good."""
        return bool(self.reason) or (bool(self.query) and matches(self.expected, self.found))


def statements() -> dict[str, str]:
    """The SQL of each oracle, by the statement's name."""
    names = [name for name in _QUERIES.available_queries if name not in _GATHERED]
    return {name: getattr(_QUERIES, name).sql for name in names}


def statement_of(oracle: str) -> str:
    """`olist_core.orders` is asked by the statement `olist_core_orders`."""
    return oracle.replace(".", "_")


async def ask_oracles(pool: Pool, expected: dict[str, dict[str, Any]]) -> list[Answer]:
    """Ask all oracles of one snapshot of the read models; `expected` is `{name: {"value": …, "what": …}}`."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return await ask_within(connection, expected)


async def ask_within(
    connection: AsyncConnection[TupleRow], expected: dict[str, dict[str, Any]]
) -> list[Answer]:
    """Ask all oracles within the caller's transaction; once in each."""
    for gathered in _GATHERED:
        await connection.execute(getattr(_QUERIES, gathered).sql.encode())
    return [await _ask(connection, name, oracle["value"]) for name, oracle in expected.items()]


async def _ask(connection: AsyncConnection[TupleRow], oracle: str, expected: Any) -> Answer:
    name = statement_of(oracle)
    if reason := UNANSWERABLE.get(oracle):
        return Answer(oracle, expected, None, "", reason)
    if name not in statements():
        return Answer(oracle, expected, None, "")
    found = await _found(connection, name)
    if oracle in _BY_STATUS:
        return Answer(oracle, _as_recorded(expected), found, f"{name} (approved is told as invoiced)")
    return Answer(oracle, expected, found, name)


async def _found(connection: AsyncConnection[TupleRow], name: str) -> Any:
    cursor = await connection.execute(getattr(_QUERIES, name).sql.encode(), {"house": HOUSE, "trial": TRIAL})
    row = await cursor.fetchone()
    assert row is not None, f"{name} is an aggregate, which always has a row"
    assert cursor.description is not None
    return _told(cursor.description[0].name, row[0])


def _told(kind: str, found: Any) -> Any:
    """What a column holds, as oracles write it: money in decimal strings, stamps as the dataset has them."""
    match kind, found:
        case _, None:
            return None
        case "cents", dict():
            return {key: format_cents(int(cents)) for key, cents in found.items()}
        case "cents", list():
            return [format_cents(int(cents)) for cents in found]
        case "cents", _:
            return format_cents(int(found))
        case "moment", _:
            return written(found)
        case _, Decimal():
            return int(found)
    return found


def _as_recorded(by_status: Any) -> dict[str, int]:
    """Approved and invoiced orders look alike until there are documents: both are paid for, and no more."""
    counts = dict(by_status)
    if approved := counts.pop("approved", 0):
        counts["invoiced"] = counts.get("invoiced", 0) + approved
    return counts
