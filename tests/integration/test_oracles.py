"""Do the read models of played trade hold what its dataset says, and is it seen when they don't?"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from services.play.facts import compute_facts
from services.play.oracles import UNANSWERABLE, Answer, ask_oracles, ask_within, statement_of, statements
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows
from tests.integration.played import played
from tests.integration.trade import Trade

MINIATURE = Path(__file__).parents[1] / "fixtures" / "olist_miniature"
NO_ROWS = OlistRows((), (), (), (), (), (), ())
MONEY_ENDS = ("captured", "refunded", "voided", "never_approved", "open")

TAMPERINGS = {
    "UPDATE payments SET captured_cents = captured_cents + 1 WHERE payment_id = 'o01_plain.1'": {
        "tillroll.captured",
        "tillroll.open",
    },
    "UPDATE payments SET refunded_cents = 0": {"tillroll.captured", "tillroll.refunded"},
    "UPDATE payments SET voided_cents = voided_cents - 1 WHERE payment_id = 'o41_unavailable.1'": {
        "tillroll.voided",
        "tillroll.open",
    },
    "DELETE FROM payments WHERE payment_id = 'o44_canceled_never_approved_without_items.1'": {
        "olist_core.payments",
        "olist_core.payments_by_type",
        "olist_core.sum_payments",
        "olist_core.sum_payments_by_type",
        "tillroll.never_approved",
        "tillroll.payment_portions",
    },
    "UPDATE orders SET confirmed_at = confirmed_at + interval '1 second' WHERE order_id = 'o17_unpaid'": {
        "olist_core.approved_equals_purchase"
    },
    "UPDATE checkouts SET status = 'reserved' WHERE checkout_id = 'o33_invoiced'": {
        "olist_core.orders_per_status"
    },
    "UPDATE checkouts SET status = 'reserved' WHERE checkout_id = 'o45_invoiced_without_items'": {
        "olist_core.orders_per_status",
        "olist_core.orders_without_items_by_status",
    },
    "UPDATE checkouts SET preparing = false": {"olist_core.orders_per_status"},
    "UPDATE checkouts SET customer_unique_id = checkout_id": {
        "olist_core.customers_unique",
        "olist_core.customers_repeat",
    },
    "UPDATE checkouts SET dispatched_at = NULL WHERE checkout_id = 'o39_canceled_after_hand_over'": {
        "olist_core.canceled_with_carrier",
        "olist_core.no_carrier_date",
    },
    "UPDATE order_lines SET ship_by = ship_by + interval '100 days' WHERE checkout_id LIKE 'o22%'": {
        "olist_core.items_shipped_after_limit"
    },
    "UPDATE order_lines SET unit_price_cents = unit_price_cents + 1 WHERE checkout_id = 'o01_plain'": {
        "olist_core.sum_price",
        "olist_core.sum_price_plus_freight",
        "olist_core.top10_categories_by_price",
        "olist_core.top3_sellers_by_price",
    },
    "DELETE FROM late_deliveries WHERE days_late = 0": {"olist_core.delivered_after_estimate"},
    "DELETE FROM categories": {"olist_catalogue.translations", "olist_catalogue.categories_untranslated"},
}
"""What is done to a read model of the miniature -> the oracles that must see it, and no other."""


def wrong(answers: list[Answer]) -> dict[str, tuple[Any, Any]]:
    return {each.name: (each.expected, each.found) for each in answers if not each.good}


async def tampered(trade: Trade, tampering: str, expected: dict[str, Any]) -> set[str]:
    """The oracles that are wrong once this is done to the read models; it is undone after."""
    async with trade.log.pool.connection() as connection, connection.transaction(force_rollback=True):
        cursor = await connection.execute(tampering.encode())
        assert cursor.rowcount, tampering
        return set(wrong(await ask_within(connection, expected)))


async def test_the_miniature_meets_its_oracles_and_a_wrong_row_is_seen(database: str) -> None:
    oracles = json.loads((MINIATURE / "oracles.json").read_text())
    async with played(database, read_olist(MINIATURE)) as trade:
        answers = await ask_oracles(trade.log.pool, oracles)
        assert wrong(answers) == {}
        assert {each.name for each in answers if each.reason} == set(UNANSWERABLE)
        assert money_ends(answers) == Decimal(oracles["olist_core.sum_payments"]["value"])
        assert {each: await tampered(trade, each, oracles) for each in TAMPERINGS} == TAMPERINGS


def money_ends(answers: list[Answer]) -> Decimal:
    found = {each.name: each.found for each in answers}
    return sum((Decimal(found[f"tillroll.{end}"]) for end in MONEY_ENDS), Decimal(0))


async def test_made_up_trade_meets_its_own_facts(database: str) -> None:
    rows = synthetic_rows(60, seed=3)
    async with played(database, rows) as trade:
        assert wrong(await ask_oracles(trade.log.pool, compute_facts(rows))) == {}


async def test_without_trade_everything_is_none_or_nothing(database: str) -> None:
    async with played(database, NO_ROWS) as trade:
        assert wrong(await ask_oracles(trade.log.pool, compute_facts(NO_ROWS))) == {}


async def test_an_oracle_that_nobody_knows_is_not_good(database: str) -> None:
    async with played(database, NO_ROWS) as trade:
        (answer,) = await ask_oracles(trade.log.pool, {"olist_core.luck": {"value": None, "what": "luck"}})
    assert not answer.good


def test_every_fact_is_asked_or_listed_and_nothing_else_is() -> None:
    facts = set(compute_facts(NO_ROWS))
    assert set(UNANSWERABLE) <= facts
    assert {statement_of(fact) for fact in facts - set(UNANSWERABLE)} == set(statements())


def test_every_statement_is_described() -> None:
    text = (files("services.play") / "sql" / "oracles.sql").read_text()
    named = re.findall(r"^-- name: (\w+)[$#]\n(-- .+\n)?", text, re.MULTILINE)
    assert set(statements()) < {name for name, _ in named}
    assert [name for name, description in named if not description] == []


def test_an_answer_is_good_if_it_matches_or_cannot_be_had() -> None:
    assert Answer("a", "3999.9", "3999.90", "a").good
    assert Answer("a", 1, None, "", "nobody keeps it").good
    assert not Answer("a", 1, 2, "a").good
