"""Strategies of what may be asked of a product: one id, which is also a SKU, and a few of everything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.kernel import Command
from domain.product import (
    ActivateProduct,
    AddVariant,
    ApplyPrices,
    ArchiveProduct,
    AssignSku,
    DescribeProduct,
    DescribeVariant,
    Details,
    DraftProduct,
    FreeSku,
    ImportProduct,
    PublishProduct,
    RemoveVariant,
    RestoreProduct,
    SetPrice,
    UnpublishProduct,
    Variant,
    WithdrawPrice,
)

_START = datetime(2024, 2, 29, 23, tzinfo=UTC)
_moments = st.integers(0, 5).map(lambda hour: _START + timedelta(hours=hour))
_product: dict[str, Any] = {"product_id": st.just("A-1")}
_channel: dict[str, Any] = {**_product, "channel": st.sampled_from(["web", "shop"])}
_place: dict[str, Any] = {**_channel, "sku": st.sampled_from(["A-1", "B.2"]), "currency": st.just("EUR")}
_claim: dict[str, Any] = {"sku": st.just("A-1"), "product_id": st.sampled_from(["A-1", "P"])}
_details = st.builds(
    Details,
    name=st.sampled_from(["Mug", "Cup"]),
    category=st.sampled_from([None, "toys"]),
    options=st.sampled_from([(), ("colour",), ("colour", "colour")]),
)
_variants = st.builds(
    Variant,
    sku=st.sampled_from(["A-1", "B.2"]),
    options=st.sampled_from([(), ("red",), ("blue",)]),
    gtin=st.sampled_from([None, "4006381333931", "4006381333932"]),
)

PRODUCT_COMMANDS: dict[type[Command], SearchStrategy[Any]] = {
    ImportProduct: st.builds(
        ImportProduct, sku=st.just("A-1"), category=st.sampled_from([None, "toys"]), photos=st.integers(0, 1)
    ),
    DraftProduct: st.builds(DraftProduct, **_product, details=_details),
    DescribeProduct: st.builds(DescribeProduct, **_product, details=_details),
    ActivateProduct: st.builds(ActivateProduct, **_product),
    ArchiveProduct: st.builds(ArchiveProduct, **_product),
    RestoreProduct: st.builds(RestoreProduct, **_product),
    PublishProduct: st.builds(PublishProduct, **_channel),
    UnpublishProduct: st.builds(UnpublishProduct, **_channel),
    AddVariant: st.builds(AddVariant, **_product, variant=_variants),
    DescribeVariant: st.builds(DescribeVariant, **_product, variant=_variants),
    RemoveVariant: st.builds(RemoveVariant, **_product, sku=st.sampled_from(["A-1", "B.2"])),
    AssignSku: st.builds(AssignSku, **_claim),
    FreeSku: st.builds(FreeSku, **_claim),
    SetPrice: st.builds(
        SetPrice, **_place, price_cents=st.sampled_from([0, 100, 200]), valid_from=_moments, now=_moments
    ),
    WithdrawPrice: st.builds(WithdrawPrice, **_place, valid_from=_moments, now=_moments),
    ApplyPrices: st.builds(ApplyPrices, **_product, now=_moments),
}
PRODUCT_OPENING: tuple[Command, ...] = (
    DraftProduct(product_id="A-1", details=Details(name="Mug", options=("colour",))),
    AddVariant(product_id="A-1", variant=Variant(sku="B.2", options=("red",))),
)
