"""Does anything of one merchant's show, or change, for another? And of one person's, for another customer?

The markers of the second merchant's data must stand in no answer that the first one gets, whatever it sends;
but for what it sent itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from commands.personal import subject_of
from domain.inventory import Backordered, StockReserved, StockRules, StockRulesSet
from domain.inventory.purchase_order import PurchaseLine, PurchaseOrderPlaced
from domain.inventory.stocktake import StocktakeStarted
from domain.inventory.transfer import TransferLine, TransferPlanned
from domain.kernel import Event
from domain.order import OrderConfirmed, OrderDiscrepancyOpened, OrderTagged
from domain.permissions import PLATFORM
from domain.product import PriceSet
from domain.streams import order_stream, product_stream, stock_stream, stream_name
from domain.user import JoinUser
from services.embedded import NatsServer, PostgresServer
from services.web.pagination import cursor_of
from tests.integration.api_client import an_order, problem
from tests.integration.carriage_trade import a_parcel, carriers, invoices, manifests
from tests.integration.projections_trade import START, Bought, Step, a_product, setting_up, some_carts
from tests.integration.projections_warehouse import warehousing
from tests.integration.test_roles import OPERATIONS
from tests.integration.walls import Operation, World, fresh_database, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARK = "m2marker"
THEIR_ORDER, THEIR_SKU, THEIR_CATEGORY, THEIR_CURRENCY = f"{MARK}-open", f"{MARK}-A", f"{MARK}-toys", "JPY"
HEADERS = ("Tillroll-Merchant", "Tillroll-Min-Position", "Prefer", "Idempotency-Key", "prefer")
LOOKS = "/v1/audit/looks"
LISTS = [
    each
    for each in OPERATIONS
    if ("cursor", "query") in each.parameters and each.scope == "merchant" and "{" not in each.path
]
TREE = {
    "add_cosignature",
    "get_checkpoint",
    "get_seal",
    "get_seal_key",
    "get_tile",
    "prove_consistency",
    "prove_inclusion",
}
"""The hashes of all events, which tell nothing of any: the same for every merchant, and of none."""
AT_MERCHANT = [each for each in OPERATIONS if each.scope == "merchant" and each.id not in TREE]
REACHING = [each for each in OPERATIONS if each.scope == "reach"]
COMMANDS = [each for each in AT_MERCHANT if each.method != "GET"]
BODIES: dict[str, Any] = {
    "place_order": an_order(order_id=f"{MARK}-done", checkout_id=f"checkout-{MARK}-done"),
    "cancel_order": {"reason": "customer"},
    "hold_order": {"reason": "fraud"},
    "release_order": {"note": "not ours"},
    "add_order_note": {"text": "not ours"},
    "resolve_order_discrepancy": {"reason": "not ours"},
    "cancel_order_lines": {"lines": [{"line": 1, "quantity": 1}], "reason": "staff"},
    "propose_order_change": {"note": "not ours"},
    "decline_order_change": {"reason": "staff"},
    "set_storefront": {"guests": True},
    "start_cart": {"currency": "EUR", "customer": f"{MARK}-p"},
    "add_cart_item": {"sku": THEIR_SKU},
    "change_cart_quantity": {"quantity": 1},
    "set_cart_contact": {"customer_id": f"{MARK}-p", "email": "ours@example.com"},
    "choose_cart_shipping": {"method": "standard"},
    "give_cart_payment_method": {"token": "pm_ours", "return_url": "https://shop.example"},
    "complete_cart": {"total_cents": 1},
    "assign_cart": {"token": "not-ours", "customer": f"{MARK}-p"},
    "merge_cart": {"cart_id": f"{MARK}-1cart0", "token": "not-ours"},
    "import_catalogue": f"product_id,name,sku\r\n{MARK}-P,Ours,{MARK}-P-1\r\n".encode(),
    "receive_stock": {"sku": THEIR_SKU, "quantity": 5},
    "adjust_stock": {"sku": THEIR_SKU, "delta": -1, "reason": "damage"},
    "capture_payment": {"amount_cents": 1},
    "refund_payment": {"amount_cents": 1},
    "add_payment": {"method": "credit_card", "amount_cents": 1},
    "submit_evidence": {"text": "not ours"},
    "resolve_discrepancy": {"reason": "not ours"},
    "store_payment_method": {"customer_id": f"{MARK}-p", "token": "pm_ours"},
    "move_stock": {"sku": THEIR_SKU, "quantity": 1, "source": "available", "target": "damaged"},
    "write_off_stock": {"sku": THEIR_SKU, "quantity": 1, "source": "damaged"},
    "set_stock_rules": {"sku": THEIR_SKU, "safety_stock": 1},
    "cancel_backorder": {"sku": THEIR_SKU, "order_id": THEIR_ORDER},
    "place_purchase_order": {
        "purchase_id": f"{MARK}-po0",
        "supplier": MARK,
        "currency": THEIR_CURRENCY,
        "lines": [{"sku": THEIR_SKU, "quantity": 1}],
    },
    "receive_purchase": {"items": [{"sku": THEIR_SKU, "quantity": 1}]},
    "resolve_purchase_discrepancy": {
        "sku": THEIR_SKU,
        "kind": "over",
        "quantity": 1,
        "resolution": "accepted",
    },
    "cancel_purchase_order": {},
    "plan_transfer": {
        "transfer_id": f"{MARK}-t0",
        "source": "main",
        "target": "north",
        "lines": [{"sku": THEIR_SKU, "quantity": 1}],
    },
    "ship_transfer": {},
    "receive_transfer": {"complete": True},
    "resolve_transfer_discrepancy": {"sku": THEIR_SKU, "kind": "missing", "quantity": 1, "outcome": "lost"},
    "start_stocktake": {"stocktake_id": f"{MARK}-k0", "skus": [THEIR_SKU]},
    "record_count": {"sku": THEIR_SKU, "counted": 1},
    "finish_stocktake": {},
    "register_warehouse": {"warehouse": "main"},
    "change_warehouse": {"name": "Ours"},
    "close_warehouse": {},
    "open_warehouse": {},
    "set_allocation_rules": {"rules": []},
    "restore_allocation_rules": {"version": 1},
    "release_pick_list": {
        "pick_list_id": f"{MARK}-done.1",
        "order_id": f"{MARK}-done",
        "warehouse": "main",
        "lines": [{"line": 1, "sku": THEIR_SKU, "quantity": 1}],
    },
    "pick_units": {"line": 1, "picked": 1},
    "short_pick": {"line": 1, "short": 1},
    "pack_order": {},
    "stage_pick_list": {},
    "hand_over_pick_list": {},
    "register_merchant": {},
    "set_merchant_time_zone": {"time_zone": "Asia/Tokyo"},
    "set_merchant_terms": {"reservation_valid_s": 3600, "authorization_valid_s": 86400},
    "import_product": {"category": THEIR_CATEGORY},
    "translate_category": {"english": "Ours"},
    "add_carrier": {},
    "suspend_carrier": {},
    "publish_rate_card": {
        "expected_version": 0,
        "currency": "BRL",
        "services": [
            {
                "service": "s",
                "days": 1,
                "zones": [{"zone": "z", "regions": ["*"]}],
                "bands": [{"zone": "z", "up_to_g": 1, "cents": 1}],
            }
        ],
    },
    "set_carrier_rule": {"rule": {}},
    "set_tracking_link": {"template": "https://ours.example/{tracking_number}"},
    "quote_parcel": {},
    "rebook_shipment": {},
    "split_parcel": {"into": f"{MARK}-done-new", "lines": [{"sku": THEIR_SKU, "quantity": 1}]},
    "close_manifest": {"carrier": "ours", "shipments": [f"{MARK}-done"]},
    "hand_over_manifest": {},
    "import_carrier_invoice": {"currency": "BRL", "lines": [{"line": 1, "charged_cents": 1}]},
    "resolve_invoice_discrepancy": {"resolution": "accepted"},
    "draft_product": {"product_id": f"{MARK}-P", "name": "Ours"},
    "describe_product": {"name": "Ours"},
    "publish_product": {"channel": "web"},
    "unpublish_product": {"channel": "web"},
    "add_variant": {"sku": f"{MARK}-P-1"},
    "describe_variant": {"sku": f"{MARK}-P-1"},
    "remove_variant": {"sku": f"{MARK}-P-1"},
    "set_price": {"sku": f"{MARK}-P-1", "channel": "web", "currency": "EUR", "price_cents": 1},
    "withdraw_price": {
        "sku": f"{MARK}-P-1",
        "channel": "web",
        "currency": "EUR",
        "valid_from": "2199-01-01T00:00:00Z",
    },
    "invite_user": {"email": "nobody-new@example.com", "role": "auditor"},
    "grant_role": {"role": "auditor"},
    "erase_subject": {"customer": f"{MARK}-p", "reason": "not ours"},
    "issue_api_key": {"name": "ours", "permissions": ["orders:read"]},
}
"""What each command is sent; those that take no body are not here."""


@dataclass
class Two:
    """Two merchants with trade, the first one's way in, and what is known of the second."""

    world: World
    owner: str
    key: str
    their_owner: str
    owners: tuple[tuple[str, str], tuple[str, str]]
    """Of both: the user's id, and that of a session."""
    ids: dict[str, str]
    """By the name of a path's parameter: the second merchant's."""
    secrets: tuple[str, ...]
    position: str
    last_seen: list[dict[str, Any]] = field(default_factory=list)
    """All of the second, as the last command of the first left it: the next command begins with it."""

    async def as_first(self, method: str, path: str, **more: Any) -> list[httpx.Response]:
        """What the first merchant's owner gets, and its key."""
        return [await self.world.ask(method, path, secret, **more) for secret in (self.owner, self.key)]

    def leaks(self, answer: httpx.Response, *its_own: str) -> list[str]:
        """Markers in the answer that the request did not bring along itself, and that are not in `its_own`:
        what the first merchant has made under a name of the second's."""
        return leaks(answer, (MARK, *self.secrets), *its_own)


