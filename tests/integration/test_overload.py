"""Does the API refuse what is too much, at once and with a time to come back, and is it whole afterwards?"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from eventstore.seams import WallClock
from services.limit_settings import LimitSettings
from services.limits import WrongLimit, harden
from services.web.problems import install_problems
from services.web.rate_counts import RateCounts
from services.web.work import resting
from tests.integration.api_client import app_in_memory, listening, problem
from tests.patience import HANGS


class Served:
    """A hardened application whose route works until the test lets it go on."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.begun = 0
        self.cancelled = 0
        self.go_on = asyncio.Event()
        self.news = asyncio.Event()
        install_problems(self.app)
        for route in (self.work, self.wait, self.health, self.broken):
            self.app.get(f"/{route.__name__}")(route)
        self.client = httpx.AsyncClient()

    async def work(self) -> dict[str, str]:
        self.begun += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return {"is": "done"}

    async def wait(self, request: Request) -> dict[str, str]:
        async with resting(request):
            await self.news.wait()
        return {"is": "news"}

    async def health(self) -> dict[str, str]:
        return {"is": "well"}

    async def broken(self) -> None:
        raise RuntimeError("planted")

    def ask(self, path: str = "/work", **headers: str) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(self.client.get(path, headers=headers))

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(HANGS):
            while self.begun < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Served]:
    settings = LimitSettings(**changes)
    served = Served()
    harden(served.app, settings)
    async with (
        listening(served.app, settings) as url,
        httpx.AsyncClient(base_url=url, timeout=HANGS) as served.client,
    ):
        yield served
        served.go_on.set()
        served.news.set()


async def test_one_too_many_is_refused_at_once_and_the_rest_is_done() -> None:
    async with serving(working_max=2, waiting_max=1, waiting_seconds=60) as served:
        working = [served.ask() for _ in range(2)]
        await served.until_begun(2)
        others = {served.ask() for _ in range(21)}
        async with asyncio.timeout(HANGS):
            while sum(each.done() for each in others) < 20:
                await asyncio.sleep(0.01)
        (waiting,) = [each for each in others if not each.done()]
        for each in others - {waiting}:
            problem(await each, 503, "overloaded")
            assert (await each).headers["retry-after"] == "1"
        assert (await served.ask("/health")).status_code == 200
        served.go_on.set()
        assert [(await each).status_code for each in (*working, waiting)] == [200] * 3
        assert served.begun == 3
        assert (await served.ask()).status_code == 200


async def test_who_waited_too_long_is_not_worked_on() -> None:
    async with serving(working_max=1, waiting_max=9, waiting_seconds=0.05) as served:
        working = served.ask()
        await served.until_begun(1)
        problem(await served.ask(), 503, "overloaded")
        served.go_on.set()
        assert (await working).status_code == 200
        assert served.begun == 1


async def test_who_only_waits_keeps_nobody_from_work() -> None:
    async with serving(working_max=1, waiting_max=9) as served:
        waiting = [served.ask("/wait") for _ in range(5)]
        served.go_on.set()
        assert (await served.ask()).status_code == 200
        assert not any(each.done() for each in waiting)
        served.news.set()
        assert [(await each).json() for each in waiting] == [{"is": "news"}] * 5


async def test_so_many_may_wait_and_no_more() -> None:
    async with serving(resting_max=1) as served:
        first, second = served.ask("/wait"), served.ask("/wait")
        done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        problem(await done.pop(), 503, "overloaded")
        served.news.set()
        assert {(await each).status_code for each in (first, second)} == {200, 503}


async def test_what_takes_too_long_is_given_up_and_its_place_is_free() -> None:
    settings = LimitSettings.model_construct(request_seconds=0.1, working_max=1)
    served = Served()
    harden(served.app, settings)
    async with (
        listening(served.app) as url,
        httpx.AsyncClient(base_url=url, timeout=HANGS) as served.client,
    ):
        problem(await served.ask(), 503, "took-too-long")
        assert served.cancelled == 1
        served.go_on.set()
        assert (await served.ask()).status_code == 200


async def test_an_address_is_limited_and_health_is_not() -> None:
    async with serving(rate_address="3 per hour") as served:
        for _ in range(3):
            assert (await served.ask("/nothing")).status_code == 404
        answer = await served.ask("/nothing", **{"X-Forwarded-For": "198.51.100.9"})
        assert problem(answer, 429, "rate-limited")["policy"] == "address"
        assert answer.headers["ratelimit-policy"] == '"address";q=3;w=3600'
        remaining, _, seconds = answer.headers["ratelimit"].removeprefix('"address";').partition(";t=")
        assert (remaining, seconds) == ("r=0", answer.headers["retry-after"])
        assert 1 <= int(seconds) <= 7200
        assert (await served.ask("/health")).status_code == 200


async def test_behind_our_proxy_each_client_has_its_own_rate() -> None:
    async with serving(rate_address="1 per hour", trusted_proxies="127.0.0.1") as served:
        for client, status in [("198.51.100.9", 404), ("198.51.100.9", 429), ("198.51.100.8", 404)]:
            answer = await served.ask("/nothing", **{"X-Forwarded-For": f"1.1.1.1, {client}"})
            assert answer.status_code == status


@pytest.mark.parametrize("path", ["/health", "/nothing", "/broken", "/" + "a" * 3000])
async def test_every_answer_has_its_headers(path: str) -> None:
    async with serving() as served:
        headers = (await served.ask(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'; frame-ancestors 'none'")
        assert "strict-transport-security" not in headers
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


async def test_behind_tls_it_says_so() -> None:
    async with serving(behind_tls=True) as served:
        assert (await served.ask("/health")).headers["strict-transport-security"].startswith("max-age=")


async def test_the_documentation_works_under_its_policy() -> None:
    app = app_in_memory()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        page = await client.get("/docs")
    policy = page.headers["content-security-policy"]
    script = page.text.partition("<script>")[2].partition("</script>")[0]
    assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


async def test_pages_of_named_origins_may_call_and_read_what_they_need() -> None:
    async with serving(cors_origins="https://shop.example.org", rate_address="1 per hour") as served:
        asked = {"Origin": "https://shop.example.org", "Access-Control-Request-Method": "POST"}
        said = {"Access-Control-Request-Headers": "Content-Type, Tillroll-CSRF, Tillroll-Merchant"}
        preflight = await served.client.options("/work", headers=asked | said)
        assert preflight.status_code == 200, preflight.text
        assert preflight.headers["access-control-allow-origin"] == "https://shop.example.org"
        await served.ask("/nothing")
        refused = await served.ask("/nothing", Origin="https://shop.example.org")
        assert refused.status_code == 429
        assert refused.headers["access-control-allow-origin"] == "https://shop.example.org"
        assert "Retry-After" in refused.headers["access-control-expose-headers"]
        asked["Origin"] = "https://evil.example.org"
        preflight = await served.client.options("/work", headers=asked)
        assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_address": "often"},
        {"trusted_proxies": "10.0.0.1/8"},
        {"cors_origins": "*"},
        {"cors_origins": "https://*.example.org"},
    ],
)
def test_a_setting_that_is_wrong_is_named(wrong: dict[str, str]) -> None:
    app = FastAPI()
    with pytest.raises(WrongLimit, match=f"TILLROLL_{next(iter(wrong)).upper()[:4]}"):
        harden(app, LimitSettings(**wrong))


def test_time_is_the_wall_clock_s() -> None:
    """Windows are numbered by it, so that processes mean the same one."""
    assert abs(RateCounts().now - WallClock().now().timestamp()) < 60
