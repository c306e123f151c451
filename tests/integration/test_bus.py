"""Which streams does the bus take away, when a NATS is not ours alone?"""

from __future__ import annotations

from uuid import UUID

import pytest

from eventstore.bus import BusUnavailable
from eventstore.log import LogIdentity
from services.bus import NatsBus

OURS, OTHERS = UUID(int=1 << 100), UUID(int=2 << 100)


async def test_a_new_epoch_replaces_the_stream_of_the_old_one(nats_url: str) -> None:
    old, new = (NatsBus(nats_url, LogIdentity(OURS, epoch), "test") for epoch in (1, 11))
    try:
        await old.ensure_stream()
        await new.ensure_stream()
        await new.ensure_stream()
        streams = await (await new.jetstream()).streams_info()
        assert [each.config.name for each in streams] == [new.stream]
    finally:
        await old.close()
        await new.close()


async def test_the_stream_of_another_log_is_left_alone_and_the_error_says_so(nats_url: str) -> None:
    ours, other = (NatsBus(nats_url, LogIdentity(log, 1), "test") for log in (OURS, OTHERS))
    try:
        await other.ensure_stream()
        with pytest.raises(BusUnavailable, match=r"another Tillroll log.*TILLROLL_NATS_URL"):
            await ours.ensure_stream()
        streams = await (await ours.jetstream()).streams_info()
        assert [each.config.name for each in streams] == [other.stream]
    finally:
        await ours.close()
        await other.close()