def leaks(answer: httpx.Response, markers: tuple[str, ...], *its_own: str) -> list[str]:
    sent = answer.request
    looked = sent.url.path == LOOKS and answer.status_code == 200
    text = f"{_untyped(answer.json()['items']) if looked else answer.text}\n{dict(answer.headers)}"
    for value in sorted([*_sent(sent), *its_own], key=len, reverse=True):
        text = text.replace(value, "")
    return [marker for marker in markers if marker in text]


def _sent(request: httpx.Request) -> Iterator[str]:
    """All names that a request holds; the shortest would hide what they must not."""
    words: list[Any] = [*request.url.path.split("/"), *request.url.params.values()]
    if request.headers.get("Content-Type") == "text/csv":
        words += re.split(r"[,\r\n]", request.content.decode())
    elif request.content:
        words += list(_texts(json.loads(request.content)))
    yield from (word for word in words if MARK in word or len(word) == 32)


def _untyped(looks: list[Any]) -> list[Any]:
    """Looks without what who looked has typed: also a name of another's, which led nowhere."""
    return [each | {"path": "", "parameters": []} for each in looks]


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)


def their_setting_up() -> list[Step]:
    """As `setting_up`, under names that carry the marker, and two of each thing, so that lists have pages."""
    steps: list[Step] = []
    for sku in (THEIR_SKU, f"{THEIR_SKU}2"):
        renamed = [
            (stream.replace("toys", THEIR_CATEGORY + sku[-1]), event)
            for stream, event in setting_up("m2", sku)
        ]
        steps += [(stream, _in_category(event, THEIR_CATEGORY + sku[-1])) for stream, event in renamed]
    for product_id in (f"{MARK}-P", f"{MARK}-P1"):
        steps += a_product("m2", product_id, f"{THEIR_CATEGORY}A")
        price = {"sku": f"{product_id}-1", "channel": "web", "currency": THEIR_CURRENCY, "price_cents": 76543}
        priced = PriceSet(product_id=product_id, **price, valid_from=START, set_at=START)
        steps.append((product_stream("m2", product_id), priced))
    steps += carriers("m2", f"{MARK}-swift")
    steps += manifests("m2", f"{MARK}-M", f"{MARK}-swift")
    steps += invoices("m2", f"{MARK}-I", f"{MARK}-swift")
    registered, *_ = steps
    return [registered, *(step for step in steps if step[0] != registered[0])]


