"""Can two things ever share a stream, and does a stream's name fit a NATS subject?"""

from __future__ import annotations

import re

import pytest

from domain.aggregates import AGGREGATES, aggregate_of, checked_stream
from domain.streams import (
    api_key_stream,
    carrier_invoice_stream,
    carriers_stream,
    cart_stream,
    category_stream,
    deadline_stream,
    encode_part,
    erasure_stream,
    mail_stream,
    manifest_stream,
    merchant_stream,
    order_stream,
    parked_stream,
    payment_method_stream,
    payment_stream,
    product_stream,
    purchase_stream,
    shipment_stream,
    stock_stream,
    stocktake_stream,
    storefront_stream,
    stream_name,
    stream_parts,
    track_record_stream,
    transfer_stream,
    user_stream,
)


def test_names_a_stream_by_its_parts() -> None:
    assert stock_stream("m1", "A-1", "main") == "stock-m1.A%2D1.main"
    assert stock_stream("%2E", "m", "w") == "stock-%252E.m.w"
    assert stock_stream("m.1", "*>", "São Paulo") == "stock-m%2E1.%2A%3E.S%C3%A3o%20Paulo"


def test_what_needs_no_encoding_stays_as_it_is() -> None:
    assert encode_part("Abc_09~") == "Abc_09~"


@pytest.mark.parametrize("names", [("",), ("m1", ""), ("", "o1")])
def test_an_empty_part_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        stream_name("order", *names)


def test_every_aggregate_has_streams_of_its_own() -> None:
    streams = [
        order_stream("m", "x"),
        stock_stream("m", "x", "w"),
        purchase_stream("m", "x"),
        transfer_stream("m", "x"),
        stocktake_stream("m", "x"),
        payment_stream("m", "x"),
        payment_method_stream("m", "x"),
        shipment_stream("m", "x"),
        merchant_stream("m"),
        product_stream("m", "x"),
        category_stream("m", "x"),
        deadline_stream("m", "order", "x", "expiry"),
        user_stream("x"),
        api_key_stream("x"),
        mail_stream("x"),
        parked_stream("x"),
        erasure_stream("x"),
        carriers_stream("m"),
        track_record_stream("m", "x", "y"),
        manifest_stream("m", "x"),
        carrier_invoice_stream("m", "x", "y"),
        cart_stream("m", "x"),
        storefront_stream("m"),
    ]
    assert len({aggregate_of(stream).category for stream in streams}) == len(streams)
    for stream in streams:
        assert aggregate_of(stream).stream(*stream_parts(stream)) == stream
    named = [each.stream(*each.parts) for each in AGGREGATES.values()]
    assert [aggregate_of(stream) for stream in named] == list(AGGREGATES.values())
    assert all(checked_stream(stream) == stream for stream in (*streams, *named))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("order-demo.o-1", order_stream("demo", "o-1")),
        ("order-demo.o%2d1", order_stream("demo", "o-1")),
        ("order-demo.a.b", order_stream("demo", "a.b")),
        ("order-my-shop.1", order_stream("my-shop", "1")),
        ("order-demo.50%", order_stream("demo", "50%")),
        ("payment-demo.o1.p1", payment_stream("demo", "o1.p1")),
        ("stock-demo.A-1.main", stock_stream("demo", "A-1", "main")),
        ("user-01a-2b", user_stream("01a-2b")),
    ],
)
def test_a_name_whose_parts_are_not_encoded_is_refused_with_the_one_that_is(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"the stream is {re.escape(meant)}$"):
        checked_stream(typed)
    assert checked_stream(meant) == meant


@pytest.mark.parametrize("typed", ["", "order", "order-", "order-m", "order-m.", "order-.x", "stock-m.a"])
def test_a_name_that_lacks_a_part_is_refused_with_what_it_needs(typed: str) -> None:
    with pytest.raises(
        ValueError, match=r"is no stream: (say (order-MERCHANT.ORDER_ID|stock-MERCH)|these begin)"
    ):
        checked_stream(typed)


def test_a_deadline_of_any_key_has_a_stream_with_a_short_name() -> None:
    longest = order_stream("m", "\N{SNOWMAN}" * 54)
    streams = {deadline_stream("m", *asked) for asked in (("a", longest, "n"), ("a.n", longest, "n"))}
    assert {len(stream) for stream in streams} == {len("deadline-m.") + 64}
    assert len(streams) == 2


def test_a_stream_of_no_aggregate_is_an_error() -> None:
    with pytest.raises(KeyError):
        aggregate_of("parcel-m1.c1")
