"""Can two things ever share a stream, and does a stream's name fit a NATS subject?"""

from __future__ import annotations

import pytest

from domain.aggregates import AGGREGATES, aggregate_of
from domain.streams import (
    api_key_stream,
    category_stream,
    deadline_stream,
    encode_part,
    erasure_stream,
    mail_stream,
    merchant_stream,
    order_stream,
    parked_stream,
    payment_stream,
    product_stream,
    shipment_stream,
    stock_stream,
    stream_name,
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
        payment_stream("m", "x"),
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
    ]
    assert len(set(streams)) == len(AGGREGATES)
    assert {aggregate_of(stream).category for stream in streams} == set(AGGREGATES)


def test_a_deadline_of_any_key_has_a_stream_with_a_short_name() -> None:
    longest = order_stream("m", "\N{SNOWMAN}" * 54)
    streams = {deadline_stream("m", *asked) for asked in (("a", longest, "n"), ("a.n", longest, "n"))}
    assert {len(stream) for stream in streams} == {len("deadline-m.") + 64}
    assert len(streams) == 2


def test_a_stream_of_no_aggregate_is_an_error() -> None:
    with pytest.raises(KeyError):
        aggregate_of("cart-m1.c1")