def their_inventory() -> list[Step]:
    """Two of each thing that inventory has lists of."""
    steps: list[Step] = []
    for number, name in enumerate((f"{MARK}-done", f"{MARK}-late")):
        sku = (THEIR_SKU, f"{THEIR_SKU}2")[number]
        place = {"sku": sku, "warehouse": "main"}
        north: dict[str, Any] = {"sku": THEIR_SKU, "warehouse": "north", "order_id": name, "quantity": 1}
        purchase, transfer, stocktake = f"{MARK}-po{number}", f"{MARK}-t{number}", f"{MARK}-k{number}"
        rules, until = StockRules(reorder_point=10**6), START + timedelta(days=90)
        bought, moved = PurchaseLine(sku=sku, quantity=1), TransferLine(sku=sku, quantity=1)
        steps += [
            (stock_stream("m2", sku, "main"), StockRulesSet(**place, rules=rules, was=StockRules())),
            (stock_stream("m2", THEIR_SKU, "north"), StockReserved(**north, expires_at=until)),
            (stock_stream("m2", THEIR_SKU, "north"), Backordered(**north, expires_at=until)),
            (
                stream_name("purchase", "m2", purchase),
                PurchaseOrderPlaced(
                    purchase_id=purchase,
                    supplier=MARK,
                    warehouse="main",
                    currency=THEIR_CURRENCY,
                    lines=(bought,),
                ),
            ),
            (
                stream_name("transfer", "m2", transfer),
                TransferPlanned(transfer_id=transfer, source="main", target="north", lines=(moved,)),
            ),
            (
                stream_name("stocktake", "m2", stocktake),
                StocktakeStarted(stocktake_id=stocktake, warehouse="main", skus=(sku,)),
            ),
        ]
    return steps


def their_warehouses() -> list[Step]:
    """Two of each thing that warehouses and allocations have lists of, under names with the marker."""
    first, *more = (warehousing("m2", f"{MARK}-{name}", MARK) for name in ("done", "late"))
    network = {stream for stream, _ in first if stream.startswith("warehouses-")}
    return [*first, *(step for steps in more for step in steps if step[0] not in network)]


def their_carts(day: int) -> list[Step]:
    return some_carts("m2", f"{MARK}-{day}")


def _in_category(event: Event, category: str) -> Event:
    if getattr(event, "category", None):
        return event.model_copy(update={"category": category})
    return event


def _changed(bought: Bought) -> list[Step]:
    """An order that is not paid yet, and that staff has worked on."""
    first, *more = bought.placing()
    placed = first[1].model_copy(update={"channel": "web"})
    confirmed = OrderConfirmed(order_id=bought.order_id)
    return [(bought.order, placed), *more, (bought.order, confirmed), *bought.changing()]


def their_trade() -> list[tuple[list[Step], Any]]:
    orders = []
    for number, name in enumerate(("open", "done", "late")):
        placed_at = START + timedelta(days=number)
        sku = THEIR_SKU if number else f"{THEIR_SKU}2"
        bought = Bought(
            "m2", f"{MARK}-{name}", f"checkout-{MARK}-{name}", sku, f"{THEIR_CATEGORY}{sku[-1]}",
            unit_price_cents=76543, currency=THEIR_CURRENCY, placed_at=placed_at, person=f"{MARK}-p",
        )  # fmt: skip
        life = [*bought.life(), *bought.contesting(), *bought.contradicting()] if number else _changed(bought)
        tagged = OrderTagged(order_id=bought.order_id, tag=f"{MARK}-tag")
        orders.append(([*life, (bought.order, tagged), *their_carts(number)], placed_at))
    parcel = a_parcel("m2", f"{MARK}-done", f"{MARK}-parcel", f"{MARK}-swift", f"{MARK}-M1")
    orders.append((parcel, START))
    for number in range(2):
        late = Bought(
            "m2", f"{MARK}-late{number}", person=f"{MARK}-p", sku=THEIR_SKU, category=f"{THEIR_CATEGORY}A"
        )
        steps = [
            *late.placing(),
            *late.paying(),
            *late.shipping(),
            *late.delivering(START + timedelta(days=20 + number)),
        ]
        orders.append((steps, START))
    return orders


