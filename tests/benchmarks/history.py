"""How does a log of a million events come about in a minute? Whole lives of orders, encoded and hashed for
real, and brought in by COPY.

Each life is what the deciders and agents make of an order: placed, reserved, paid, shipped, delivered; of
twenty, one is cancelled and one comes back. `OPEN` lives are under way at a time, so that what belongs
together lies far apart, as in trade. Personal fields are sealed, each order under a data subject's key of
its own.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from struct import pack
from typing import NamedTuple

import psycopg

from eventstore.arrays import POSTGRES_EPOCH_US
from eventstore.codec import encode
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.leaf import leaf_hash_of, microseconds
from eventstore.log import NewEvent, StoredEvent
from eventstore.postgres import make_pool
from eventstore.seams import RandomIds
from tests.integration.projections_trade import START, Bought, Step, setting_up

MASTER_KEY = bytes(range(32))
MERCHANTS, SKUS = 5, 40
OPEN = 2_000
"""Lives under way at a time: one of 17 events lies over 34,000 of the log, more than a page of any reader."""
PAGE = 20_000
METADATA = b'{"actor":"agent:order","clock":"wall"}'
COPY = f"COPY events ({','.join(StoredEvent._fields)}) FROM STDIN BINARY".encode()
LEDGER = """
INSERT INTO commands
SELECT event_id, merchant, sha256(event_id::text::bytea), position, position, '\\x', recorded_at
FROM events WHERE position > %s AND position <= %s ORDER BY position
"""
_COLUMNS = pack(">h", len(StoredEvent._fields))
_HEAD, _TAIL = b"PGCOPY\n\xff\r\n\x00" + bytes(8), pack(">h", -1)


class _Ready(NamedTuple):
    """An event on its way: encoded, without a place in the log."""

    merchant: str
    correlation: str
    stream: str
    event: NewEvent
    at: datetime


@dataclass(slots=True)
class History:
    """Writes a log's history; `order_streams` are some of its orders, from the beginning to the end."""

    keyring: Keyring
    position: int = 0
    order_streams: list[str] = field(default_factory=list)
    _ids: RandomIds = field(default_factory=RandomIds)
    _versions: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _open: deque[deque[_Ready]] = field(default_factory=deque)

    async def page(self, size: int) -> list[StoredEvent]:
        """The next events, exactly so many."""
        events: list[StoredEvent] = []
        while len(events) < size:
            if len(self._open) < OPEN:
                await self._begin_lives()
            life = self._open.popleft()
            events.append(self._placed(life.popleft()))
            if life:
                self._open.append(life)
        return events

    async def _begin_lives(self) -> None:
        numbers = list(itertools.islice(self._numbers, OPEN // 4))
        lives = [_life(number) for number in numbers]
        await self.keyring.ensure([f"subject-{bought.person}" for bought, _ in lives])
        if not self.position:
            self._open.extend(self._setting_up())
        for bought, steps in lives:
            at = bought.placed_at
            self._open.append(deque(
                self._ready(bought.merchant, bought.checkout_id, step, at + timedelta(minutes=number))
                for number, step in enumerate(steps)
            ))  # fmt: skip
            if not len(self.order_streams) or int(bought.person) % 50 == 0:
                self.order_streams.append(bought.order)

    def _setting_up(self) -> Iterator[deque[_Ready]]:
        for number, sku in itertools.product(range(MERCHANTS), range(SKUS)):
            steps = setting_up(_merchant(number), f"sku{sku}", 10**8)
            kept = steps if sku == 0 else steps[2:]
            yield deque(self._ready(_merchant(number), "opening", step, START) for step in kept)

    def _ready(self, merchant: str, correlation: str, step: Step, at: datetime) -> _Ready:
        stream, event = step
        return _Ready(merchant, correlation, stream, encode(event, self._ids, self.keyring), at)

    def _placed(self, ready: _Ready) -> StoredEvent:
        self.position += 1
        self._versions[ready.stream] += 1
        new = ready.event
        event = StoredEvent(
            self.position, ready.stream, self._versions[ready.stream], new.type, new.schema, new.data,
            ready.merchant, ready.correlation, ready.correlation, METADATA, new.event_id, ready.at, ready.at,
            b"",
        )  # fmt: skip
        return event._replace(leaf_hash=leaf_hash_of(event))


def _merchant(number: int) -> str:
    return f"merchant{number}"


def _life(number: int) -> tuple[Bought, list[Step]]:
    bought = Bought(
        merchant=_merchant(number % MERCHANTS),
        order_id=f"0190c3f2a1b47000{number:016x}",
        checkout_id=f"checkout{number:x}",
        sku=f"sku{number % SKUS}",
        placed_at=START + timedelta(seconds=number),
        person=str(number),
    )
    if number % 20 == 7:
        return bought, [*bought.placing(), *bought.paying(), *bought.cancelling()]
    if number % 20 == 13:
        return bought, [*bought.placing(), *bought.paying(), *bought.shipping(), *bought.returning()]
    return bought, bought.life()


def copy_row(event: StoredEvent) -> bytes:
    """A row of `events` in the binary format of COPY."""
    stream, type_, merchant = event.stream.encode(), event.type.encode(), event.merchant.encode()
    correlation, causation = event.correlation.encode(), event.causation.encode()
    return b"".join((
        _COLUMNS, pack(">iqi", 8, event.position, len(stream)), stream,
        pack(">iqi", 8, event.version, len(type_)), type_,
        pack(">iii", 4, event.schema, len(event.data)), event.data, pack(">i", len(merchant)), merchant,
        pack(">i", len(correlation)), correlation, pack(">i", len(causation)), causation,
        pack(">i", len(event.metadata)), event.metadata, b"\x00\x00\x00\x10", event.event_id.bytes,
        pack(">iqiqi", 8, _time(event.occurred_at), 8, _time(event.recorded_at), len(event.leaf_hash)),
        event.leaf_hash,
    ))  # fmt: skip


def _time(moment: datetime) -> int:
    return microseconds(moment) - POSTGRES_EPOCH_US


async def write_history(
    database_url: str, events: int, progress: Callable[[int], None] = lambda _: None
) -> History:
    """Fill an empty log with so many events, a command in the ledger for each, and let the tables settle."""
    async with make_pool(database_url, statement_seconds=3600) as pool:
        history = History(Keyring(MASTER_KEY, PostgresKeyStore(pool)))
        with psycopg.connect(database_url, autocommit=True) as connection:
            bringing = asyncio.create_task(asyncio.sleep(0))
            while history.position < events:
                page = await history.page(min(PAGE, events - history.position))
                await bringing  # the server takes a page while the next one is made
                bringing = asyncio.create_task(asyncio.to_thread(_bring, connection, page))
                progress(history.position)
            await bringing
            settle(connection)
    return history


def _bring(connection: psycopg.Connection, page: list[StoredEvent]) -> None:
    with connection.cursor().copy(COPY) as copy:
        copy.write(b"".join((_HEAD, *map(copy_row, page), _TAIL)))
    connection.execute(LEDGER.encode(), (page[0].position - 1, page[-1].position))


def settle(connection: psycopg.Connection) -> None:
    """So that neither autovacuum nor a checkpoint of what was brought in comes into a measurement."""
    connection.execute("VACUUM (ANALYZE) events, commands, data_keys")
    connection.execute("CHECKPOINT")
