"""`tillroll why`: what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli_run import AsJson, run
from services.settings import Settings

_KEY = "The row: columns of the key of its table (see below)"


def _key(about: str = "") -> Any:
    return typer.Option(help=about, rich_help_panel=_KEY)


def why(
    what: Annotated[
        str, typer.Argument(help="order, payment, shipment, stock, event; or a read model's table.")
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Which: MERCHANT/ORDER_ID or ORDER_ID, PAYMENT_ID, SKU WAREHOUSE, POSITION …"),
    ] = None,
    merchant: Annotated[str, typer.Option(help="Whose; needed where several have one of that name.")] = "",
    column: Annotated[str | None, typer.Option(help="Which number of the table.")] = None,
    day: Annotated[str | None, _key("Such as 2018-03-01, in UTC.")] = None,
    currency: Annotated[str | None, _key()] = None,
    sku: Annotated[str | None, _key()] = None,
    category: Annotated[str | None, _key()] = None,
    warehouse: Annotated[str | None, _key()] = None,
    order_id: Annotated[str | None, _key()] = None,
    line: Annotated[int | None, _key()] = None,
    position: Annotated[int | None, _key()] = None,
    payment_id: Annotated[str | None, _key()] = None,
    call: Annotated[str | None, _key()] = None,
    reference: Annotated[str | None, _key()] = None,
    dispute_id: Annotated[str | None, _key()] = None,
    kind: Annotated[str | None, _key()] = None,
    about: Annotated[str | None, _key("The payment or parcel that a discrepancy is of.")] = None,
    method_id: Annotated[str | None, _key()] = None,
    shipment_id: Annotated[str | None, _key()] = None,
    scan_id: Annotated[str | None, _key()] = None,
    checkout_id: Annotated[str | None, _key()] = None,
    purchase_id: Annotated[str | None, _key()] = None,
    transfer_id: Annotated[str | None, _key()] = None,
    stocktake_id: Annotated[str | None, _key()] = None,
    carrier: Annotated[str | None, _key()] = None,
    service: Annotated[str | None, _key()] = None,
    version: Annotated[int | None, _key()] = None,
    booking: Annotated[int | None, _key()] = None,
    manifest_id: Annotated[str | None, _key()] = None,
    invoice_id: Annotated[str | None, _key()] = None,
    cart_id: Annotated[str | None, _key()] = None,
    product_id: Annotated[str | None, _key()] = None,
    channel: Annotated[str | None, _key()] = None,
    valid_from: Annotated[str | None, _key("Such as 2018-03-01T12:00:00Z.")] = None,
    word: Annotated[str | None, _key()] = None,
    trigram: Annotated[str | None, _key()] = None,
    pick_list_id: Annotated[str | None, _key()] = None,
    hold_id: Annotated[str | None, _key()] = None,
    note_id: Annotated[str | None, _key()] = None,
    tag: Annotated[str | None, _key()] = None,
    quarter: Annotated[str | None, _key("Such as 2018-03-01T12:15:00Z.")] = None,
    change_set_id: Annotated[str | None, _key()] = None,
    after: Annotated[int, typer.Option(min=0, help="Parts of a number after this position.")] = 0,
    whole: Annotated[bool, typer.Option(help="Look for a number's events in the whole log.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write a tree as a picture to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """The tree of causes of something, or the events that a number in a read model is made of.

    `tillroll why order m1/1001`, `tillroll why stock A-1 main --merchant m1`, `tillroll why event 17` (of an
    order, a cart, a scheduled price or anything else),
    `tillroll why sales_by_day --merchant m1 --day 2018-03-01 --column net_cents`. Exit 1 if a number does not
    add up.
    """
    given = dict(locals())
    from services.audit.why import is_table, why_causes, why_number  # noqa: PLC0415

    parts = (
        "merchant", "day", "currency", "sku", "category", "warehouse", "order_id", "line", "position",
        "payment_id", "call", "reference", "dispute_id", "kind", "about", "method_id", "shipment_id",
        "scan_id", "checkout_id", "hold_id", "note_id", "tag", "change_set_id", "product_id", "channel",
        "valid_from", "quarter", "purchase_id", "transfer_id", "stocktake_id", "word", "trigram", "cart_id",
        "version", "pick_list_id", "carrier", "service", "booking", "manifest_id", "invoice_id",
    )  # fmt: skip
    key = {name: given[name] for name in parts if given[name] not in (None, "")}
    of_row = {name: str(told) for name, told in key.items() if name != "merchant"}
    of_number = {"column": column, "after": after, "whole": whole, **of_row}
    if is_table(what):
        ignored = {" ".join(names or ()): names, "--svg": svg}
        _none_of(ignored, f"{what} is a table, and its numbers have no tree")
        run(why_number(Settings.load(), what, key, column, after=after, whole=whole, as_json=as_json))
    else:
        options = {f"--{name.replace('_', '-')}": told for name, told in of_number.items()}
        _none_of(options, f"{what} is no table")
        _none_of({"--json": svg and as_json}, "with --svg a picture is written")
        if svg and svg.suffix.lower() not in ("", ".svg"):
            raise typer.BadParameter(f"it writes SVG: name it {svg.with_suffix('.svg')}", param_hint="--svg")
        run(why_causes(Settings.load(), what, names or [], merchant, as_json=as_json, svg=svg))


def _none_of(options: Mapping[str, object], why_not: str) -> None:
    """What would be ignored is refused: whoever gave it expects something of it."""
    if given := next((name for name, told in options.items() if told), None):
        raise typer.BadParameter(f"{why_not}: it takes no {given}")
