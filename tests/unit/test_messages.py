"""Do errors name the setting that is meant, and read as sentences?"""

from __future__ import annotations

import pytest

from services.context import NotRunning, open_context
from services.embedded.reachable import Unreachable
from services.settings import Settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing runs in .*TILLROLL_DATABASE_URL and TILLROLL_NATS_URL"),
        ({"database_url": "postgresql://a"}, "^TILLROLL_NATS_URL is not set, but TILLROLL_DATABASE_URL is"),
        ({"nats_url": "nats://a"}, "^TILLROLL_DATABASE_URL is not set, but TILLROLL_NATS_URL is"),
    ],
)
async def test_of_two_servers_the_missing_one_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    for name in ("TILLROLL_DATABASE_URL", "TILLROLL_NATS_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotRunning, match=said):
        async with open_context(Settings(**given), "test"):  # type: ignore[arg-type]
            pytest.fail("there is nothing to open")


def test_a_reason_that_asks_gets_no_full_stop() -> None:
    assert "connections? Start it." in str(Unreachable("S", "a", "does it take connections?", "Start it."))
    assert "refused. Start it." in str(Unreachable("S", "a", "refused", "Start it."))
