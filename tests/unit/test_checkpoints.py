"""Who holds a lease knows by its own clock, too, when it may be another's."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from eventstore import checkpoints
from eventstore.checkpoints import LeaseLost, holding
from eventstore.statements import Database, Rows, Statements


class Away:
    """Gives the lease, and can't be reached any more."""

    def statements(self, package: str, *files: str) -> Statements:
        return self  # type: ignore[return-value]

    async def run(self, name: str, **arguments: Any) -> Rows:
        if name == "renew_lease":
            raise psycopg.OperationalError("no connection")
        return [(1, 0, 0)]


def away() -> Database:
    return Away()


async def test_a_lease_is_held_as_long_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    loop = asyncio.get_running_loop()
    async with holding(away(), "gateway:payment") as checkpoint:
        given_at = checkpoint.held_until - checkpoints.LEASE_SECONDS
        assert given_at <= loop.time()
        monkeypatch.setattr(loop, "time", lambda: now)
        checkpoint.held_until = now + checkpoints.LEASE_SECONDS
        now = checkpoint.held_until - 0.001
        checkpoint.check_held()
        now = checkpoint.held_until
        with pytest.raises(LeaseLost, match="not renewed in time"):
            checkpoint.check_held()
        checkpoint.check()  # nobody has said that it is another's
        monkeypatch.undo()


async def test_a_renewal_that_fails_holds_no_lease_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LEASE_SECONDS", 0.02)
    async with holding(away(), "gateway:payment") as checkpoint:
        before = checkpoint.held_until
        await asyncio.sleep(0.05)
        assert checkpoint.held_until == before
        with pytest.raises(LeaseLost):
            checkpoint.check_held()