async def our_trade(found: World) -> str:
    await found.append("m1", setting_up("m1"))
    await found.append("m1", Bought("m1", "own-done").life())
    cancelled = Bought("m1", "own-cancelled", portions=2)
    note = [*cancelled.placing(), *cancelled.paying(), *cancelled.cancelling()]
    await found.append("m1", note)
    odd = OrderDiscrepancyOpened(order_id="own-done", kind="not_captured")
    await found.append("m1", [(order_stream("m1", "own-done"), odd)])
    await found.append("m1", Bought("m1", "other-done", "checkout-other", person="p2").life())
    return await found.append("m1", Bought("m1", "own-open").placing())


@pytest_asyncio.fixture(loop_scope="module")
async def two(both: Two) -> Two:
    """With access tokens of now: all these tests together may take longer than one is valid."""
    ours, theirs = [await both.world.access.tokens.issue(*each) for each in both.owners]
    return replace(both, owner=ours, their_owner=theirs)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(
    postgres_server: PostgresServer,
    migrated_template: str,
    nats_server: NatsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Two]:
    directory: Path = tmp_path_factory.mktemp("tenants")
    async with two_merchants(postgres_server, migrated_template, nats_server, directory) as opened:
        yield opened


@asynccontextmanager
async def two_merchants(
    server: PostgresServer, template: str, nats_server: NatsServer, directory: Path
) -> AsyncIterator[Two]:
    with fresh_database(server, template) as database:
        async with world(database, nats_server.url, directory) as found:
            await our_trade(found)
            last = await found.append("m2", their_setting_up())
            for steps, at in [*their_trade(), (their_inventory(), START), (their_warehouses(), START)]:
                last = await found.append("m2", steps, at)
            await found.shown(await found.key(PLATFORM), last, "m2")
            yield await two_of(found, last)


async def two_of(found: World, position: str) -> Two:
    members = [await found.user("owner", "m2"), await found.user("auditor", "m2")]
    session_id, their_owner = await found.session(members[0])
    issued = [
        (
            await found.ask(
                "POST", "/v1/api-keys", their_owner, body={"name": MARK, "permissions": ["orders:read"]}
            )
        ).json()
        for _ in range(2)
    ]
    ids = {
        "order_id": THEIR_ORDER,
        "hold_id": "h1",
        "tag": f"{MARK}-tag",
        "change_set_id": "e1",
        "cart_id": f"{MARK}-0cart0",
        "line": "1",
        "shipment_id": f"{MARK}-done",
        "sku": THEIR_SKU,
        "category": THEIR_CATEGORY,
        "product_id": f"{MARK}-P",
        "carrier": f"{MARK}-swift",
        "manifest_id": f"{MARK}-M1",
        "invoice_id": f"{MARK}-I1",
        "import_id": "00000000-0000-0000-0000-000000000000",
        "payment_id": f"{MARK}-done.1",
        "dispute_id": f"{MARK}-done.d1",
        "kind": "captured_differs",
        "method_id": f"{MARK}-done",
        "warehouse": "main",
        "purchase_id": f"{MARK}-po0",
        "transfer_id": f"{MARK}-t0",
        "stocktake_id": f"{MARK}-k0",
        "pick_list_id": f"{MARK}-done.1",
        "version": "1",
        "table": "orders",
        "event": position.rpartition(".")[2],
        "user_id": members[1],
        "key_id": issued[0]["key_id"],
        "session_id": session_id,
    }
    secrets = (*members, session_id, *(each["key_id"] for each in issued), *(each["key"] for each in issued))
    for number in range(2):
        await their_erasure(found, their_owner, number)
        auditor = await found.signed_in("auditor", "m2")
        assert (await found.ask("GET", f"/v1/orders/{THEIR_ORDER}", auditor)).status_code == 200
    our_id = await found.user("owner", "m1")
    our_session, owner = await found.session(our_id)
    owners = ((our_id, our_session), (members[0], session_id))
    return Two(found, owner, await found.key("m1"), their_owner, owners, ids, secrets, position)


async def their_erasure(found: World, secret: str, number: int) -> None:
    customer = {"customer_id": f"{MARK}-gone{number}", "zip_prefix": "01310", "city": MARK}
    order = an_order(order_id=f"{MARK}-gone{number}", customer=customer, currency=THEIR_CURRENCY)
    placed = await found.ask("POST", "/v1/orders", secret, body=order)
    assert placed.status_code == 201, placed.text
    wish = {"customer": f"{MARK}-gone{number}", "reason": MARK, "despite": ["orders_are_over"]}
    erased = await found.ask("POST", "/v1/audit/erasures", secret, body=wish)
    assert erased.status_code == 200, erased.text


