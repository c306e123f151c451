"""Where is each carrier called, and when is it left alone? Each name has an address and a breaker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import aiohttp

from services.gateways.breaker import Breaker
from services.gateways.gateway import Account, Request
from services.gateways.provider import Answer, Exchange, HttpExchange, Provider

PREFIX = "/carriers/"


class CarrierProviders(Provider):
    """The house's carrier, and those with a name: one that is down trips its own breaker, and no other's.

    `named` are those with an address of their own, which are called without the prefix; any other is called
    by its whole path at the house's address.
    """

    def __init__(
        self,
        house: Exchange,
        named: Mapping[str, Exchange] | None = None,
        breaker: Callable[[], Breaker] = Breaker,
    ) -> None:
        super().__init__(house, breaker())
        self._house = house
        self._named = named or {}
        self._new_breaker = breaker
        self._carriers: dict[str, Provider] = {}

    async def ask(self, path: str) -> Account | None:
        name = carrier_in(path)
        return await (self._of(name).ask(self._at(name, path)) if name else super().ask(path))

    async def call(self, request: Request) -> Answer:
        name = carrier_in(request.path)
        if not name:
            return await super().call(request)
        return await self._of(name).call(replace(request, path=self._at(name, request.path)))

    def _at(self, name: str, path: str) -> str:
        return path.removeprefix(f"{PREFIX}{name}") if name in self._named else path

    def _of(self, name: str) -> Provider:
        if name not in self._carriers:
            exchange = self._named.get(name, self._house)
            self._carriers[name] = Provider(exchange, self._new_breaker())
        return self._carriers[name]


def carrier_in(path: str) -> str:
    """The carrier that a path names; empty for the house's."""
    return path.removeprefix(PREFIX).partition("/")[0] if path.startswith(PREFIX) else ""


def over_http(
    house_url: str, urls: Mapping[str, str], http: aiohttp.ClientSession, *, timeout_s: float
) -> CarrierProviders:
    """All carriers over HTTP; `urls` by name."""
    named = {name: HttpExchange(url, http, timeout_s=timeout_s) for name, url in urls.items()}
    return CarrierProviders(HttpExchange(house_url, http, timeout_s=timeout_s), named)
