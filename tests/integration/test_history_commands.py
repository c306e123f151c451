"""Do `tillroll history`, `state`, `diff`, `follow` and `export` say what the API says?"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from eventstore.merkle import root_of
from eventstore.schema import migrate
from services.audit import history_console
from services.audit.filters import EventFilter, order_of
from services.audit.history_index import HistoryIndex
from services.audit.lines import line_of
from services.settings import Settings
from tests.integration.projections_trade import (
    MASTER_KEY,
    START,
    Bought,
    Trade,
    open_trade,
    setting_up,
    some_carts,
)
from tests.integration.system import TILLROLL
from tests.patience import HANGS

BOUGHT = Bought(merchant="m1", order_id="1001", person="p1")


@pytest.fixture
def environment(database: str, nats_url: str, tmp_path: Path) -> dict[str, str]:
    key = tmp_path / "secrets" / "master.key"
    key.parent.mkdir(mode=0o700)
    key.write_bytes(base64.b64encode(MASTER_KEY))
    settings = {"DATA_DIR": str(tmp_path), "DATABASE_URL": database, "NATS_URL": nats_url}
    return os.environ | {f"TILLROLL_{name}": value for name, value in settings.items()}


@pytest.fixture
async def trade(database: str) -> Any:
    async with open_trade(database) as opened:
        await opened.append("m1", setting_up("m1"))
        await opened.append("m1", BOUGHT.life(), at=START)
        await HistoryIndex(opened.log, opened.log.pool).catch_up()
        yield opened


def lines(environment: dict[str, str], *arguments: str) -> list[Any]:
    """What a command prints, a JSON value a line."""
    done = subprocess.run(
        [*TILLROLL, *arguments, "--json"],
        env=environment,
        capture_output=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def told(environment: dict[str, str], *arguments: str) -> tuple[str, str]:
    """What a command prints, and what it says beside."""
    done = subprocess.run(
        [*TILLROLL, *arguments], env=environment, capture_output=True, timeout=HANGS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(), done.stderr.decode()


def refused(environment: dict[str, str], *arguments: str) -> str:
    """What a command says that can't do what it was asked for."""
    done = subprocess.run(
        [*TILLROLL, *arguments], env=environment, capture_output=True, timeout=HANGS, check=False
    )
    assert done.returncode == 2, done.stdout
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


async def test_history_and_states(trade: Trade, environment: dict[str, str]) -> None:
    stored = await trade.log.read(0, 1_000)
    assert [each["position"] for each in lines(environment, "history")] == [
        event.position for event in stored
    ]
    (placed,) = lines(environment, "history", "--order", BOUGHT.order, "--type", "OrderPlaced")
    assert list(placed["data"]["customer"]) == ["sealed"]
    (placed,) = lines(environment, "history", "--type", "OrderPlaced", "--personal", "--limit", "1")
    assert placed["data"]["customer"]["city"] == "São Paulo"
    at = stored[-3].recorded_at.isoformat()
    for moment in (str(stored[-3].position), at):
        (state,) = lines(environment, "state", "stream", BOUGHT.order, "--at", moment)
        assert (state["position"], state["state"]["status"]) == (stored[-3].position, "shipped")
    rows = lines(environment, "state", "rows", "orders", "--key", "m1/1001", "--personal")
    assert [(row["status"], row["ship_to_city"]) for row in rows] == [("completed", "São Paulo")]
    changes = lines(environment, "diff", "rows", "orders", "--from", str(stored[-3].position))
    status = [each for each in changes if each["path"] == "/status"]
    assert [(each["was"], each["now"], each["position"]) for each in status] == [
        ("shipped", "completed", stored[-1].position)
    ]
    assert "neither a position nor a time" in refused(
        environment, "state", "stream", BOUGHT.order, "--at", "soon"
    )
    for command in (("state", "stream", BOUGHT.order, "--at"), ("history", "--until")):
        assert "2130-01-01T00:00:00+00:00 is still to come" in refused(
            environment, *command, "2130-01-01T00:00:00Z"
        )
    assert "there is no table nothing" in refused(environment, "state", "rows", "nothing")
    assert "nothing-1 is no stream" in refused(environment, "diff", "stream", "nothing-1")