async def all_of(found: World, secret: str) -> dict[str, Any]:
    """What somebody sees of its merchant: every list, every detail of what is in them. But for who looked:
    to ask changes that."""
    seen: dict[str, Any] = {}
    for each in AT_MERCHANT:
        if each.method == "GET" and "{" not in each.path and each.path != LOOKS:
            answer = await found.ask("GET", each.path, secret)
            assert answer.status_code == 200, answer.text
            is_json = answer.headers["content-type"].startswith("application/json")
            shown = answer.json() if is_json else answer.text
            if is_json:
                for name in ("day_from", "day_to"):  # another day may begin meanwhile
                    shown.pop(name, None)
            seen[each.path] = shown
    for order in seen["/v1/orders"]["items"]:
        path = f"/v1/orders/{order['order_id']}"
        seen[path] = (await found.ask("GET", path, secret)).json()
    for parcel in seen["/v1/shipments"]["items"]:
        path = f"/v1/shipments/{parcel['shipment_id']}"
        seen[path] = (await found.ask("GET", path, secret)).json()
    for key in seen["/v1/api-keys"]["items"]:
        key["last_used_at"] = None
    return seen


async def facts_of_second(found: World) -> int:
    """How much happened at the second merchant."""
    async with await psycopg.AsyncConnection.connect(found.database) as connection:
        row = await (await connection.execute("SELECT count(*) FROM events WHERE merchant = 'm2'")).fetchone()
    assert row
    return int(row[0])


async def test_the_search_finds_what_is_there(two: Two) -> None:
    """Its own merchant sees the markers in every list: else there were nothing to find."""
    seen = await all_of(two.world, two.their_owner)
    for each in LISTS:
        if each.id == "list_looks":
            assert MARK in str(await walk(two.world, LOOKS, two.their_owner))
        elif each.id == "list_carts_by_day":
            assert len(seen[each.path]["items"]) > 1, "days and numbers have no markers"
        elif each.id != "list_users":
            assert MARK in str(seen[each.path]) or THEIR_CURRENCY in str(seen[each.path]), each.path
    answer = await two.world.ask("GET", f"/v1/orders/{THEIR_ORDER}", two.their_owner)
    assert leaks(answer, (MARK,)) == [MARK]
    assert set(two.secrets) & set(str(seen["/v1/users"]["items"]).replace("'", " ").split())


async def check_reads(two: Two) -> None:
    """Nothing of the second merchant's shows in what the first one reads."""
    for secret in (two.owner, two.key):
        text = str([await all_of(two.world, secret), _untyped(await walk(two.world, LOOKS, secret))])
        assert not [mark for mark in (MARK, THEIR_CURRENCY, "76543", *two.secrets) if mark in text]


async def test_what_one_reads_is_its_own(two: Two) -> None:
    await check_reads(two)


async def test_customers_and_guests_see_what_is_for_sale_in_that_shop_alone(two: Two) -> None:
    """Rows that are no person's are hidden from customers elsewhere; what is published is for everybody."""
    customer = await two.world.signed_in("customer", "m2", subject=f"{MARK}-shopper")
    for path in ("", "/products", f"/products/{MARK}-P"):
        as_customer = await two.world.ask("GET", f"/v1/shop{path}", customer)
        as_guest = await two.world.ask("GET", f"/v1/storefront/shop{path}", merchant="m2")
        assert as_customer.status_code == as_guest.status_code == 200
        assert as_customer.json() == as_guest.json()
        assert leaks(as_guest, (MARK,)) == [MARK]
        assert (await two.world.ask("GET", f"/v1/shop{path}", customer, "m1")).status_code == 403
        assert (await two.world.ask("GET", f"/v1/storefront/shop{path}", merchant="m1")).status_code == 403
    assert (await two.world.ask("GET", "/v1/products", customer)).status_code == 403


def with_ids(two: Two, operation: Operation) -> str:
    return operation.at(**two.ids)


@pytest.mark.parametrize(
    "operation",
    [
        e
        for e in OPERATIONS
        if e.method == "GET" and "{" in e.path and e.scope not in ("public", "platform") and e.id not in TREE
    ],
    ids=lambda e: e.id,
)
async def test_ids_of_another_lead_nowhere(two: Two, operation: Operation) -> None:
    for answer in await two.as_first("GET", with_ids(two, operation)):
        assert answer.status_code == 404
        assert not two.leaks(answer)


FILTERS = {
    "order_id": (f"{MARK}-done",),
    "checkout": (f"checkout-{MARK}-done",),
    "q": (MARK, f"checkout-{MARK}", "%", "_"),
    "sku": (THEIR_SKU,),
    "category": (f"{THEIR_CATEGORY}A",),
    "currency": (THEIR_CURRENCY,),
    "actor": ("%",),
    "subject": (f"{MARK}-p", "%"),
    "words": (MARK,),
    "brand": (MARK,),
    "option": ("colour:red",),
    "channel": ("web",),
    "supplier": (MARK,),
    "tag": (f"{MARK}-tag",),
    "customer": (f"customer-{MARK}-done",),
    "carrier": (f"{MARK}-swift",),
    "manifest_id": (f"{MARK}-M1",),
    "invoice_id": (f"{MARK}-I1",),
    "tracking_number": (f"SW-{MARK}-parcel",),
}
CLOSED = {
    "price_from",
    "price_to",
    "in_stock",
    "source",
    "target",
    "type",
    "with_discrepancies",
    "is_open",
    "is_split",
    "status",
    "payment_status",
    "fulfilment_status",
    "cancel_reason",
    "held",
    "hold",
    "discrepancy",
    "kind",
    "tracking_status",
    "unlisted",
    "open",
    "total_min",
    "total_max",
    "trouble",
    "troubled",
    "sort",
    "warehouse",
    "available_below",
    "placed_from",
    "placed_to",
    "since",
    "until",
    "day_from",
    "day_to",
    "days_late_min",
    "expires_before",
    "limit",
    "cursor",
}
"""Parameters that name nothing of anybody's; the lists show the same with them, or less."""


