"""Trade beside orders: a cart that was left, one that became an order, a scheduled price, a purchase."""

from __future__ import annotations

from datetime import timedelta

from domain.cart.commands import AddItem, Buyer, ClaimCheckout, Payment, SetContact, StartCheckout
from domain.cart.events import CartTerms, Contact
from domain.inventory.purchase_order import (
    PlacePurchaseOrder,
    PurchaseLine,
    ReceivedItem,
    ReceivePurchase,
)
from domain.kernel import Command
from domain.personal import Customer
from domain.product import AddVariant, DraftProduct, SetPrice
from domain.product.values import Details, Variant
from domain.streams import cart_stream, product_stream, purchase_stream
from eventstore.seams import WallClock
from services.scheduler import Scheduler
from tests.integration.trade import MERCHANT, NOW, Trade

OTHER = "n"
LEFT, BOUGHT = cart_stream(MERCHANT, "left"), cart_stream(MERCHANT, "bought")
PRICED, PURCHASE = product_stream(MERCHANT, "a-1"), purchase_stream(MERCHANT, "p1")
TERMS = CartTerms(abandon_after_s=3600, expire_after_s=7200, claim_valid_s=60)
_SET_CLOCK = (
    "INSERT INTO business_clocks VALUES ('c1', %s) ON CONFLICT (clock) DO UPDATE SET now = excluded.now"
)


async def until(trade: Trade, hours: float) -> None:
    """Let the business clock come to so many hours after NOW, and all that is due then happen."""
    async with trade.log.pool.connection() as connection:
        await connection.execute(_SET_CLOCK.encode(), (NOW + timedelta(hours=hours),))
    await trade.rest()
    while await Scheduler(trade.executor, trade.log.database, WallClock()).reach():
        await trade.rest()


async def given(trade: Trade, stream: str, command: Command) -> None:
    """It must be taken: what else a test sees would be of less than it thinks."""
    done = await trade.command(stream, command)
    assert not done.refused, done.refused


async def fill(trade: Trade, cart: str) -> None:
    """A cart with two units of `a` of each of two merchants, of somebody."""
    cart_id = cart.rpartition(".")[2]
    start = StartCheckout(cart_id=cart_id, merchant=MERCHANT, currency="BRL", terms=TERMS)
    await given(trade, cart, start)
    for merchant in (MERCHANT, OTHER):
        item = AddItem(cart_id=cart_id, merchant=merchant, sku="a", quantity=2, unit_price_cents=500)
        await trade.command(cart, item, merchant)
    contact = Contact(customer_id="1", customer_unique_id="u", email="ana@example.com")
    await given(trade, cart, SetContact(cart_id=cart_id, subject="ana", contact=contact))


async def claim(trade: Trade, cart: str) -> None:
    """Press "place order", and break down: nobody places what was planned."""
    customer = Customer(customer_id="1", customer_unique_id="u", zip_prefix="01000", city="sao paulo")
    command = ClaimCheckout(
        cart_id=cart.rpartition(".")[2],
        now=NOW,
        seen_total_cents=2000,
        buyers=tuple(Buyer(merchant=each, subject="ana", customer=customer) for each in (MERCHANT, OTHER)),
        payments=(Payment(name="card", method="card"),),
    )
    await given(trade, cart, command)


async def schedule(trade: Trade) -> None:
    """A price that holds in five hours."""
    await given(trade, PRICED, DraftProduct(product_id="a-1", details=Details(name="A")))
    await given(trade, PRICED, AddVariant(product_id="a-1", variant=Variant(sku="a-1")))
    price = SetPrice(
        product_id="a-1", sku="a-1", channel="web", currency="BRL", price_cents=700,
        valid_from=NOW + timedelta(hours=5), now=NOW,
    )  # fmt: skip
    await given(trade, PRICED, price)


async def purchase(trade: Trade) -> None:
    line = PurchaseLine(sku="a", quantity=5, unit_cost_cents=100)
    order = PlacePurchaseOrder(
        purchase_id="p1", supplier="ACME", warehouse="main", currency="BRL", lines=(line,)
    )
    await given(trade, PURCHASE, order)
    came = (ReceivedItem(sku="a", quantity=5),)
    await given(trade, PURCHASE, ReceivePurchase(purchase_id="p1", receipt_id="r1", items=came))


async def trade_beside(trade: Trade) -> None:
    """All of it, up to six hours after NOW; then the agents rest."""
    await trade.stock("a", 9)
    await fill(trade, LEFT)
    await fill(trade, BOUGHT)
    await claim(trade, BOUGHT)
    await schedule(trade)
    await purchase(trade)
    await until(trade, 0.5)
    await until(trade, 6)