async def test_an_order_that_is_there_is_not_said_to_be_missing(
    trade: Trade, environment: dict[str, str]
) -> None:
    """`-` is encoded in a stream's name: whoever types it as it is gets told so, and no silence."""
    await trade.append("m1", Bought(merchant="m1", order_id="o-1", person="p1").placing())
    for command in (
        ("state", "stream", "order-m1.o-1"),
        ("state", "process", "order", "order-m1.o-1"),
        ("diff", "stream", "order-m1.o-1"),
        ("history", "--stream", "order-m1.o-1"),
        ("history", "--order", "order-m1.o-1"),
        ("follow", "--order", "order-m1.o-1"),
    ):
        assert "the stream is order-m1.o%2D1" in refused(environment, *command), command
    assert "say MERCHANT/o-1" in refused(environment, "history", "--order", "o-1")
    for order in ("m1/o-1", "order-m1.o%2D1"):
        placed, *_ = lines(environment, "history", "--order", order)
        assert placed["type"] == "OrderPlaced"
        (state,) = lines(environment, "state", "process", "order", order)
        assert (state["key"], state["events"] > 0) == ("order-m1.o%2D1", True)


async def test_the_process_of_a_cart_is_asked_for_by_its_stream(
    trade: Trade, environment: dict[str, str]
) -> None:
    await trade.append("m1", some_carts("m1"))
    (state,) = lines(environment, "state", "process", "cart", "cart-m1.m1cart0")
    assert (state["events"], state["state"]["claim"]) == (4, 1)
    changed = lines(environment, "diff", "process", "cart", "cart-m1.m1cart0")
    assert "/claim" in {each["path"] for each in changed}
    for agent, key in (("cart", "m1/1001"), ("order", "cart-m1.m1cart0")):
        said = " ".join(refused(environment, "state", "process", agent, key).split())
        assert "names no process of the agent" in said, said
        assert "ask the agent" in said, said


async def test_where_nothing_fits_it_is_said_so(trade: Trade, environment: dict[str, str]) -> None:
    head = await trade.log.head()
    for command, said in {
        ("history", "--merchant", "dmo"): f"no event fits, up to position {head}\n",
        ("history", "--type", "OrderCancelled", "--until", "3"): "no event fits, up to position 3\n",
        ("state", "rows", "orders", "--key", "m1/none"): f"no row fits, as of position {head}\n",
        (
            "diff",
            "stream",
            BOUGHT.order,
            "--from",
            str(head),
        ): f"nothing changed from position {head} to {head}\n",
    }.items():
        assert told(environment, *command) == ("", said)
    assert "there is OrderPlaced" in refused(environment, "history", "--type", "OrderPlacd")
    assert "32 hex digits" in refused(environment, "history", "--subject", "xyz")
    assert "say MERCHANT/ORDER_ID" in refused(environment, "state", "rows", "orders", "--key", "1001")
    by_stream = lines(environment, "state", "rows", "orders", "--key", BOUGHT.order)
    assert by_stream == lines(environment, "state", "rows", "orders", "--key", "m1/1001") != []