@pytest.mark.parametrize("operation", LISTS, ids=lambda e: e.id)
async def test_filters_find_nothing_of_another(two: Two, operation: Operation) -> None:
    named = {name for name, where in operation.parameters if where == "query"}
    assert named <= FILTERS.keys() | CLOSED, "a new parameter: what of another could it name?"
    for name in named & FILTERS.keys():
        for value in FILTERS[name]:
            theirs = await two.world.ask("GET", operation.path, two.their_owner, params={name: value})
            assert theirs.json()["items"] or value in "%_", f"{name}={value} finds nothing for its owner"
            for answer in await two.as_first("GET", operation.path, params={name: value}):
                assert answer.json()["items"] == []
                assert not two.leaks(answer)


async def check_cursor(two: Two, operation: Operation) -> None:
    """A cursor of the second merchant's list leads the first one through its own."""
    theirs = await two.world.ask("GET", operation.path, two.their_owner, params={"limit": 1})
    cursor = theirs.json()["next_cursor"]
    assert cursor, f"{operation.path}: their list has one page only"
    whole = {str(item) for secret in (two.owner,) for item in await walk(two.world, operation.path, secret)}
    for answer in await two.as_first("GET", operation.path, params={"cursor": cursor}):
        assert answer.status_code == 200
        assert not two.leaks(answer)
        if operation.id != "list_api_keys":  # `last_used_at` moves
            assert {str(item) for item in answer.json()["items"]} <= whole


async def walk(found: World, path: str, secret: str) -> list[Any]:
    items, cursor = [], None
    while True:
        query = {"limit": 200, **({"cursor": cursor} if cursor else {})}
        page = (await found.ask("GET", path, secret, params=query)).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return items


@pytest.mark.parametrize("operation", LISTS, ids=lambda e: e.id)
async def test_cursors_of_another_show_nothing(two: Two, operation: Operation) -> None:
    await check_cursor(two, operation)


async def test_a_cursor_that_is_made_up_shows_nothing(two: Two) -> None:
    """Also one that names the second merchant where there is no such key."""
    for keys in (
        ("newest", "2030-01-01T00:00:00Z", f"{MARK}-zzz"),
        ("newest", "2030-01-01T00:00:00Z", "m2", "x"),
    ):
        for answer in await two.as_first("GET", "/v1/orders", params={"cursor": cursor_of(*keys)}):
            assert not two.leaks(answer)
            assert MARK not in answer.text


@pytest.mark.parametrize("operation", [*AT_MERCHANT, *REACHING], ids=lambda e: e.id)
async def test_naming_another_merchant_is_refused(two: Two, operation: Operation) -> None:
    path, body = with_ids(two, operation), BODIES.get(operation.id)
    before = await facts_of_second(two.world)
    for answer in await two.as_first(operation.method, path, merchant="m2", body=body):
        problem(answer, 403, "forbidden")
        assert not two.leaks(answer)
    unknown = (await two.as_first(operation.method, path, merchant="m9", body=body))[0]
    assert unknown.status_code == 403
    named = (await two.as_first(operation.method, path, merchant="m2", body=body))[0]
    assert unknown.text.replace("m9", "m2") == named.text, "it tells who is a merchant, and who is not"
    assert await facts_of_second(two.world) == before


