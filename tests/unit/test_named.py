"""What is asked for by name: is a name that can be nobody's told from one that is of something?"""

from __future__ import annotations

import pytest

from domain.streams import order_stream
from services.audit.filters import EventFilter
from services.audit.named import NotThere, checked


@pytest.mark.parametrize("named", ["demo/o-1", "order-demo.o%2D1"])
def test_an_order_is_named_with_its_merchant_or_by_its_stream(named: str) -> None:
    assert checked(EventFilter(order=named)) == EventFilter(order=order_stream("demo", "o-1"))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (EventFilter(order="o-1"), "order: o-1 is no order: say MERCHANT/o-1"),
        (EventFilter(order="order-demo.o-1"), "the stream is order-demo.o%2D1"),
        (EventFilter(order="demo/"), "order: a part of a stream's name must not be empty"),
        (EventFilter(stream="order-demo.o-1"), "stream: .* the stream is order-demo.o%2D1"),
        (EventFilter(stream="demo/o-1"), "stream: demo/o-1 is no stream"),
    ],
)
def test_a_name_of_nothing_is_refused_with_what_was_meant(wanted: EventFilter, said: str) -> None:
    with pytest.raises(NotThere, match=said):
        checked(wanted)


def test_what_has_no_names_is_as_it_was() -> None:
    wanted = EventFilter(actor="agent:order", merchant="m", correlation="x")
    assert checked(wanted) == wanted