async def test_a_look_at_what_is_a_merchants_is_recorded_with_it(
    trade: Trade, environment: dict[str, str], tmp_path: Path
) -> None:
    lines(environment, "state", "rows", "orders", "--key", "m1/1001")
    lines(environment, "diff", "stream", BOUGHT.order)
    lines(environment, "state", "rows", "orders")
    lines(environment, "state", "rows", "orders", "--column", "merchant", "--value", "m1")
    lines(environment, "history", "--order", "m1/1001")
    lines(environment, "history", "--order", "m1/1001", "--merchant", "m2")
    lines(environment, "history", "--stream", BOUGHT.order)
    following = ("follow", "--after", "0", "--until", str(await trade.log.head()))
    lines(environment, *following, "--order", "m1/1001")
    lines(environment, *following, "--stream", BOUGHT.order)
    lines(environment, *following, "--merchant", "m1", "--stream", "order-m2.1001")
    for number, named in enumerate((("--order", "m1/1001"), ("--stream", BOUGHT.order), ("--until", "2"))):
        lines(environment, "export", "--to", str(tmp_path / f"{number}.ndjson"), *named)
    refused(environment, "why", "order", BOUGHT.order)  # no read model is made: a look is recorded before
    (shown,) = lines(environment, "looked", "--since", "2020-01-01")
    found = [(each["route"], each["merchant"]) for each in shown if each["route"] != "tillroll looked"]
    assert sorted(found) == [
        ("tillroll diff", "m1"),
        ("tillroll export", ""), ("tillroll export", "m1"), ("tillroll export", "m1"),
        ("tillroll follow", ""), ("tillroll follow", "m1"), ("tillroll follow", "m1"),
        ("tillroll history", ""), ("tillroll history", "m1"), ("tillroll history", "m1"),
        ("tillroll state rows", ""), ("tillroll state rows", "m1"), ("tillroll state rows", "m1"),
        ("tillroll why", "m1"),
    ]  # fmt: skip


async def test_an_export_on_the_command_line(
    trade: Trade, environment: dict[str, str], tmp_path: Path
) -> None:
    target = tmp_path / "events.ndjson"
    (manifest,) = lines(environment, "export", "--to", str(target))
    stored = await trade.log.read(0, 1_000)
    assert manifest["events"] == len(stored) == len(target.read_bytes().splitlines())
    assert base64.b64decode(manifest["root_hash"]) == root_of(event.leaf_hash for event in stored)
    assert "is there already" in refused(environment, "export", "--to", str(target))


async def test_an_export_of_one_merchant_says_what_it_leaves_out(
    trade: Trade, environment: dict[str, str], tmp_path: Path
) -> None:
    await trade.append("m2", [*setting_up("m2"), *Bought(merchant="m2", order_id="1001", person="p2").life()])
    stored = await trade.log.read(0, 1_000)
    whole, ours = tmp_path / "whole.ndjson", tmp_path / "ours.ndjson"
    (manifest,) = lines(environment, "export", "--to", str(whole))
    assert (manifest["partial"], manifest["filter"]) == (False, {})
    (manifest,) = lines(environment, "export", "--to", str(ours), "--merchant", "m2")
    kept = [event for event in stored if event.merchant == "m2"]
    assert ours.read_bytes() == b"".join(map(line_of, kept)) != b""
    assert (manifest["partial"], manifest["filter"]) == (True, {"merchant": "m2"})
    assert (manifest["first_position"], manifest["last_position"]) == (1, len(stored))
    assert manifest["events"] == len(kept)
    assert base64.b64decode(manifest["root_hash"]) == root_of(event.leaf_hash for event in kept)
    for number, (options, fits) in enumerate(
        {
            ("--order", "1001", "--merchant", "m2"): lambda each: order_of(each) == "order-m2.1001",
            ("--type", "OrderPlaced", "--from", "4"): lambda each: each.type == "OrderPlaced",
            ("--from", "4"): lambda each: each.position >= 4,
        }.items()
    ):
        target = tmp_path / f"{number}.ndjson"
        (manifest,) = lines(environment, "export", "--to", str(target), *options)
        assert target.read_bytes() == b"".join(line_of(each) for each in stored if fits(each)) != b""
        assert manifest["partial"] is True
    none = tmp_path / "none.ndjson"
    said = refused(environment, "export", "--to", str(none), "--merchant", "m3")
    assert f"no event fits, from position 1 to {len(stored)}" in said
    assert not list(tmp_path.glob("*none*"))
    (shown,) = lines(environment, "looked", "--since", "2020-01-01")
    assert {each["merchant"] for each in shown if each["route"] == "tillroll export"} == {"", "m2", "m3"}


