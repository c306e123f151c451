"""Do rates hold for one process, with bounded memory, and is the wait that they tell the right one?"""

from __future__ import annotations

from math import floor
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from starlette.requests import Request

from services.web.access import Principal
from services.web.asgi import said_of
from services.web.problems import Problem
from services.web.rate_counts import CountKey, RateCounts, Told
from services.web.rates import PRINCIPAL, Policies, RatedGate, Rates, limit_account, seconds_until_next

START = 1_000_020.0


class Time:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


async def let_in(counts: RateCounts, key: str, tries: int, limit: int = 5, seconds: int = 60) -> int:
    return sum([await counts.acquire_sliding_window_entry(key, limit, seconds) for _ in range(tries)])


async def test_a_window_slides(time: Time) -> None:
    counts = RateCounts(now=time)
    assert await let_in(counts, "address/a", 9) == 5
    assert await let_in(counts, "address/b", 9) == 5
    time.now += 60  # in the next window, and the one before counts whole
    assert await let_in(counts, "address/a", 9) == 0
    time.now += 24  # 2 of 5 have faded
    assert await let_in(counts, "address/a", 9) == 2
    time.now += 600
    assert await let_in(counts, "address/a", 9) == 5


async def test_memory_is_bounded_and_each_policy_has_its_own(time: Time) -> None:
    counts = RateCounts(now=time, capacity=10)
    assert await let_in(counts, "principal/user", 5) == 5
    for number in range(1000):
        await let_in(counts, f"address/{number}", 1)
    assert len(counts) == 11
    assert len(counts.moved(100)) == 11
    assert await let_in(counts, "principal/user", 1) == 0
    time.now += 600
    counts.sweep()
    assert len(counts) == len(counts.moved(100)) == 0


async def test_what_others_have_counted_counts(time: Time) -> None:
    counts = RateCounts(now=time)
    assert await let_in(counts, "address/a", 1) == 1
    ((at, count),) = counts.moved(10).items()
    counts.sent(at, count.unsent)
    counts.told([Told(at, 3, 0)])
    assert not counts.moved(10)
    assert await let_in(counts, "address/a", 9) == 2
    counts.told([Told(at, 2, 0)])  # older news
    assert await let_in(counts, "address/a", 9) == 0


async def test_the_window_before_is_told_too(time: Time) -> None:
    counts = RateCounts(now=time)
    await let_in(counts, "address/a", 1)
    at = CountKey("address/a", int(START // 60))
    counts.sent(at, 1)
    counts.told([Told(at, 1, 4)])
    time.now += 30  # half of the 4 before have faded
    assert await let_in(counts, "address/a", 9) == 2


@given(
    limit=st.integers(1, 50),
    expiry=st.integers(1, 900),
    before=st.integers(0, 100),
    current=st.integers(0, 100),
    passed=st.floats(0, 0.999),
)
def test_after_the_time_that_is_told_one_more_is_let_in(
    limit: int, expiry: int, before: int, current: int, passed: float
) -> None:
    left = expiry * (1 - passed)

    def let_in_after(seconds: float) -> bool:
        if seconds < left:
            counted = before * (left - seconds) / expiry + current
        else:
            counted = current * max(0.0, expiry - (seconds - left)) / expiry
        return floor(counted) + 1 <= limit

    assume(not let_in_after(0))
    seconds = seconds_until_next(limit, expiry, before, current, left)
    assert let_in_after(seconds + 1e-6)
    assert seconds <= 1 or not let_in_after(seconds - 1.001)


def a_request(rates: Rates) -> Request:
    from fastapi import FastAPI

    app = FastAPI()
    app.state.rates = rates
    return Request({"type": "http", "headers": [], "app": app})


class Door:
    """A gate that knows everybody as whom they say they are."""

    async def principal_of(self, request: Request) -> Principal:
        return Principal(actor=request.state.actor, kind="user", id=request.state.actor)


async def test_each_principal_has_a_rate_and_is_told_how_it_stands(time: Time) -> None:
    gate = RatedGate(Door(), Rates(RateCounts(now=time), Policies(principal="2 per minute")))

    async def ask(actor: str) -> dict[bytes, bytes]:
        request = a_request(Rates(RateCounts()))
        request.state.actor = actor
        await gate.principal_of(request)
        return dict(said_of(request.scope))

    said = await ask("user:1")
    assert said[b"ratelimit-policy"] == b'"principal";q=2;w=60'
    assert said[b"ratelimit"].startswith(b'"principal";r=1;t=')
    await ask("user:1")
    with pytest.raises(Problem) as refused:
        await ask("user:1")
    assert (refused.value.status, refused.value.kind) == (429, "rate-limited")
    assert refused.value.members == {"policy": PRINCIPAL}
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 120
    await ask("user:2")


async def test_an_account_is_one_however_it_is_written(time: Time) -> None:
    counts = RateCounts(now=time)
    request = a_request(Rates(counts, Policies(sign_in_account="2 per minute")))
    await limit_account(request, "ada@example.org")
    await limit_account(request, " ADA@example.org")
    with pytest.raises(Problem):
        await limit_account(request, "ada@example.org")
    assert not any("ada" in at.key for at in counts.moved(10))


@pytest.mark.parametrize("text", ["", "many", "0.5 per minute", "5 per fortnight"])
def test_a_rate_that_is_none_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rates(RateCounts(), Policies(address=text))
