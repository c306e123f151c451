"""A proxy between the gateways and a provider, which holds calls back or answers in the provider's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL


class Between:
    """`passing` is cleared to hold the calls that open a payment; `astray` makes it know no route at all."""

    def __init__(self, target: str) -> None:
        self.passing = asyncio.Event()
        self.passing.set()
        self.astray = False
        self.strayed = 0
        self.url = ""
        self._target = target

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Between]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        # who called may have gone: what was sent is carried out all the same
        runner = web.AppRunner(application, handler_cancellation=False, shutdown_timeout=5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as self._http:
            try:
                yield self
            finally:
                self.passing.set()
                await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.astray:
            self.strayed += 1
            return web.Response(status=404, text="no such route")
        if request.method == "POST" and request.path == "/v1/payment_intents":
            await self.passing.wait()
        names = ("Authorization", "Content-Type", "Idempotency-Key", "Stripe-Version")
        headers = {name: value for name in names if (value := request.headers.get(name))}
        url = URL(self._target + request.raw_path, encoded=True)
        async with self._http.request(request.method, url, data=body, headers=headers) as answer:
            content = await answer.read()
            return web.Response(status=answer.status, body=content, content_type="application/json")