@pytest.fixture
def following(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    inherited = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # who tests in the background ignores it
    process = subprocess.Popen(
        [*TILLROLL, "follow", "--merchant", "m1", "--after", "0", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    signal.signal(signal.SIGINT, inherited)
    yield process
    process.kill()
    process.communicate()


async def test_follow_prints_events_as_they_come(trade: Trade, following: subprocess.Popen[bytes]) -> None:
    assert following.stdout is not None
    assert following.stderr is not None
    assert following.stderr.readline() == b"following from position 0\n"
    head = await trade.log.head()
    assert [orjson.loads(following.stdout.readline())["position"] for _ in range(head)] == list(
        range(1, head + 1)
    )
    other = Bought(merchant="m1", order_id="1002", person="p1")
    last = await trade.append("m1", other.placing())
    assert [orjson.loads(following.stdout.readline())["position"] for _ in range(last - head)][-1] == last
    following.send_signal(signal.SIGINT)
    assert following.wait(timeout=HANGS) == 130
    assert b"Traceback" not in following.stderr.read()


async def test_follow_ends_though_what_it_waits_for_misses_that_it_is_cancelled(
    trade: Trade, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As psycopg may, where an answer comes in the same moment."""
    waits = asyncio.Event()

    async def misses_it_once(*_: Any, **__: Any) -> AsyncIterator[tuple[list[Any], int]]:
        with suppress(asyncio.CancelledError):
            waits.set()
            await asyncio.sleep(2 * HANGS)
        yield [], 0
        await asyncio.sleep(2 * HANGS)

    monkeypatch.setattr(history_console, "coming", misses_it_once)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    following = asyncio.create_task(
        history_console.follow_events(Settings.load(), EventFilter(), 0, None, open_=False, as_json=True)
    )
    await waits.wait()
    following.cancel()
    await asyncio.wait([following], timeout=HANGS)
    assert following.cancelled()


async def test_follow_ends_where_it_is_told_to_and_takes_times(
    trade: Trade, environment: dict[str, str]
) -> None:
    head = await trade.log.head()
    stored = await trade.log.read(0, head)
    every = lines(environment, "follow", "--after", "0", "--until", str(head))
    assert [each["position"] for each in every] == list(range(1, head + 1))
    since = stored[2].recorded_at
    found = lines(
        environment, "follow", "--after", "0", "--until", str(head), "--recorded-from", since.isoformat()
    )
    assert [each["position"] for each in found] == [e.position for e in stored if e.recorded_at >= since]


async def test_follow_says_from_where_on(trade: Trade, environment: dict[str, str]) -> None:
    """What is appended once it has said so is shown; before, nobody was promised anything."""
    head = await trade.log.head()
    assert f"the log ends at position {head}" in refused(environment, "follow", "--after", str(head + 1))
    command = [*TILLROLL, "follow", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as following:
        try:
            assert following.stderr is not None
            assert following.stdout is not None
            assert following.stderr.readline() == f"following from position {head}\n".encode()
            await trade.append("m1", Bought(merchant="m1", order_id="1002", person="p1").placing())
            assert orjson.loads(following.stdout.readline())["position"] == head + 1
        finally:
            following.kill()


async def test_follow_ends_with_the_epoch(
    trade: Trade, following: subprocess.Popen[bytes], database: str
) -> None:
    """Positions of another one are other events': to go on would miss some, and tell of others twice."""
    assert following.stdout is not None
    assert following.stderr is not None
    assert following.stdout.readline()
    migrate(database, new_epoch=True)
    assert await asyncio.to_thread(following.wait, HANGS) not in {0, None}
    said = following.stderr.read().decode()
    assert "this process ends with it" in said
    assert "Traceback" not in said
