"""How is Stripe called: by its own client, over our HTTP, behind our breaker, and retried by us alone?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import stripe
from stripe import HTTPClient, StripeClient, StripeError

from services.gateways.breaker import Breaker
from services.gateways.gateway import NOT_FOUND, Account, Request, Unavailable
from services.gateways.payment_calls import (
    API_VERSION,
    DISPUTES,
    INTENTS,
    REFUNDS,
    UNNAMED,
    intent_path,
    search_path,
)
from services.gateways.payment_words import account_of
from services.gateways.provider import Answer, Exchange, Provider

LIST_PAGE = 100
DISPUTED_FOR, REFUNDED_FOR = timedelta(days=210), timedelta(days=45)
"""A dispute is opened within some 120 days, and decided within 90; a refund fails within 30. Source:
https://docs.stripe.com/disputes/how-disputes-work and /refunds."""
DECLINED = 402
_REFUSALS = frozenset({400, DECLINED, NOT_FOUND})
"""Answers about what was asked; a conflict (409), too many (429) and its own errors are tried again."""
_SOMEWHERE = "http://provider"
"""The client wants an address; only the exchange has one."""
stripe.enable_telemetry = False  # it would write an id of this machine to the disk, and tell it


class _OverExchange(HTTPClient):
    """The client's HTTP is ours: one session, one time-out, no retries of its own."""

    name = "tillroll"

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body = None if post_data is None else post_data.encode()
        path = url.removeprefix(_SOMEWHERE)
        status, content = await self._exchange(method.upper(), path, body, dict(headers))
        return content, status, {}


class StripeProvider(Provider):
    """Stripe, or whoever speaks its wire; `exchange` knows the address. Answers are accounts in our words."""

    def __init__(self, exchange: Exchange, api_key: str, breaker: Breaker | None = None) -> None:
        super().__init__(exchange, breaker)
        self._client = StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": _SOMEWHERE},
            max_network_retries=0,
            http_client=_OverExchange(exchange),
        )

    async def ask(self, path: str) -> Account | None:
        shown = await super().ask(path)
        if shown is not None and shown.get("object") == "search_result":
            shown = next(iter(shown["data"]), None)
        return None if shown is None else await self._whole(shown)

    async def call(self, request: Request) -> Answer:
        request_or_answer = await self._named(request)
        if isinstance(request_or_answer, Answer):
            return request_or_answer
        answer = await super().call(request_or_answer)
        return replace(answer, body=_read(answer.body)) if answer.is_yes else answer

    async def pages(self, since: datetime) -> AsyncIterator[list[Account]]:
        asked = f"{INTENTS}?{_since(since)}&expand[]=data.latest_charge.refunds"
        async for page in self._listed(asked):
            yield [_read(each) for each in page]

    async def late(self, now: datetime) -> AsyncIterator[Account]:
        """Payments with a dispute, which is opened and decided weeks after the sale, or with a refund that
        the customer's bank has sent back."""
        found: dict[str, None] = {}
        async for page in self._listed(f"{DISPUTES}?{_since(now - DISPUTED_FOR)}"):
            found |= dict.fromkeys(each["payment_intent"] for each in page)
        async for page in self._listed(f"{REFUNDS}?{_since(now - REFUNDED_FOR)}"):
            found |= dict.fromkeys(each["payment_intent"] for each in page if each["status"] == "failed")
        for intent in filter(None, found):  # a charge of before there were PaymentIntents has none
            account = await self.ask(intent_path(intent))
            if account is not None:
                yield account

    async def _named(self, request: Request) -> Request | Answer:
        """With the name that the provider has for the payment, which we look for where we were not told."""
        if UNNAMED not in (request.body.get("payment_intent"), *request.path.split("/")):
            return request
        account = await self.ask(search_path(request.key.partition("/")[0]))
        if account is None:
            return Answer(NOT_FOUND, {"code": "resource_missing", "detail": "it has no such payment"})
        intent = str(account["provider_reference"])
        body = (
            {**request.body, "payment_intent": intent} if "payment_intent" in request.body else request.body
        )
        return replace(request, path=request.path.replace(UNNAMED, intent), body=body)

    async def _whole(self, shown: Account) -> Account:
        """With what an answer leaves out: refunds beyond the first ten, and disputes."""
        charge = shown.get("latest_charge")
        disputes: list[Account] = []
        if isinstance(charge, dict):
            if (charge.get("refunds") or {}).get("has_more"):
                charge["refunds"]["data"] = await self._all_of(REFUNDS, shown["id"])
            if charge.get("disputed"):
                disputes = await self._all_of(DISPUTES, shown["id"])
        return _read(shown, disputes)

    async def _all_of(self, path: str, intent: str) -> list[Account]:
        return [each async for page in self._listed(f"{path}?payment_intent={intent}") for each in page]

    async def _listed(self, path: str) -> AsyncIterator[list[Account]]:
        """Page by page, as it is told."""
        after = ""
        while True:
            page = await super().ask(f"{path}&limit={LIST_PAGE}{after}")
            if not page or not page["data"]:
                return
            yield page["data"]
            if not page["has_more"]:
                return
            after = f"&starting_after={page['data'][-1]['id']}"

    async def _exchanged(self, method: str, path: str, body: dict[str, Any] | None, key: str) -> Answer:
        options = {"idempotency_key": key} if key else {}
        try:
            response = await self._client.raw_request_async(method.lower(), path, **(body or {}), **options)
        except StripeError as error:
            return _refusal(error)
        if not isinstance(response.data, dict):
            raise Unavailable("its answer is no JSON object")
        return Answer(response.code, response.data)


def _since(moment: datetime) -> str:
    return f"created[gte]={int(moment.timestamp())}"


def _read(shown: Account, disputes: list[Account] | None = None) -> Account:
    try:
        return account_of(shown, disputes or ())
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"its answer can't be read: {error!r}") from error


def _refusal(error: StripeError) -> Answer:
    """A no about what was asked, or Unavailable. A payment that was declined is there, and is shown: that is
    an account as any other. A stored method that is gone declines it, too."""
    told = error.json_body.get("error") if isinstance(error.json_body, dict) else None
    if error.http_status not in _REFUSALS or not isinstance(told, dict):
        raise Unavailable(f"status {error.http_status}")
    if told.get("type") == "idempotency_error":
        raise Unavailable("it has seen the key with another request: ask what became of that")
    if isinstance(told.get("payment_intent"), dict) and error.http_status == DECLINED:
        return Answer(200, told["payment_intent"])
    status = DECLINED if told.get("param") == "payment_method" else error.http_status
    return Answer(status, {"code": told.get("code"), "detail": told.get("message")})
