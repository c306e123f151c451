"""What may be sent to a cart and to a storefront."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.cart.commands import (
    AbandonCart,
    AddItem,
    AssignCart,
    Buyer,
    ChangeItemQuantity,
    ChooseShipping,
    ClaimCheckout,
    ExpireCart,
    MergeCart,
    Offer,
    Payment,
    RecordCheckoutOrder,
    ReleaseCheckout,
    RequestCheckoutOrders,
    SetContact,
    StartCheckout,
)
from domain.cart.events import CartTerms, Contact, ShippingCharge
from domain.cart.orders import checkout_id_of, order_number
from domain.cart.storefront import (
    SetStorefront,
    ShippingMethod,
    ShippingService,
    StorefrontSettings,
)
from domain.kernel import Command
from domain.personal import Erased, Sealed

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CONTACT = Contact(customer_id="c1", customer_unique_id="c1", email="ana@example.com")
MERCHANTS = ("m1", "m2")

cents = st.sampled_from([0, 1, 99, 100])
quantities = st.integers(1, 4)
waits = st.none() | st.integers(0, 2)
subjects = st.sampled_from(["p1", "p2"])
contacts = st.sampled_from([CONTACT, Sealed(sealed="bm9uY2U="), Erased()])
charges = st.lists(
    st.builds(ShippingCharge, merchant=st.sampled_from(MERCHANTS), amount_cents=cents), max_size=2
).map(tuple)
offers = st.lists(
    st.builds(
        Offer,
        line=st.integers(1, 3),
        unit_price_cents=st.none() | cents,
        available=st.none() | quantities,
        room=st.integers(0, 2),
        on_sale=st.sampled_from([True, True, True, False]),
    ),
    max_size=2,
    unique_by=lambda offer: offer.line,
).map(tuple)
BUYERS = tuple(Buyer(merchant=m, subject="p1", customer=Sealed(sealed="bm9uY2U=")) for m in MERCHANTS)
payments = st.sampled_from([(), (Payment(name="card", method="card"),)])
numbers = st.sampled_from([order_number(checkout_id_of("m1", "k1"), m) for m in MERCHANTS] + ["o1"])

_cart: dict[str, Any] = {"cart_id": st.just("k1")}
CART_COMMANDS: dict[type[Command], SearchStrategy[Any]] = {
    StartCheckout: st.builds(
        StartCheckout,
        **_cart,
        merchant=st.just("m1"),
        currency=st.just("BRL"),
        subject=st.sampled_from(["", "", "p1"]),
        terms=st.builds(CartTerms, claim_valid_s=st.sampled_from([1, 60])),
    ),
    AddItem: st.builds(
        AddItem,
        **_cart,
        merchant=st.sampled_from(["m1", "m1", "m2"]),
        sku=st.sampled_from(["A-1", "B.2"]),
        quantity=quantities,
        unit_price_cents=cents,
        waits=waits,
    ),
    ChangeItemQuantity: st.builds(
        ChangeItemQuantity, **_cart, line=st.integers(1, 3), quantity=st.integers(0, 3), waits=waits
    ),
    SetContact: st.builds(SetContact, **_cart, subject=subjects, contact=contacts),
    ChooseShipping: st.builds(ChooseShipping, **_cart, method=st.just("std"), charges=charges),
    AssignCart: st.builds(AssignCart, **_cart, subject=subjects),
    MergeCart: st.builds(MergeCart, **_cart, into=st.just("k2"), activity=st.integers(1, 5)),
    ClaimCheckout: st.builds(
        ClaimCheckout,
        **_cart,
        now=st.integers(0, 3).map(lambda hour: NOON + timedelta(hours=hour)),
        seen_total_cents=st.sampled_from([0, 1, 99, 100, 200, 300]),
        offers=offers,
        buyers=st.just(BUYERS),
        payments=payments,
        on_account=st.booleans(),
    ),
    RequestCheckoutOrders: st.builds(RequestCheckoutOrders, **_cart, claim=st.integers(1, 2)),
    RecordCheckoutOrder: st.builds(
        RecordCheckoutOrder,
        **_cart,
        merchant=st.sampled_from(MERCHANTS),
        order_id=numbers,
        total_cents=cents,
        claim=st.sampled_from([None, 1, 2]),
    ),
    ReleaseCheckout: st.builds(
        ReleaseCheckout, **_cart, claim=st.integers(1, 2), reason=st.just("unfinished")
    ),
    AbandonCart: st.builds(AbandonCart, **_cart, activity=st.integers(1, 5)),
    ExpireCart: st.builds(ExpireCart, **_cart, activity=st.integers(1, 5)),
    SetStorefront: st.builds(
        SetStorefront,
        settings=st.builds(
            StorefrontSettings,
            guests=st.booleans(),
            shipping=st.lists(
                st.builds(
                    ShippingMethod,
                    method=st.sampled_from(["std", "express"]),
                    currency=st.just("BRL"),
                    amount_cents=cents,
                    services=st.sampled_from([(), (ShippingService(carrier="swift", service="express"),)]),
                ),
                max_size=2,
            ).map(tuple),
        ),
    ),
}
CART_OPENING = (
    StartCheckout(cart_id="k1", merchant="m1", currency="BRL"),
    AddItem(cart_id="k1", merchant="m1", sku="A-1", quantity=1, unit_price_cents=100),
    SetContact(cart_id="k1", subject="p1", contact=CONTACT),
)