SPELLINGS = [
    "M2",
    "m2,m1",
    "m1,m2",
    "m1 m2",
    "m1;m2",
    "%6d2",
    "m2/",
    "./m2",
    "../m2",
    ".platform",
    "m2\t",
    " m2",
    "*",
    "m%",
    "null",
    "x" * 201,
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_odd_spellings_reach_nobody(two: Two, spelling: str) -> None:
    for path in ("/v1/orders", f"/v1/orders/{THEIR_ORDER}", "/v1/users", "/v1/merchant"):
        for answer in await two.as_first("GET", path, merchant=spelling):
            assert answer.status_code in (400, 403, 422)
            assert not two.leaks(answer)


@pytest.mark.parametrize("names", [("m1", "m2"), ("m2", "m1"), ("m1", "m1"), ("m1", "")])
async def test_several_headers_are_refused(two: Two, names: tuple[str, str]) -> None:
    """Who stands between may go by another one of them than we do."""
    for secret in (two.owner, await two.world.signed_in("admin", PLATFORM)):
        headers = [("Authorization", f"Bearer {secret}"), *(("tillroll-merchant", name) for name in names)]
        answer = await two.world.client.get("/v1/orders", headers=headers)
        problem(answer, 400, "merchant-unknown")


async def test_several_credentials_are_refused(two: Two) -> None:
    for secrets in ((two.owner, two.their_owner), (two.their_owner, two.owner)):
        headers = [("Authorization", f"Bearer {secret}") for secret in secrets]
        problem(await two.world.client.get("/v1/orders", headers=headers), 401, "unauthenticated")


async def test_a_position_of_another_shows_nothing_of_it(two: Two) -> None:
    for each in AT_MERCHANT:
        if each.method == "GET":
            headers = {"Tillroll-Min-Position": two.position, "Prefer": "wait=20"}
            for answer in await two.as_first("GET", with_ids(two, each), headers=headers):
                assert answer.status_code in (200, 404)
                assert not two.leaks(answer)


RECEIVED = {"sku": "A", "quantity": 5}


async def check_key_is_its_senders(two: Two) -> None:
    """The same idempotency key, sent by others, does their own work, and tells no one what was answered."""
    body, headers = an_order(), {"Idempotency-Key": f"{MARK}-key"}
    theirs = await two.world.ask("POST", "/v1/orders", two.their_owner, body=body, headers=headers)
    again = await two.world.ask("POST", "/v1/orders", two.their_owner, body=body, headers=headers)
    assert (theirs.status_code, again.json()) == (201, theirs.json())
    seen = {theirs.json()["order_id"]}
    staff = await two.world.signed_in("staff", "m1", "orders:write")
    admin = await two.world.signed_in("admin", PLATFORM)
    for secret, merchant in ((two.owner, ""), (two.key, ""), (staff, ""), (admin, "m1"), (admin, "m2")):
        answer = await two.world.ask("POST", "/v1/orders", secret, merchant, body, headers=headers)
        assert answer.status_code == 201, answer.text
        assert answer.json()["order_id"] not in seen, "it was told another's answer"
        seen.add(answer.json()["order_id"])
    for secret in (two.owner, two.key):
        # for another request: whoever used the key before would be told that it was used
        other = await two.world.ask("POST", "/v1/stock/receive", secret, body=RECEIVED, headers=headers)
        assert other.status_code == 422
    fresh = await two.world.signed_in("staff", "m1", "stock:write")
    other = await two.world.ask("POST", "/v1/stock/receive", fresh, body=RECEIVED, headers=headers)
    assert other.status_code == 200, "that another used the key must not show"


async def test_an_idempotency_key_is_its_senders_own(two: Two) -> None:
    await check_key_is_its_senders(two)


ITS_OWN = {"quote_parcel": (f"{MARK}-swift",)}
"""A carrier of the first's own, where `add_carrier` was asked for before."""


@pytest.mark.parametrize("operation", COMMANDS, ids=lambda e: e.id)
async def test_no_command_changes_what_is_anothers(two: Two, operation: Operation) -> None:
    assert operation.has_body == (operation.id in BODIES), "say what it is sent"
    await two.world.settled()
    before = two.last_seen.pop() if two.last_seen else await all_of(two.world, two.their_owner)
    events = await facts_of_second(two.world)
    for answer in await two.as_first(
        operation.method, with_ids(two, operation), body=BODIES.get(operation.id)
    ):
        assert answer.status_code < 500
        assert not two.leaks(answer, *ITS_OWN.get(operation.id, ()))
        if operation.id in (
            "cancel_order",
            "hold_order",
            "release_order",
            "add_order_note",
            "resolve_order_discrepancy",
            "tag_order",
            "untag_order",
            "cancel_order_lines",
            "propose_order_change",
            "confirm_order_change",
            "decline_order_change",
            "add_cart_item",
            "change_cart_quantity",
            "set_cart_contact",
            "choose_cart_shipping",
            "give_cart_payment_method",
            "complete_cart",
            "assign_cart",
            "merge_cart",
            "start_preparation",
            "grant_role",
            "revoke_role",
            "revoke_api_key",
            "capture_payment",
            "refund_payment",
            "void_payment",
            "add_payment",
            "submit_evidence",
            "resolve_discrepancy",
            "remove_payment_method",
        ):
            assert answer.status_code == 404, answer.text
    assert await facts_of_second(two.world) == events
    await two.world.settled()
    after = await all_of(two.world, two.their_owner)
    assert after == before
    two.last_seen.append(after)


async def test_ones_own_sessions_only(two: Two) -> None:
    answer = await two.world.ask("DELETE", f"/v1/auth/sessions/{two.ids['session_id']}", two.owner)
    assert answer.status_code == 404
    assert (await two.world.ask("GET", "/v1/auth/me", two.their_owner)).status_code == 200
    for path in ("/v1/auth/sessions", "/v1/auth/me"):
        assert not two.leaks(await two.world.ask("GET", path, two.owner))


HIDDEN = {
    "cancel_note", "actor", "causation", "discrepancy", "details", "stream", "subject", "customer_unique_id",
    "provider_reference", "trouble", "decline_reason", "warehouse", "preparing", "recorded_at", "position",
    "ship_by", "dispatch_inferred",
}  # fmt: skip


def _names(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield from value
            for each in value.values():
                yield from _names(each)
        case list():
            for each in value:
                yield from _names(each)


async def check_customer(two: Two) -> None:
    """A customer sees its own orders, whole but for what is the merchant's own affair; and nobody else's."""
    ask, customer = two.world.ask, await two.world.signed_in("customer", "m1", subject="subject-p1")
    own = {"own-done", "own-cancelled", "own-open"}
    answer = await ask("GET", "/v1/orders", customer)
    assert answer.status_code == 200, answer.text
    listed = answer.json()
    assert {each["order_id"] for each in listed["items"]} == own
    for query in ({"q": "other"}, {"checkout": "checkout-other"}, {"sort": "largest"}, {"sort": "oldest"}):
        found = (await ask("GET", "/v1/orders", customer, params=query)).json()
        assert {each["order_id"] for each in found["items"]} <= own
    assert (await ask("GET", "/v1/orders/other-done", customer)).status_code == 404
    assert (await ask("GET", f"/v1/orders/{THEIR_ORDER}", customer)).status_code == 404
    detail = (await ask("GET", "/v1/orders/own-done", customer)).json()
    assert [len(detail[part]) for part in ("lines", "payments", "shipments")] == [1, 1, 1]
    assert detail["timeline"][0]["type"] == "OrderPlaced"
    cancelled = (await ask("GET", "/v1/orders/own-cancelled", customer)).json()
    for shown in (listed, detail, cancelled):
        assert not HIDDEN & set(_names(shown))
        assert not [
            word
            for word in ("subject-", "tester", "changed my mind", "not_captured", "Discrepancy")
            if word in str(shown)
        ]


async def test_a_customer_sees_its_own_orders(two: Two) -> None:
    await check_customer(two)
    full = (await two.world.ask("GET", "/v1/orders/own-done", two.owner)).json()
    assert full["discrepancy"]
    assert {"actor", "causation", "details"} <= full["timeline"][0].keys()


async def test_a_customer_is_invited_by_the_id_that_its_orders_have(two: Two) -> None:
    body = {"email": "cara@example.com", "role": "customer", "customer": "c-invited"}
    invited = await two.world.ask("POST", "/v1/users", two.owner, body=body)
    assert invited.status_code == 201, invited.text
    user_id = invited.json()["user_id"]
    await two.world.access.facts.of_user(user_id, JoinUser(user_id=user_id), actor="test")
    customer = (await two.world.session(user_id))[1]
    who = {"customer_id": "c-invited", "zip_prefix": "1", "city": "x"}
    order = an_order(customer=who, order_id="c-invited-1")
    placed = await two.world.ask("POST", "/v1/orders", two.owner, body=order)
    assert placed.status_code == 201, placed.text
    cancel = {"reason": "customer"}
    done = await two.world.ask("POST", "/v1/orders/c-invited-1/cancel", customer, body=cancel)
    assert done.status_code == 200, done.text


async def test_a_customer_acts_for_itself(two: Two) -> None:
    keyring = two.world.trade.keyring
    person, subject = "c-own", subject_of(keyring, "m1", "c-own")
    customer = await two.world.signed_in("customer", "m1", subject=subject)
    ask = two.world.ask

    def order(person: str, **changes: Any) -> dict[str, Any]:
        return an_order(customer={"customer_id": person, "zip_prefix": "1", "city": "x"}, **changes)

    own = order(person, order_id="c-own-1")
    problem(await ask("POST", "/v1/orders", customer, body=own), 403, "forbidden")  # at prices of its own
    placed = await ask("POST", "/v1/orders", two.owner, body=own)
    assert placed.status_code == 201, placed.text
    for order_id in ("other-done", "own-open", "none"):
        cancel = await ask("POST", f"/v1/orders/{order_id}/cancel", customer, body={"reason": "customer"})
        problem(cancel, 403, "forbidden")
        problem(await ask("POST", f"/v1/orders/{order_id}/prepare", customer), 403, "forbidden")
    problem(await ask("POST", "/v1/orders/c-own-1/prepare", customer), 403, "forbidden")
    problem(
        await ask("POST", "/v1/orders/c-own-1/cancel", customer, body={"reason": "fraud"}), 403, "forbidden"
    )
    done = await ask("POST", "/v1/orders/c-own-1/cancel", customer, body={"reason": "customer"})
    assert done.status_code == 200, done.text


async def test_nobody_is_a_customer_of_nobody(two: Two) -> None:
    """Without a person a customer would be staff."""
    body = {"email": "c@example.com", "role": "customer"}
    problem(await two.world.ask("POST", "/v1/users", two.owner, body=body), 409, "conflict")


async def test_staff_can_be_given_every_permission(two: Two) -> None:
    body = {"name": "packers", "permissions": ["orders:fulfil"]}
    assert (await two.world.ask("POST", "/v1/api-keys", two.owner, body=body)).status_code == 201


async def test_the_second_merchants_trade_changes_no_answer_of_the_first(two: Two) -> None:
    """Sums too: they are of nobody's rows but one's own."""
    await two.world.settled()
    before = await all_of(two.world, two.owner)
    more = replace(Bought("m2", f"{MARK}-more", person=f"{MARK}-p"), sku="A", category="toys")
    last = await two.world.append("m2", [*more.life(), *their_carts(9)])
    await two.world.shown(await two.world.key(PLATFORM), last)
    assert await all_of(two.world, two.owner) == before


@pytest.mark.parametrize(
    "more", [(), ("payments:read",), ("shipments:read",), ("payments:read", "shipments:read")]
)
async def test_an_order_shows_its_payments_and_parcels_to_who_may_read_those(
    two: Two, more: tuple[str, ...]
) -> None:
    staff = await two.world.signed_in("staff", "m1", "orders:read", *more)
    detail = (await two.world.ask("GET", "/v1/orders/own-done", staff)).json()
    shown = {f"{kind}s:read": len(detail[f"{kind}s"]) for kind in ("payment", "shipment")}
    assert shown == {permission: int(permission in more) for permission in shown}
    told = {moment["stream"].partition("-")[0] for moment in detail["timeline"]}
    assert told == {"order", *(permission.removesuffix("s:read") for permission in more)}
    assert len(detail["lines"]) == 1
