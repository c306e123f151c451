"""Which tools does an assistant have, and what do they ask of the API?"""

from __future__ import annotations

from typing import Any

import pytest

from services.audit.assistant import INSTRUCTIONS, Read, reads_of
from tests.integration.api_client import app_in_memory


@pytest.fixture(scope="module")
def reads() -> dict[str, Read]:
    return reads_of(app_in_memory().openapi())


def test_there_is_a_tool_for_each_read_of_the_desk(reads: dict[str, Read]) -> None:
    assert set(reads) == {
        *("list_audit_events", "get_stream_state", "get_process_state", "list_rows_as_of"),
        *("list_stream_changes", "list_process_changes", "list_row_changes"),
        *("why_order", "why_payment", "why_shipment", "why_stock", "why_event"),
        *("why_number", "why_number_of_platform"),
        *("get_seal", "get_seal_key", "get_checkpoint", "prove_inclusion", "prove_consistency"),
        *("list_erasures", "list_looks", "list_all_looks"),
    }, "no endless streams, no tiles, and nothing that writes"


def test_every_tool_says_that_it_reads_and_what_it_takes(reads: dict[str, Read]) -> None:
    for name, read in reads.items():
        tool = read.tool
        assert tool.annotations
        assert tool.annotations.read_only_hint
        assert len(tool.description or "") > len(tool.title or ""), name
        schema = tool.input_schema
        assert schema["additionalProperties"] is False
        assert set(schema["required"]) <= set(schema["properties"])
        for parameter in schema["properties"].values():
            assert "null" not in str(parameter.get("anyOf", ""))
            assert "type" in parameter or "anyOf" in parameter or "enum" in parameter, (name, parameter)


def test_no_tool_advises_what_a_tool_can_not_do(reads: dict[str, Read]) -> None:
    told = {name: f"{read.tool.description} {read.tool.input_schema}" for name, read in reads.items()}
    assert [name for name, said in told.items() if "`Accept" in said] == []


def test_tools_that_the_instructions_name_are_there(reads: dict[str, Read]) -> None:
    for name in ("why_number", "why_order", "prove_inclusion"):
        assert f"`{name}`" in INSTRUCTIONS
        assert name in reads


def test_personal_fields_are_opened_where_the_server_was_started_so() -> None:
    reads = reads_of(app_in_memory().openapi(), personal=True)
    assert reads["list_audit_events"].url({"personal": True}) == "/v1/audit/events?personal=true"


@pytest.mark.parametrize(
    ("tool", "arguments", "url"),
    [
        ("get_seal", {}, "/v1/audit/seal"),
        ("why_order", {"order_id": "a/b c?"}, "/v1/audit/why/orders/a%2Fb%20c%3F"),
        ("why_stock", {"sku": "ü", "warehouse": "w#1"}, "/v1/audit/why/stock/%C3%BC/w%231"),
        (
            "list_audit_events",
            {"after": 5, "type": "A&B", "stream": None},
            "/v1/audit/events?after=5&type=A%26B",
        ),
    ],
)
def test_arguments_become_an_address(
    reads: dict[str, Read], tool: str, arguments: dict[str, Any], url: str
) -> None:
    assert reads[tool].url(arguments) == url


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("why_order", {}, "it needs order_id"),
        ("why_order", {"order_id": None}, "it needs order_id"),
        ("why_order", {"order_id": "o1", "as": "svg"}, "there is no argument as; it takes order_id"),
        ("get_seal", {"x": 1}, "there is no argument x; it takes nothing"),
        ("list_audit_events", {"personal": True}, "there is no argument personal"),
        ("why_stock", {"sku": "..", "warehouse": "w"}, "sku can't be .."),
    ],
)
def test_arguments_that_a_tool_does_not_take_are_told(
    reads: dict[str, Read], tool: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        reads[tool].url(arguments)
