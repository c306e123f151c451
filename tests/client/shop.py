"""What every part of the trade uses: an answer that is no problem, and a key that sees an order through."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tillroll_client import AuthenticatedClient, Client
from tillroll_client.api.auth import sign_in
from tillroll_client.api.keys import issue_api_key
from tillroll_client.api.merchant import register_merchant
from tillroll_client.api.orders import get_order, place_order
from tillroll_client.models import (
    IssueKeyBody,
    IssueKeyBodyPermissionsItem,
    OrderDetail,
    OrderDetailStatus,
    PlaceOrderBody,
    ProblemDocument,
    RegisterMerchantBody,
    SignInBody,
)
from tillroll_client.types import UNSET

SECONDS_MAX = 900
MERCHANT, CHANNEL = "typed", "web"
PERMISSIONS = (
    "allocations:read carriers:read carriers:write carts:read carts:write catalogue:read catalogue:write"
    " merchant:read merchant:write methods:read methods:write orders:fulfil orders:manage orders:read"
    " orders:write payments:read payments:write picking:read picking:write sales:read shipments:read"
    " shipments:write stock:read stock:write warehouses:read warehouses:write"
)
WAIT = "wait=20"
Answer = TypeVar("Answer")


def good(answer: Answer | ProblemDocument | None) -> Answer:
    """What was asked for; ends where it is a problem."""
    if answer is None or isinstance(answer, ProblemDocument):
        raise SystemExit(f"refused: {answer and answer.to_dict()}")
    return answer


def refused(answer: object) -> ProblemDocument:
    """The problem that it must be."""
    assert isinstance(answer, ProblemDocument), answer
    return answer


def reached(ask: Callable[[], Answer], enough: Callable[[Answer], bool]) -> Answer:
    """The answer, once it is as far."""
    until = time.monotonic() + SECONDS_MAX
    while not enough(answer := ask()):
        assert time.monotonic() < until, answer
        time.sleep(0.1)
    return answer


@dataclass(frozen=True)
class Shop:
    """Who asks, by its key."""

    api: AuthenticatedClient

    def order(self, order_id: str, position: str = "") -> OrderDetail:
        """As it is now, or after the command that answered with this position."""
        asked = good(
            get_order.sync(order_id, client=self.api, tillroll_min_position=position or UNSET, prefer=WAIT)
        )
        assert isinstance(asked, OrderDetail), "staff is shown all of it"
        return asked

    def place(self, order: PlaceOrderBody) -> OrderDetail:
        """As it is read at once."""
        placed = good(place_order.sync(client=self.api, body=order))
        return self.order(placed.order_id, placed.position)

    def reached(self, order_id: str, enough: Callable[[OrderDetail], bool]) -> OrderDetail:
        """The order, once it is as far."""
        return reached(lambda: self.order(order_id), enough)

    def confirmed(self, order_id: str) -> OrderDetail:
        """Once it is reserved and paid for."""
        return self.reached(order_id, lambda order: order.status is OrderDetailStatus.CONFIRMED)

    def completed(self, order_id: str) -> OrderDetail:
        """Once all of it is delivered."""
        return self.reached(order_id, lambda order: order.status is OrderDetailStatus.COMPLETED)


def opened(address: str, email: str, password: str) -> Shop:
    """A new merchant, and a key that may do what a shop does."""
    signed_in = good(sign_in.sync(client=Client(base_url=address), body=SignInBody(email, password)))
    assert isinstance(signed_in.access_token, str), "it asked for no cookie"
    admin = AuthenticatedClient(address, signed_in.access_token, headers={"Tillroll-Merchant": MERCHANT})
    good(register_merchant.sync(client=admin, body=RegisterMerchantBody(city="São Paulo", state="SP")))
    permissions = [IssueKeyBodyPermissionsItem(each) for each in PERMISSIONS.split()]
    key = good(issue_api_key.sync(client=admin, body=IssueKeyBody("shop", permissions)))
    return Shop(AuthenticatedClient(address, key.key, headers={"Tillroll-Merchant": MERCHANT}))
