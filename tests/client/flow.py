"""A shop that knows the API by nothing but the client that was generated from its document: from the first
product to key figures, by way of warehouses, parcels, edits, refunds and disputes.

`python -m tests.client.flow ADDRESS EMAIL PASSWORD PAYMENT_WORLD CARRIER_WORLD` with the package
`tillroll_client` on the path: of an admin of the platform, and where `tillroll up` plays the bank and the
carrier. It is a program of its own, and is checked by mypy --strict as one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tillroll_client.api.carriers import add_carrier, publish_rate_card, quote_parcel
from tillroll_client.api.carts import add_cart_item, complete_cart, get_cart, set_cart_contact, start_cart
from tillroll_client.api.catalogue import activate_product, draft_product, publish_product, search_products
from tillroll_client.api.orders import (
    cancel_order_lines,
    count_orders,
    export_orders,
    hold_order,
    list_orders,
    place_order,
    release_order,
)
from tillroll_client.api.payments import list_payments, refund_payment
from tillroll_client.api.sales import get_kpis, list_sales_by_product
from tillroll_client.api.shipments import get_label, get_shipment
from tillroll_client.api.stock import list_stock, list_stock_movements, receive_stock, set_stock_rules
from tillroll_client.models import (
    AddCarrierBody,
    Band,
    CancelLinesBody,
    CancelLinesBodyReason,
    ChannelBody,
    CheckoutPaymentBody,
    CompleteBody,
    ContactBody,
    CustomerBody,
    CutBody,
    DraftBody,
    HoldBody,
    HoldBodyReason,
    ItemBody,
    LineBody,
    ListOrdersStatusType0,
    OrderDetail,
    OrderDetailStatus,
    PageOfOrder,
    PaymentBody,
    PlaceOrderBody,
    PriceAmountBody,
    PricedVariantBody,
    ProblemDocument,
    QuoteBody,
    RateCardBody,
    ReceiveStockBody,
    RefundBody,
    ReleaseBody,
    Service,
    StartCartBody,
    StockRulesBody,
    Zone,
)
from tillroll_client.types import File

from tests.client import changes, disputes, figures, goods, parcels
from tests.client.outside import World
from tests.client.shop import CHANNEL, WAIT, Shop, good, opened

SKU, PRICE_CENTS = "MUG-RED", 4990


@dataclass(frozen=True)
class FirstTrade(Shop):
    """From the first product to the refund."""

    def set_up(self) -> None:
        """One product with its price and a carrier with its rates; more may be ordered than is there."""
        variant = PricedVariantBody(SKU, prices=[PriceAmountBody(CHANNEL, "BRL", PRICE_CENTS)])
        product = DraftBody(name="Mug, red", product_id="MUG", variants=[variant])
        good(draft_product.sync(client=self.api, body=product))
        good(publish_product.sync("MUG", client=self.api, body=ChannelBody(CHANNEL)))
        at = good(activate_product.sync("MUG", client=self.api)).position
        asked = search_products.sync(client=self.api, words="red mug", tillroll_min_position=at, prefer=WAIT)
        found = good(asked)
        assert [each.product_id for each in found.items] == ["MUG"], found
        good(add_carrier.sync("swift", client=self.api, body=AddCarrierBody("Swift Courier")))
        express = Service("express", 2, [Zone("all", ["*"])], [Band("all", up_to_g=30_000, cents=990)])
        card = RateCardBody(expected_version=0, currency="BRL", services=[express])
        good(publish_rate_card.sync("swift", client=self.api, body=card))
        good(receive_stock.sync(client=self.api, body=ReceiveStockBody(SKU, 2)))
        good(set_stock_rules.sync(client=self.api, body=StockRulesBody(SKU, backorder_limit=5)))

    def buy(self, quantity: int) -> str:
        """The order that a cart became."""
        cart_id = good(start_cart.sync(client=self.api, body=StartCartBody("BRL", channel=CHANNEL))).cart_id
        good(add_cart_item.sync(cart_id, client=self.api, body=ItemBody(SKU, quantity)))
        contact = ContactBody("ana@example.com", name="Ana", city="São Paulo", ship_to_state="SP")
        good(set_cart_contact.sync(cart_id, client=self.api, body=contact))
        seen = good(get_cart.sync(cart_id, client=self.api))
        assert (seen.total_cents, seen.changes) == (quantity * PRICE_CENTS, []), seen
        wrong = complete_cart.sync(cart_id, client=self.api, body=CompleteBody(1, on_account=True))
        assert isinstance(wrong, ProblemDocument), wrong
        assert (wrong.status, wrong.rule) == (409, "as_seen"), wrong
        pay = CompleteBody(seen.total_cents, payments=[CheckoutPaymentBody("credit_card", "card")])
        completed = [
            good(complete_cart.sync(cart_id, client=self.api, body=pay, idempotency_key=cart_id))
            for _ in range(2)  # a double click
        ]
        (order,) = completed[0].orders
        assert completed[1].orders == [order], completed
        shown = self.order(order.order_id, completed[1].position)  # it reads what it wrote
        assert shown.total_cents == seen.total_cents, shown
        return order.order_id

    def order_more_than_there_is(self) -> str:
        """Of what may be ordered back, straight from a market place."""
        line = LineBody(SKU, quantity=3, unit_price_cents=PRICE_CENTS)
        order = PlaceOrderBody(
            CustomerBody("c-4711", city="São Paulo", zip_prefix="01310"),
            "BRL",
            [line],
            channel="market",
            ship_to_state="SP",
            payments=[PaymentBody("credit_card", 3 * PRICE_CENTS, "card")],
        )
        return good(place_order.sync(client=self.api, body=order)).order_id

    def cut(self, order_id: str) -> None:
        """A unit is called off while the order waits for stock, and is held."""
        hold = HoldBody(HoldBodyReason.OTHER, hold_id="call", note="they will call back")
        good(hold_order.sync(order_id, client=self.api, body=hold))
        lines = CancelLinesBody([CutBody(line=1, quantity=1)], CancelLinesBodyReason.CUSTOMER)
        at = good(cancel_order_lines.sync(order_id, client=self.api, body=lines)).position
        order = self.order(order_id, at)
        assert (order.held, order.units_count, order.total_cents) == (True, 2, 2 * PRICE_CENTS), order

    def release(self, order_id: str) -> None:
        """Goods come in, and the hold is let go."""
        good(receive_stock.sync(client=self.api, body=ReceiveStockBody(SKU, 5)))
        good(release_order.sync(order_id, "call", client=self.api, body=ReleaseBody()))

    def delivered(self, order_id: str) -> OrderDetail:
        """Once the carrier has done the rest."""
        order = self.reached(order_id, lambda order: order.status is OrderDetailStatus.COMPLETED)
        assert order.captured_cents == order.total_cents == 2 * PRICE_CENTS, order
        return order

    def check_parcel(self, order: OrderDetail) -> None:
        (parcel,) = order.shipments
        shipment = good(get_shipment.sync(parcel.shipment_id, client=self.api))
        assert (shipment.carrier, shipment.service, shipment.quoted_cents) == ("swift", "express", 990)
        assert shipment.delivered_at is not None, shipment
        label = good(get_label.sync(parcel.shipment_id, client=self.api))
        assert isinstance(label, File), label
        assert label.payload.read(5) == b"%PDF-"
        options = good(quote_parcel.sync(client=self.api, body=QuoteBody(units=1, region="SP"))).options
        assert [each.cents for each in options] == [990], options

    def refund(self, order: OrderDetail) -> None:
        (payment,) = order.payments
        too_much = RefundBody(order.captured_cents + 1)
        refused = refund_payment.sync(payment.payment_id, client=self.api, body=too_much)
        assert isinstance(refused, ProblemDocument), refused
        assert refused.rule == "refund_within_captured", refused
        good(refund_payment.sync(payment.payment_id, client=self.api, body=RefundBody(1000, "scratch")))
        refunded = self.reached(order.order_id, lambda order: order.refunded_cents == 1000)
        assert refunded.status is OrderDetailStatus.COMPLETED, refunded

    def check_books(self, order: OrderDetail) -> None:
        """What lists, sums and files tell of it."""
        completed = ListOrdersStatusType0.COMPLETED
        page = good(list_orders.sync(client=self.api, status=completed))
        assert isinstance(page, PageOfOrder), "staff is shown all of them"
        listed = {each.order_id: each.refunded_cents for each in page.items}
        assert listed[order.order_id] == 1000, listed
        counts = {each.name: each.orders_count for each in good(count_orders.sync(client=self.api)).status}
        assert counts.get("completed") == len(listed) == 2, counts
        payments = good(list_payments.sync(client=self.api)).items
        kept = sum(each.captured_cents - each.refunded_cents for each in payments)
        assert kept == 4 * PRICE_CENTS - 1000, payments
        (stock,) = good(list_stock.sync(client=self.api, sku=SKU)).items
        assert (stock.on_hand, stock.available, stock.committed) == (3, 3, 0), stock
        moves = good(list_stock_movements.sync(client=self.api, sku=SKU)).items
        assert moves[0].on_hand == 3, moves
        (kpis,) = good(get_kpis.sync(client=self.api)).items
        assert (kpis.orders_count, kpis.refunded_cents) == (2, 1000), kpis
        (sold,) = good(list_sales_by_product.sync(client=self.api, currency="BRL")).items
        assert sold.sku == SKU, sold
        exported = good(export_orders.sync(client=self.api))
        assert isinstance(exported, File), exported
        assert order.order_id.encode() in exported.payload.read()


def trade_in_one_place(shop: FirstTrade) -> str:
    """The order that is bought, delivered and refunded in part; another is cut while it waits for goods."""
    shop.set_up()
    order = shop.delivered(shop.buy(2))
    shop.check_parcel(order)
    shop.refund(order)
    waiting = shop.order_more_than_there_is()
    shop.cut(waiting)
    shop.release(waiting)
    shop.delivered(waiting)
    shop.check_books(order)
    return order.order_id


def main(address: str, email: str, password: str, bank: str, carrier: str) -> None:
    shop = FirstTrade(opened(address, email, password).api)
    order_id = trade_in_one_place(shop)
    for have_goods in (goods.set_up, goods.buy, goods.move, goods.count):
        have_goods(shop)
    parcels.sell_from_two(shop, World(carrier))
    changes.trade(shop)
    disputes.trade(shop, World(bank))
    figures.check(shop)
    print(f"{order_id} is bought and refunded in part, {parcels.ORDER} comes from two warehouses,")
    print(f"{changes.ORDER} is edited and called off, and of two disputes one is won")


if __name__ == "__main__":
    main(*sys.argv[1:])
