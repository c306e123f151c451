"""How do the tests of projections and queries get trade into a log? Whole lives of orders, by hand.

The lives are made of events that the deciders would make; the tests say in which order they come.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from domain.carrier import (
    LabelBought,
    ParcelLine,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentRequested,
    ShipmentReturned,
    ShipmentScanned,
)
from domain.cart.events import (
    CartAbandoned,
    CartExpired,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutStarted,
    ItemAdded,
)
from domain.cart.storefront import ShippingMethod, StorefrontSet, StorefrontSettings
from domain.inventory import StockAllocated, StockReceived, StockReleased, StockReserved, StockShipped
from domain.kernel import Event
from domain.merchant import MerchantRegistered
from domain.order import (
    ORDER,
    AddLine,
    AddOrderNote,
    Adjustment,
    ApplyOrderEdit,
    CancelOrderLines,
    ConfirmOrderEdit,
    HoldOrder,
    Line,
    LineQuantity,
    NoteText,
    OrderCancelled,
    OrderCommand,
    OrderCompleted,
    OrderConfirmed,
    OrderDiscrepancyOpened,
    OrderDiscrepancyResolved,
    OrderPlaced,
    OrderReserved,
    OrderShipped,
    Portion,
    ProposeOrderEdit,
    TagOrder,
    Terms,
)
from domain.payment import (
    AuthorizationRequested,
    CaptureRequested,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    Evidence,
    EvidenceFailed,
    EvidenceRequested,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentMismatchOpened,
    PaymentRefunded,
    PaymentVoided,
    RefundRequested,
    VoidRequested,
)
from domain.payment.method import MethodToken, PaymentMethodStored
from domain.personal import Customer
from domain.product import (
    Details,
    PriceSet,
    ProductActivated,
    ProductDrafted,
    ProductImported,
    ProductPublished,
    SkuAssigned,
    Variant,
    VariantAdded,
)
from domain.product.category import CategoryTranslated
from domain.streams import (
    cart_stream,
    category_stream,
    merchant_stream,
    order_stream,
    payment_method_stream,
    payment_stream,
    product_stream,
    shipment_stream,
    stock_stream,
    storefront_stream,
)
from eventstore.bus import MemoryBus
from eventstore.codec import encode, subject_of
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.log import Append, Appended, StreamAppend
from eventstore.postgres import PostgresLog
from eventstore.seams import RandomIds
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels

START = datetime(2018, 3, 1, 12, tzinfo=UTC)
MASTER_KEY = bytes(range(32))
Step = tuple[str, Event]


@dataclass(frozen=True, slots=True)
class Bought:
    """An order in the making: its ids and what it costs."""

    merchant: str
    order_id: str
    checkout_id: str = ""
    sku: str = "A"
    category: str | None = "toys"
    quantity: int = 2
    unit_price_cents: int = 1000
    unit_shipping_cents: int = 150
    adjustments: tuple[Adjustment, ...] = ()
    portions: int = 1
    currency: str = "BRL"
    placed_at: datetime = START
    person: str = "p1"
    estimated_delivery_at: datetime | None = datetime(2018, 3, 10, tzinfo=UTC)

    @property
    def total_cents(self) -> int:
        due = self.quantity * (self.unit_price_cents + self.unit_shipping_cents)
        return due + sum(each.signed_cents for each in self.adjustments)

    @property
    def order(self) -> str:
        return order_stream(self.merchant, self.order_id)

    @property
    def stock(self) -> str:
        return stock_stream(self.merchant, self.sku, "main")

    @property
    def shipment(self) -> str:
        return shipment_stream(self.merchant, self.order_id)

    def amounts(self) -> list[int]:
        part = self.total_cents // self.portions
        return [*([part] * (self.portions - 1)), self.total_cents - part * (self.portions - 1)]

    def payments(self) -> Iterator[tuple[str, str, int]]:
        for number, cents in enumerate(self.amounts(), 1):
            name = f"{self.order_id}.{number}"
            yield payment_stream(self.merchant, name), name, cents

    def _customer(self) -> Customer:
        return Customer(
            customer_id=f"customer-{self.order_id}",
            customer_unique_id=self.person,
            zip_prefix="01310",
            city="São Paulo",
            name=f"Ana {self.order_id}",
            street="Rua Augusta 1000\napto 21",
            country="BR",
            phone="+55 11 91234-5678",
            email="ana@example.com",
            note="ring twice",
        )

    def placing(self) -> list[Step]:
        line = Line(
            line=1,
            sku=self.sku,
            category=self.category,
            quantity=self.quantity,
            unit_price_cents=self.unit_price_cents,
            unit_shipping_cents=self.unit_shipping_cents,
            ship_by=self.placed_at + timedelta(days=3),
        )
        event = OrderPlaced(
            order_id=self.order_id,
            checkout_id=self.checkout_id or f"checkout-{self.order_id}",
            subject=f"subject-{self.person}",
            customer=self._customer(),
            ship_to_state="SP",
            shipping_method="express",
            currency=self.currency,
            lines=(line,),
            adjustments=self.adjustments,
            portions=tuple(
                Portion(payment_id=name, method="credit_card", amount_cents=cents, sequence=number)
                for number, (_, name, cents) in enumerate(self.payments(), 1)
            ),
            total_cents=self.total_cents,
            estimated_delivery_at=self.estimated_delivery_at,
            terms=Terms(),
        )
        held = {"order_id": self.order_id, "sku": self.sku, "warehouse": "main", "quantity": self.quantity}
        expires_at = self.placed_at + timedelta(hours=1)
        return [
            (self.order, event),
            (self.stock, StockReserved(**held, expires_at=expires_at)),
            (self.order, OrderReserved(order_id=self.order_id)),
        ]

    def paying(self) -> list[Step]:
        steps: list[Step] = []
        happened_at = self.placed_at + timedelta(minutes=10)
        for stream, name, cents in self.payments():
            ids = {"payment_id": name, "order_id": self.order_id, "amount_cents": cents}
            steps += [
                (stream, AuthorizationRequested(**ids, currency=self.currency, method="credit_card")),
                (stream, PaymentAuthorized(**ids, provider_reference=f"ref-{name}", happened_at=happened_at)),
            ]
        return [*steps, (self.order, OrderConfirmed(order_id=self.order_id))]

    def shipping(self) -> list[Step]:
        ids = {"shipment_id": self.order_id, "order_id": self.order_id}
        held = {"order_id": self.order_id, "sku": self.sku, "warehouse": "main", "quantity": self.quantity}
        told = self.placed_at + timedelta(days=2)
        requested = ShipmentRequested(
            **ids,
            subject=f"subject-{self.person}",
            recipient=self._customer(),
            ship_to_state="SP",
            units=self.quantity,
            lines=(ParcelLine(sku=self.sku, warehouse="main", quantity=self.quantity),),
        )
        steps: list[Step] = [
            (self.stock, StockAllocated(**held)),
            (self.shipment, requested),
            (self.shipment, LabelBought(**ids, carrier="post", tracking_number=f"T{self.order_id}")),
            (self.shipment, ShipmentDispatched(**ids, happened_at=told)),
            (
                self.shipment,
                ShipmentScanned(**ids, scan_id=f"{self.order_id}.1", type="collected", happened_at=told),
            ),
            (self.stock, StockShipped(**held)),
            (self.order, OrderShipped(order_id=self.order_id)),
        ]
        for stream, name, cents in self.payments():
            moved = {
                "payment_id": name,
                "order_id": self.order_id,
                "capture_id": f"{name}.capture",
                "amount_cents": cents,
            }
            steps += [
                (stream, CaptureRequested(**moved)),
                (stream, PaymentCaptured(**moved, happened_at=told)),
            ]
        return steps

    def delivering(self, at: datetime | None = None) -> list[Step]:
        ids = {"shipment_id": self.order_id, "order_id": self.order_id}
        at = at or self.placed_at + timedelta(days=5)
        delivered = ShipmentDelivered(**ids, scan_id=f"{self.order_id}.2", happened_at=at)
        return [(self.shipment, delivered), (self.order, OrderCompleted(order_id=self.order_id))]

    def returning(self) -> list[Step]:
        ids = {"shipment_id": self.order_id, "order_id": self.order_id}
        returned = ShipmentReturned(**ids, scan_id=f"{self.order_id}.3", happened_at=None)
        steps: list[Step] = [(self.shipment, returned)]
        for stream, name, cents in self.payments():
            moved = {
                "payment_id": name,
                "order_id": self.order_id,
                "refund_id": f"{name}.refund",
                "amount_cents": cents,
            }
            steps += [(stream, RefundRequested(**moved)), (stream, PaymentRefunded(**moved))]
        return [*steps, (self.order, OrderCancelled(order_id=self.order_id, reason="returned"))]

    def changing(self) -> list[Step]:
        """Once it is confirmed: a unit is called off, a line added, and staff holds it, notes and tags it."""
        dearer = Line(
            line=2, sku="B", category="books", quantity=3, unit_price_cents=500, unit_shipping_cents=20
        )
        ids = {"order_id": self.order_id}
        at, until = self.placed_at, self.placed_at + timedelta(days=1)
        edit = {**ids, "change_set_id": "e1"}
        commands: tuple[OrderCommand, ...] = (
            CancelOrderLines(
                **ids, cancel_id="c1", reason="stock", lines=(LineQuantity(line=1, quantity=1),)
            ),
            ProposeOrderEdit(**edit, changes=(AddLine(line=dearer),), now=at, expires_at=until),
            ConfirmOrderEdit(**edit, now=at),
            ApplyOrderEdit(**edit),
            HoldOrder(**ids, hold_id="h1", reason="fraud"),
            AddOrderNote(**ids, note_id="n1", subject=f"subject-{self.person}", text=NoteText(text="Friday")),
            TagOrder(**ids, tag="gift"),
        )
        events = [self.placing()[0][1], OrderConfirmed(order_id=self.order_id)]
        before = len(events)
        for command in commands:
            events += ORDER.decide(command, ORDER.fold(events))  # type: ignore[arg-type]
        return [(self.order, event) for event in events[before:]]

    def cancelling(self) -> list[Step]:
        """Once it is paid, before it is shipped."""
        held = {"order_id": self.order_id, "sku": self.sku, "warehouse": "main", "quantity": self.quantity}
        steps: list[Step] = [
            (self.order, OrderCancelled(order_id=self.order_id, reason="customer", note="changed my mind")),
            (self.stock, StockReleased(**held)),
        ]
        for stream, name, cents in self.payments():
            ids = {"payment_id": name, "order_id": self.order_id}
            steps += [(stream, VoidRequested(**ids)), (stream, PaymentVoided(**ids, amount_cents=cents))]
        return steps

    def contesting(self) -> list[Step]:
        """A dispute that is lost and one that is won, a difference that is open, a method that is stored."""
        stream, payment_id, _ = next(self.payments())
        ids = {"payment_id": payment_id, "order_id": self.order_id}
        lost, won = f"{self.order_id}.d1", f"{self.order_id}.d2"
        evidence = {"subject": self.person, "evidence": Evidence(text="signed for")}
        events: list[Event] = [
            DisputeOpened(**ids, dispute_id=lost, amount_cents=7),
            EvidenceRequested(**ids, dispute_id=lost, evidence_id="e1", **evidence),
            EvidenceFailed(**ids, dispute_id=lost, evidence_id="e1", reason="too late"),
            DisputeLost(**ids, dispute_id=lost, amount_cents=7),
            DisputeOpened(**ids, dispute_id=won, amount_cents=5),
            DisputeWon(**ids, dispute_id=won, amount_cents=5),
            PaymentMismatchOpened(**ids, kind="captured_differs", ours_cents=3, theirs_cents=4),
        ]
        method = PaymentMethodStored(
            method_id=self.order_id, subject=self.person, token=MethodToken(token=f"pm_{self.order_id}")
        )
        stored: Step = (payment_method_stream(self.merchant, self.order_id), method)
        return [*((stream, event) for event in events), stored]

    def contradicting(self) -> list[Step]:
        """One stays open; two were resolved as a whole, and one of them for itself once told again."""
        ids = {"order_id": self.order_id}
        card, other = f"{self.order_id}.1", f"{self.order_id}.2"
        not_voided = OrderDiscrepancyOpened(**ids, kind="not_voided", about=card, fact="e1")
        not_captured = OrderDiscrepancyOpened(**ids, kind="not_captured", about=card, fact="e2")
        events = (
            not_voided,
            not_captured,
            OrderDiscrepancyOpened(**ids, kind="not_captured", about=other, fact="e3"),
            OrderDiscrepancyResolved(**ids, kind="not_captured", reason="paid in cash"),
            OrderDiscrepancyOpened(**ids, kind="not_shippable", about=self.order_id, fact="e4"),
            not_captured.model_copy(update={"fact": "e5"}),
            OrderDiscrepancyResolved(**ids, kind="not_shippable", reason="fetched by the customer"),
            OrderDiscrepancyResolved(**ids, kind="not_captured", about=card, reason="paid in cash again"),
        )
        return [(self.order, event) for event in events]

    def life(self) -> list[Step]:
        return [*self.placing(), *self.paying(), *self.shipping(), *self.delivering()]


def setting_up(merchant: str, sku: str = "A", quantity: int = 1000) -> list[Step]:
    """A merchant with a product, a category and stock."""
    registered = MerchantRegistered(merchant_id=merchant, zip_prefix="01310", city="São Paulo", state="SP")
    return [
        (merchant_stream(merchant), registered),
        (category_stream(merchant, "toys"), CategoryTranslated(category="toys", english="Toys")),
        (product_stream(merchant, sku), ProductImported(sku=sku, category="toys", weight_g=500)),
        (
            stock_stream(merchant, sku, "main"),
            StockReceived(sku=sku, warehouse="main", quantity=quantity, reference="opening"),
        ),
    ]


def a_product(merchant: str, product_id: str = "MUG", category: str = "toys") -> list[Step]:
    """A product that is for sale on the channel `web`, in one variant."""
    sku, stream = f"{product_id}-1", product_stream(merchant, product_id)
    name = f"Name of {product_id}"
    details = Details(name=name, brand=product_id[:8], category=category, options=("colour",))
    measures = {"weight_g": 1, "length_cm": 2, "height_cm": 3, "width_cm": 4}
    variant = Variant(sku=sku, options=("red",), gtin="4006381333931", **measures)
    price = {"product_id": product_id, "sku": sku, "channel": "web", "currency": "EUR", "price_cents": 990}
    return [
        (stream, ProductDrafted(product_id=product_id, details=details)),
        (product_stream(merchant, sku), SkuAssigned(sku=sku, product_id=product_id)),
        (stream, VariantAdded(product_id=product_id, variant=variant)),
        (stream, PriceSet(**price, valid_from=START, set_at=START)),
        (stream, PriceSet(**price, valid_from=START + timedelta(days=9), set_at=START)),
        (stream, ProductPublished(product_id=product_id, channel="web")),
        (stream, ProductActivated(product_id=product_id)),
    ]


def some_carts(merchant: str, name: str = "") -> list[Step]:
    """One that became an order and misses another, one that was left and expired."""
    names = [f"{name or merchant}cart{number}" for number in range(2)]
    bought, left = (cart_stream(merchant, each) for each in names)
    ids = [{"cart_id": each} for each in names]
    start = {"merchant": merchant, "currency": "BRL"}
    done = {"total_cents": 2000, "orders_count": 1}
    ships = ShippingMethod(method="standard", name=names[0], currency="BRL", amount_cents=300)
    settings = StorefrontSettings(guests=True, shipping=(ships,))
    return [
        (storefront_stream(merchant), StorefrontSet(settings=settings)),
        (bought, CheckoutStarted(**ids[0], **start)),
        (bought, ItemAdded(**ids[0], line=1, merchant=merchant, sku="A", quantity=2, unit_price_cents=1000)),
        (bought, CheckoutClaimed(**ids[0], **done, claim=1, expires_at=START)),
        (bought, CheckoutCompleted(**ids[0], **done, missing_count=1)),
        (left, CheckoutStarted(**ids[1], **start, subject="subject-p1")),
        (left, CartAbandoned(**ids[1], currency="BRL", lines_count=1, total_cents=500)),
        (left, CartExpired(**ids[1])),
    ]


@dataclass(slots=True)
class Trade:
    """A log on Postgres with its bus, feed and keys, and what was appended to it."""

    log: PostgresLog
    bus: MemoryBus
    feed: Feed
    keyring: Keyring
    ids: RandomIds = field(default_factory=RandomIds)
    versions: dict[str, int] = field(default_factory=dict)

    async def append(self, merchant: str, steps: Sequence[Step], at: datetime = START) -> int:
        """One append for each run of steps of the same stream; the last position."""
        last = 0
        for stream, event in steps:
            subject = subject_of(event)
            if subject:
                await self.keyring.ensure([subject])
            version = self.versions.get(stream, 0)
            new = (encode(event, self.ids, self.keyring),)
            outcome = await self.log.append(
                Append(
                    command_id=uuid4(),
                    merchant=merchant,
                    correlation=stream,
                    causation="test",
                    occurred_at=at,
                    streams=(StreamAppend(stream, version, new),),
                    metadata=b'{"actor":"tester"}',
                )
            )
            assert isinstance(outcome, Appended)
            self.versions[stream] = version + 1
            last = outcome.last_position
            await self.bus.publish(await self.log.read(last - 1, 1))
        return last

    def runner(self, **options: object) -> ProjectionRunner:
        return ProjectionRunner(self.feed, PostgresReadModels(self.log.pool), self.keyring, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def open_trade(database: str) -> AsyncIterator[Trade]:
    async with await PostgresLog.connect(database) as log:
        bus = MemoryBus()
        keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
        async with Feed(log, bus).running() as feed:
            yield Trade(log, bus, feed, keyring)
