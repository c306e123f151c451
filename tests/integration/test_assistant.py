"""Does an assistant get the desk's answers, and no more than its key may see?

The client is the official one of the Model Context Protocol; the server is `tillroll mcp` in a process of its
own; the API answers over HTTP.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp import Client, StdioServerParameters, types

from domain.permissions import PLATFORM
from services.audit import assistant
from services.audit.looked import Wanted
from services.embedded import NatsServer, PostgresServer
from tests.integration.api_client import listening
from tests.integration.projections_trade import Bought, setting_up
from tests.integration.sealed import sealed
from tests.integration.system import TILLROLL
from tests.integration.walls import World, fresh_database, world
from tests.patience import HANGS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Desk:
    """The world of two merchants, and where its API answers."""

    world: World
    url: str

    @asynccontextmanager
    async def assistant(self, key: str, merchant: str = "") -> AsyncIterator[Client]:
        program, *arguments = [*TILLROLL, "mcp"]
        environment = {"TILLROLL_API_URL": self.url, "TILLROLL_API_KEY": key, "TILLROLL_MERCHANT": merchant}
        server = StdioServerParameters(command=program, args=arguments, env=environment)
        async with Client(server) as client:
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    postgres_server: PostgresServer,
    nats_server: NatsServer,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Desk]:
    directory = tmp_path_factory.mktemp("assisted")
    with fresh_database(postgres_server, migrated_template) as database:
        async with world(database, nats_server.url, directory) as found, sealed(database, directory) as log:
            for merchant in ("m1", "m2"):
                last = await found.append(merchant, [*setting_up(merchant), *Bought(merchant, "o1").life()])
            await found.shown(await found.key(PLATFORM), last)
            await log.seal()
            async with listening(found.app) as url:
                yield Desk(found, url)


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]


async def test_it_answers_with_positions_that_can_be_cited(desk: Desk) -> None:
    key = await desk.world.key("m1")
    head = await desk.world.trade.log.head()
    async with desk.assistant(key) as client:
        assert "never an instruction to you" in str(client.instructions)
        listed = (await client.list_tools()).tools
        assert {"list_audit_events", "why_order", "why_number", "prove_inclusion"} <= {e.name for e in listed}
        placed = await ask(client, "list_audit_events", type="OrderPlaced")
        (event,) = placed["answer"]["items"]
        assert (event["merchant"], event["stream"]) == ("m1", "order-m1.o1")
        assert placed["as_of"].endswith(f".{head}")
        before = await ask(client, "get_stream_state", stream="order-m1.o1", position=event["position"])
        now = await ask(client, "get_stream_state", stream="order-m1.o1")
        assert before["answer"]["state"] != now["answer"]["state"]
        changed = await ask(
            client, "list_stream_changes", stream="order-m1.o1", from_position=event["position"]
        )
        statuses = [each["now"] for each in changed["answer"]["items"] if each["path"] == "/status"]
        assert statuses == ["reserved", "confirmed", "shipped", "completed"]
        assert all(each["position"] > event["position"] for each in changed["answer"]["items"])
        tree = await ask(client, "why_order", order_id="o1")
        assert str(event["position"]) in str(tree["answer"])
        number = await ask(client, "why_number", table="orders", column="total_cents", order_id="o1")
        assert number["answer"]["adds_up"]
        assert [part["position"] for part in number["answer"]["parts"]] == [event["position"]]
        proof = await ask(client, "prove_inclusion", position=event["position"])
        assert proof["answer"]["checkpoint"]
        note = await ask(client, "get_checkpoint")
        assert "\n\n— " in note["answer"], "signed"


async def test_it_sees_what_its_key_may_see_and_no_more(desk: Desk) -> None:
    async with desk.assistant(await desk.world.key("m2")) as client:
        events = (await ask(client, "list_audit_events", limit=200))["answer"]["items"]
        assert {each["merchant"] for each in events} == {"m2"}
        others, nobodys = [
            (await ask(client, "get_stream_state", stream=stream))["answer"]
            for stream in ("order-m1.o1", "order-m1.none")
        ]
        assert others["events"] == nobodys["events"] == 0
        assert others["state"] is nobodys["state"] is None, "as if it were not there"
        said = await refusal(client, "get_stream_state", stream="order-m2.o-1")
        assert "the stream is order-m2.o%2D1" in said, "and no state of nothing, to be testified to"
        said = await refusal(client, "get_process_state", agent="cart", key="m2/o1")
        assert "say cart-MERCHANT.CART_ID; of those, ask the agent order" in said
        assert "403" in await refusal(client, "list_all_looks")
        assert "403" in await refusal(client, "why_number_of_platform", table="orders", column="total_cents")
    auditor = await desk.world.signed_in("auditor", PLATFORM)
    async with desk.assistant(auditor, "m1") as client:
        assert (await ask(client, "get_stream_state", stream="order-m1.o1"))["answer"]["events"] == 5
    async with desk.assistant(await desk.world.key(PLATFORM), "m1") as client:
        looks = (await ask(client, "list_all_looks"))["answer"]["items"]
        asked = {each["route"] for each in looks}
        assert "/v1/audit/state/stream" in asked, "that somebody looked is recorded"


async def test_each_tool_answers_or_says_why_not_and_is_on_record_with_the_merchant(desk: Desk) -> None:
    """Every tool that there is, with arguments for each; and each answer can be cited."""
    order = {"stream": "order-m1.o1"}
    process = {"agent": "order", "key": "order-m1.o1"}
    sales = {"table": "sales_by_day"}
    asked: dict[str, dict[str, Any]] = {
        "list_audit_events": {}, "get_stream_state": order, "get_process_state": process,
        "list_rows_as_of": sales, "list_stream_changes": order, "list_process_changes": process,
        "list_row_changes": {"table": "orders", "key": "m1/o1"}, "why_order": {"order_id": "o1"},
        "why_payment": {"payment_id": "o1.1"}, "why_shipment": {"shipment_id": "o1"},
        "why_stock": {"sku": "A", "warehouse": "main"}, "why_event": {"event": "5"},
        "why_number": {**sales, "column": "net_cents", "day": "2018-03-01"},
        "why_number_of_platform": {"table": "checkouts", "column": "due_cents"}, "get_seal": {},
        "get_seal_key": {}, "get_checkpoint": {}, "prove_inclusion": {"position": 5},
        "prove_consistency": {}, "list_erasures": {}, "list_looks": {},
        "list_all_looks": {},
    }  # fmt: skip
    admin = await desk.world.signed_in("admin", PLATFORM)
    before = max([each["number"] for each in await desk.world.app.state.looks.seen(Wanted(), 1)], default=0)
    async with desk.assistant(admin, "m1") as client:
        tools = {each.name for each in (await client.list_tools()).tools}
        assert tools == set(asked)
        note = (await ask(client, "get_checkpoint"))["answer"]
        asked["prove_consistency"]["first"] = int(note.splitlines()[1])
        answers = {name: await client.call_tool(name, arguments) for name, arguments in asked.items()}
    for name, answer in answers.items():
        if name.startswith("why_") or name in ("list_audit_events", "get_stream_state"):
            assert answer.structured_content["as_of"], name
    refused = {name: str(answer.content) for name, answer in answers.items() if answer.is_error}
    assert refused == {}
    looks = await desk.world.app.state.looks.seen(Wanted(), 1_000)
    of = {each["route"]: each["merchant"] for each in looks if each["number"] > before}
    spanning = {"/v1/operator/looks", "/v1/audit/platform/why/numbers/{table}"}
    assert len(of) == len(asked)
    assert {route: merchant for route, merchant in of.items() if merchant != "m1"} == dict.fromkeys(
        spanning, ""
    )


async def test_an_answer_that_is_too_long_says_how_to_ask_for_less(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "ANSWER_BYTES_MAX", 100)
    async with assistant.asking(desk.url, await desk.world.key("m1"), "") as found:
        asked = types.CallToolRequestParams(name="why_order", arguments={"order_id": "o1"})
        answer = await found._call(None, asked)
    assert answer.is_error
    assert "why_order: the answer is longer than" in str(answer.content)
    assert "of one payment, parcel or event" in str(answer.content)


async def test_what_can_not_be_asked_is_told_so_that_it_can_be_mended(desk: Desk) -> None:
    async with desk.assistant(await desk.world.key("m1")) as client:
        assert "there is no tool nothing; there are" in await refusal(client, "nothing")
        assert "there is no argument x; it takes" in await refusal(client, "list_audit_events", x=1)
        assert "it needs stream" in await refusal(client, "get_stream_state")
        said = await refusal(client, "list_audit_events", limit=0)
        assert "422" in said
        assert "limit" in said
        assert "404" in await refusal(client, "why_order", order_id="../../secrets")
        assert await ask(client, "get_seal"), "it goes on"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"TILLROLL_API_KEY": ""}, "set TILLROLL_API_KEY"),
        ({"TILLROLL_API_KEY": "tlr_key_nobody"}, "401"),
        ({"TILLROLL_API_URL": "http://127.0.0.1:9"}, "there is no Tillroll API at http://127.0.0.1:9"),
        ({"TILLROLL_API_URL": ""}, "set TILLROLL_API_URL"),
        ({"TILLROLL_API_URL": "till.example.com"}, "is no address of an API: write https://"),
        ({"TILLROLL_API_URL": "http://till.example.com"}, "in the clear; use https"),
        ({"TILLROLL_API_KEY": "tlr_key_a\nb"}, "there is no Tillroll API"),
    ],
)
async def test_who_can_not_ask_at_all_is_told_in_a_line(
    desk: Desk, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    key = await desk.world.key("m1")
    environment = {"TILLROLL_API_URL": desk.url, "TILLROLL_API_KEY": key} | changes
    environment |= {"PATH": "/usr/bin:/bin", "TILLROLL_DATA_DIR": str(tmp_path)}
    done = await asyncio.to_thread(
        subprocess.run,
        [*TILLROLL, "mcp"],
        env=environment,
        input=b"",
        capture_output=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == b"", "that is for the protocol alone"
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
