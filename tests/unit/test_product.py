"""Is a product sold only as what it was set up to be, at prices that held, under a SKU of its own?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.product import (
    PRODUCT,
    SCHEDULED_MAX,
    VARIANTS_MAX,
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
    PriceApplied,
    PriceSet,
    PriceWithdrawn,
    ProductActivated,
    ProductArchived,
    ProductDescribed,
    ProductDrafted,
    ProductEvent,
    ProductImported,
    ProductPublished,
    ProductRestored,
    ProductUnpublished,
    PublishProduct,
    RemoveVariant,
    RestoreProduct,
    SetPrice,
    SkuAssigned,
    SkuFreed,
    UnpublishProduct,
    Variant,
    VariantAdded,
    VariantDescribed,
    VariantRemoved,
    WithdrawPrice,
)
from tests.specification import Specification

product = Specification(PRODUCT)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MUG = {"product_id": "MUG"}
DETAILS = Details(name="Mug", options=("colour",))
PLAIN = Details(name="Mug")
RED = Variant(sku="MUG-RED", options=("red",), gtin="4006381333931")
BLUE = Variant(sku="MUG-BLUE", options=("blue",))
DRAFTED = ProductDrafted(**MUG, details=DETAILS)
PLACE = {**MUG, "sku": "MUG-RED", "channel": "web", "currency": "EUR"}


def added(variant: Variant) -> VariantAdded:
    return VariantAdded(**MUG, variant=variant)


def priced(cents: int, at: datetime = NOON, set_at: datetime | None = None, sku: str = "MUG-RED") -> PriceSet:
    return PriceSet(**PLACE | {"sku": sku}, price_cents=cents, valid_from=at, set_at=set_at or at)


def set_price(cents: int, at: datetime = NOON, now: datetime = NOON) -> SetPrice:
    return SetPrice(**PLACE, price_cents=cents, valid_from=at, now=now)


def withdraw(at: datetime, now: datetime = NOON) -> WithdrawPrice:
    return WithdrawPrice(**PLACE, valid_from=at, now=now)


ACTIVE: tuple[ProductEvent, ...] = (
    DRAFTED,
    added(RED),
    priced(1990),
    ProductPublished(**MUG, channel="web"),
    ProductActivated(**MUG),
)
ARCHIVED: tuple[ProductEvent, ...] = (*ACTIVE, ProductArchived(**MUG))


def test_is_drafted_once_and_described_after_that() -> None:
    draft = DraftProduct(**MUG, details=DETAILS)
    product.given().when(draft).then(DRAFTED)
    product.given(DRAFTED).when(draft).then_nothing()
    other = DETAILS.model_copy(update={"name": "Cup"})
    given = product.given(DRAFTED)
    assert "describe it" in given.when(DraftProduct(**MUG, details=other)).then_refused("drafted_once")
    given.when(DescribeProduct(**MUG, details=other)).then(ProductDescribed(**MUG, details=other))
    given.when(DescribeProduct(**MUG, details=DETAILS)).then_nothing()


def test_what_was_imported_can_be_drafted_and_imported_again() -> None:
    imported = ProductImported(sku="MUG", weight_g=300)
    given = product.given(imported)
    assert "draft it first" in given.when(ActivateProduct(**MUG)).then_refused("product_exists")
    drafted = given.when(DraftProduct(**MUG, details=DETAILS))
    drafted.then(DRAFTED)
    assert drafted.state.imported == imported
    product.given(imported, DRAFTED).when(ImportProduct(sku="MUG", weight_g=310)).then(
        ProductImported(sku="MUG", weight_g=310)
    )


def test_sku_unique_in_the_merchant() -> None:
    """The stream of the SKU says so, whoever asks first."""
    assign = AssignSku(sku="MUG-RED", product_id="MUG")
    assigned = SkuAssigned(sku="MUG-RED", product_id="MUG")
    product.given().when(assign).then(assigned)
    product.given(assigned).when(assign).then_nothing()
    said = product.given(assigned).when(AssignSku(sku="MUG-RED", product_id="CUP")).then_refused("sku_unique")
    assert "MUG" in said
    drafted = ProductDrafted(product_id="MUG-RED", details=PLAIN)
    product.given(drafted).when(assign).then_refused("sku_unique")
    product.given(ProductImported(sku="MUG-RED")).when(assign).then(assigned)
    given = product.given(assigned)
    given.when(DraftProduct(product_id="MUG-RED", details=PLAIN)).then_refused("sku_unique")
    given.when(ImportProduct(sku="MUG-RED")).then_refused("sku_unique")
    said = given.when(ActivateProduct(product_id="MUG-RED")).then_refused("product_exists")
    assert "its product is MUG" in said


def test_a_sku_that_is_free_again_may_be_anothers() -> None:
    assigned = SkuAssigned(sku="MUG-RED", product_id="MUG")
    freed = SkuFreed(sku="MUG-RED", product_id="MUG")
    product.given(assigned).when(FreeSku(sku="MUG-RED", product_id="CUP")).then_nothing()
    product.given(assigned).when(FreeSku(sku="MUG-RED", product_id="MUG")).then(freed)
    product.given(assigned, freed).when(AssignSku(sku="MUG-RED", product_id="CUP")).then(
        SkuAssigned(sku="MUG-RED", product_id="CUP")
    )


def test_gtin_check_digit() -> None:
    given = product.given(DRAFTED)
    given.when(AddVariant(**MUG, variant=RED)).then(added(RED))
    for wrong in ("4006381333932", "400638133393", "40063813339a1", "4006 381333931"):
        odd = RED.model_copy(update={"gtin": wrong})
        assert wrong in given.when(AddVariant(**MUG, variant=odd)).then_refused("gtin_check_digit")


def test_variants_differ_in_an_option_and_in_their_gtin() -> None:
    given = product.given(DRAFTED, added(RED))
    given.when(AddVariant(**MUG, variant=RED)).then_nothing()
    given.when(AddVariant(**MUG, variant=BLUE)).then(added(BLUE))
    for update, rule in (
        ({"options": ("red",)}, "variants_differ"),
        ({"options": ()}, "options_fit_variants"),
        ({"options": ("blue", "large")}, "options_fit_variants"),
        ({"gtin": RED.gtin}, "gtin_unique"),
        ({"sku": "MUG-RED"}, "variant_added_once"),
    ):
        given.when(AddVariant(**MUG, variant=BLUE.model_copy(update=update))).then_refused(rule)


def test_a_product_without_options_has_one_variant() -> None:
    given = product.given(ProductDrafted(**MUG, details=PLAIN), added(Variant(sku="MUG")))
    assert "no options either" in given.when(AddVariant(**MUG, variant=Variant(sku="B"))).then_refused(
        "variants_differ"
    )


def test_a_variant_is_described_and_removed() -> None:
    heavier = RED.model_copy(update={"weight_g": 350})
    given = product.given(DRAFTED, added(RED))
    given.when(DescribeVariant(**MUG, variant=heavier)).then(VariantDescribed(**MUG, variant=heavier))
    given.when(DescribeVariant(**MUG, variant=RED)).then_nothing()
    given.when(DescribeVariant(**MUG, variant=BLUE)).then_refused("variant_exists")
    given.when(RemoveVariant(**MUG, sku="MUG-RED")).then(VariantRemoved(**MUG, sku="MUG-RED"))
    given.when(RemoveVariant(**MUG, sku="MUG-BLUE")).then_refused("variant_exists")
    product.given(*ACTIVE).when(RemoveVariant(**MUG, sku="MUG-RED")).then_refused("active_has_variants")


def test_options_are_renamed_but_none_comes_or_goes_while_there_are_variants() -> None:
    renamed = DETAILS.model_copy(update={"options": ("color",)})
    more = DETAILS.model_copy(update={"options": ("colour", "size")})
    given = product.given(DRAFTED, added(RED))
    given.when(DescribeProduct(**MUG, details=renamed)).then(ProductDescribed(**MUG, details=renamed))
    given.when(DescribeProduct(**MUG, details=more)).then_refused("options_fit_variants")
    twice = DETAILS.model_copy(update={"options": ("colour", "colour")})
    product.given(DRAFTED).when(DescribeProduct(**MUG, details=twice)).then_refused("options_differ")


def test_variants_are_bounded() -> None:
    many = [added(Variant(sku=f"S{number}", options=(str(number),))) for number in range(VARIANTS_MAX)]
    product.given(DRAFTED, *many).when(AddVariant(**MUG, variant=RED)).then_refused("variants_bounded")


def test_an_active_product_has_variants_and_prices() -> None:
    activate = ActivateProduct(**MUG)
    product.given(DRAFTED).when(activate).then_refused("active_has_variants")
    given = product.given(DRAFTED, added(RED), added(BLUE), priced(1990))
    assert "MUG-BLUE" in given.when(activate).then_refused("active_has_prices")
    product.given(DRAFTED, added(RED), priced(1990)).when(activate).then(ProductActivated(**MUG))
    product.given(*ACTIVE).when(activate).then_nothing()


def test_draft_active_archived() -> None:
    product.given(DRAFTED).when(ArchiveProduct(**MUG)).then(ProductArchived(**MUG))
    product.given(*ACTIVE).when(ArchiveProduct(**MUG)).then(ProductArchived(**MUG))
    product.given(*ARCHIVED).when(ArchiveProduct(**MUG)).then_nothing()
    assert "restore it first" in product.given(*ARCHIVED).when(ActivateProduct(**MUG)).then_refused(
        "activate_from_draft"
    )
    product.given(*ARCHIVED).when(RestoreProduct(**MUG)).then(ProductRestored(**MUG))
    product.given(DRAFTED).when(RestoreProduct(**MUG)).then_nothing()
    product.given(*ACTIVE).when(RestoreProduct(**MUG)).then_refused("restore_from_archive")


def test_what_is_archived_stays_as_it_was() -> None:
    given = product.given(*ARCHIVED)
    for command in (
        DescribeProduct(**MUG, details=DETAILS),
        AddVariant(**MUG, variant=BLUE),
        DescribeVariant(**MUG, variant=RED),
        RemoveVariant(**MUG, sku="MUG-RED"),
        set_price(1),
        PublishProduct(**MUG, channel="shop"),
    ):
        assert "restore it first" in given.when(command).then_refused("archived_stays")
    given.when(UnpublishProduct(**MUG, channel="web")).then(ProductUnpublished(**MUG, channel="web"))


def test_published_per_channel_where_it_has_a_price() -> None:
    given = product.given(DRAFTED, added(RED), priced(1990))
    given.when(PublishProduct(**MUG, channel="web")).then(ProductPublished(**MUG, channel="web"))
    given.when(PublishProduct(**MUG, channel="shop")).then_refused("published_has_prices")
    product.given(*ACTIVE).when(PublishProduct(**MUG, channel="web")).then_nothing()
    product.given(*ACTIVE).when(UnpublishProduct(**MUG, channel="web")).then(
        ProductUnpublished(**MUG, channel="web")
    )
    product.given(DRAFTED).when(UnpublishProduct(**MUG, channel="web")).then_nothing()


def test_a_price_holds_from_now_or_from_a_day_to_come() -> None:
    given = product.given(DRAFTED, added(RED), priced(1990))
    given.when(set_price(1790, NOON + DAY)).then(priced(1790, NOON + DAY, NOON))
    given.when(set_price(1790)).then(priced(1790))
    given.when(set_price(1990)).then_nothing()
    given.when(set_price(1990, NOON + DAY, NOON + DAY)).then_nothing()
    given.when(set_price(1790, NOON - DAY)).then_refused("price_not_backdated")
    scheduled = product.given(DRAFTED, added(RED), priced(1990), priced(1790, NOON + DAY, NOON))
    assert scheduled.state.price_cents("MUG-RED", "web", "EUR", NOON) == 1990
    assert scheduled.state.price_cents("MUG-RED", "web", "EUR", NOON + DAY) == 1790
    assert scheduled.state.price_cents("MUG-RED", "web", "USD", NOON) is None
    scheduled.when(set_price(1690, NOON + DAY)).then(priced(1690, NOON + DAY, NOON))


def test_a_price_to_come_is_withdrawn_and_one_that_held_is_not() -> None:
    given = product.given(DRAFTED, added(RED), priced(1990), priced(1790, NOON + DAY, NOON))
    given.when(withdraw(NOON + DAY)).then(PriceWithdrawn(**PLACE, valid_from=NOON + DAY))
    given.when(withdraw(NOON + 2 * DAY)).then_nothing()
    given.when(withdraw(NOON)).then_refused("price_not_backdated")
    given.when(withdraw(NOON + DAY, NOON + DAY)).then_refused("price_not_backdated")


def test_a_price_is_applied_when_its_time_has_come() -> None:
    given = product.given(*ACTIVE, priced(1790, NOON + DAY, NOON), priced(1690, NOON + 2 * DAY, NOON))
    given.when(ApplyPrices(**MUG, now=NOON)).then_nothing()
    applied = given.when(ApplyPrices(**MUG, now=NOON + DAY))
    first = PriceApplied(**PLACE, price_cents=1790, valid_from=NOON + DAY)
    applied.then(first)
    late = given.when(ApplyPrices(**MUG, now=NOON + 3 * DAY))
    late.then(PriceApplied(**PLACE, price_cents=1690, valid_from=NOON + 2 * DAY))
    again = product.given(*ACTIVE, priced(1790, NOON + DAY, NOON), first)
    again.when(ApplyPrices(**MUG, now=NOON + DAY)).then_nothing()
    archived = product.given(*ACTIVE, priced(1790, NOON + DAY, NOON), ProductArchived(**MUG))
    archived.when(ApplyPrices(**MUG, now=NOON + DAY)).then(first)


def test_prices_to_come_are_bounded() -> None:
    many = [priced(number, NOON + number * DAY, NOON) for number in range(1, SCHEDULED_MAX + 1)]
    given = product.given(DRAFTED, added(RED), *many)
    given.when(set_price(7, NOON + timedelta(hours=1))).then_refused("prices_bounded")


def test_of_long_past_prices_the_state_keeps_the_one_that_held() -> None:
    daily = [priced(1000 + number, NOON + number * DAY) for number in range(200)]
    state = product.given(DRAFTED, added(RED), *daily).state
    assert len(state.prices["web/EUR/MUG-RED"]) <= 33
    assert state.price_cents("MUG-RED", "web", "EUR", NOON + 199 * DAY - timedelta(days=30)) == 1169


def test_a_variant_that_comes_again_has_the_prices_that_it_had() -> None:
    given = product.given(DRAFTED, added(RED), priced(1990), VariantRemoved(**MUG, sku="MUG-RED"), added(RED))
    assert given.state.price_cents("MUG-RED", "web", "EUR", NOON) == 1990


@pytest.mark.parametrize("channel", ["", "Web", "a/b", "-x", "x" * 61])
def test_a_channel_has_a_plain_name(channel: str) -> None:
    with pytest.raises(ValidationError):
        PublishProduct(**MUG, channel=channel)
