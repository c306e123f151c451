"""In any run of commands: is what a product shows what was said last, and does no past price ever change?"""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from domain.product import (
    PRODUCT,
    ActivateProduct,
    AddVariant,
    ApplyPrices,
    ArchiveProduct,
    Details,
    DraftProduct,
    PublishProduct,
    RemoveVariant,
    RestoreProduct,
    SetPrice,
    UnpublishProduct,
    Variant,
    WithdrawPrice,
)
from domain.product.price_history import lowest_price, prior_price
from tests.property.machine import AggregateMachine
from tests.strategies import START

MUG = {"product_id": "MUG"}
HOUR, LOOK_BACK = timedelta(hours=1), timedelta(days=30)
skus = st.sampled_from(["R", "B"])
channels = st.sampled_from(["web", "shop"])
prices = st.sampled_from([0, 100, 200])
days = st.integers(0, 40)
Place = tuple[str, str]


class ProductMachine(AggregateMachine):
    """The model: a status, variants, channels, and of each place (SKU, channel) all points in time."""

    decider = PRODUCT

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.status = ""
        self.variants: set[str] = set()
        self.channels: set[str] = set()
        self.points: dict[Place, dict[datetime, int]] = {}
        self.shown: dict[tuple[Place, datetime], int | None] = {}

    def at(self, place: Place, when: datetime) -> int | None:
        """The price that holds there then, by the model."""
        held = [valid_from for valid_from in self.points.get(place, {}) if valid_from <= when]
        return self.points[place][max(held)] if held else None

    @rule(number=days)
    def time_passes(self, number: int) -> None:
        self.now += number * timedelta(days=1) + HOUR

    @rule()
    def draft(self) -> None:
        came = self.send(DraftProduct(**MUG, details=Details(name="Mug", options=("colour",))))
        assert came == ([] if self.status else ["ProductDrafted"])
        self.status = self.status or "draft"

    @rule(sku=skus)
    def add(self, sku: str) -> None:
        came = self.send(AddVariant(**MUG, variant=Variant(sku=sku, options=(sku,))))
        if refused := self.refusal():
            assert came == refused
        else:
            assert came == ([] if sku in self.variants else ["VariantAdded"])
            self.variants.add(sku)

    @rule(sku=skus)
    def remove(self, sku: str) -> None:
        came = self.send(RemoveVariant(**MUG, sku=sku))
        if refused := self.refusal():
            assert came == refused
        elif sku not in self.variants:
            assert came == "variant_exists"
        elif self.status == "active" and len(self.variants) == 1:
            assert came == "active_has_variants"
        else:
            assert came == ["VariantRemoved"]
            self.variants.remove(sku)

    def refusal(self) -> str:
        return {"": "product_exists", "archived": "archived_stays"}.get(self.status, "")

    @rule(sku=skus, channel=channels, cents=prices, number=st.integers(-1, 40))
    def price(self, sku: str, channel: str, cents: int, number: int) -> None:
        when = self.now + number * timedelta(days=1)
        came = self.send(
            SetPrice(
                **MUG,
                sku=sku,
                channel=channel,
                currency="EUR",
                price_cents=cents,
                valid_from=when,
                now=self.now,
            )
        )
        place = (sku, channel)
        if refused := self.refusal():
            assert came == refused
        elif sku not in self.variants:
            assert came == "variant_exists"
        elif number < 0:
            assert came == "price_not_backdated"
        elif self.points.get(place, {}).get(when) == cents or (not number and self.at(place, when) == cents):
            assert came == []
        else:
            assert came == ["PriceSet"]
            self.points.setdefault(place, {})[when] = cents

    @rule(sku=skus, channel=channels, data=st.data())
    def withdraw(self, sku: str, channel: str, data: st.DataObject) -> None:
        points = self.points.get((sku, channel), {})
        when = data.draw(st.sampled_from(sorted(points) or [self.now]))
        came = self.send(
            WithdrawPrice(**MUG, sku=sku, channel=channel, currency="EUR", valid_from=when, now=self.now)
        )
        if not self.status:
            assert came == "product_exists"
        elif when > self.now:
            assert came == (["PriceWithdrawn"])
            del points[when]
        else:
            assert came in ([], "price_not_backdated")

    @rule()
    def apply(self) -> None:
        before = len(self.stream)
        came = self.send(ApplyPrices(**MUG, now=self.now))
        assert (came == "product_exists") == (not self.status)
        for event in self.newest(len(self.stream) - before):
            assert self.at((event.sku, event.channel), self.now) == event.price_cents
        if self.status:
            assert self.send(ApplyPrices(**MUG, now=self.now)) == []

    @rule(channel=channels)
    def publish(self, channel: str) -> None:
        came = self.send(PublishProduct(**MUG, channel=channel))
        if refused := self.refusal():
            assert came == refused
        elif channel in self.channels:
            assert came == []
        elif not any(points for (_, there), points in self.points.items() if there == channel):
            assert came == "published_has_prices"
        else:
            assert came == ["ProductPublished"]
            self.channels.add(channel)

    @rule(channel=channels)
    def unpublish(self, channel: str) -> None:
        came = self.send(UnpublishProduct(**MUG, channel=channel))
        if not self.status:
            assert came == "product_exists"
            return
        assert came == (["ProductUnpublished"] if channel in self.channels else [])
        self.channels.discard(channel)

    @rule()
    def activate(self) -> None:
        came = self.send(ActivateProduct(**MUG))
        priced = {sku for (sku, _), points in self.points.items() if points}
        if self.status == "active":
            assert came == []
        elif self.status == "draft" and self.variants and self.variants <= priced:
            assert came == ["ProductActivated"]
            self.status = "active"
        else:
            assert came in (
                "product_exists",
                "active_has_variants",
                "active_has_prices",
                "activate_from_draft",
            )

    @rule()
    def archive(self) -> None:
        came = self.send(ArchiveProduct(**MUG))
        if not self.status:
            assert came == "product_exists"
            return
        assert came == ([] if self.status == "archived" else ["ProductArchived"])
        self.status = "archived"

    @rule()
    def restore(self) -> None:
        came = self.send(RestoreProduct(**MUG))
        if self.status == "archived":
            assert came == ["ProductRestored"]
            self.status = "draft"
        else:
            wanted: dict[str, object] = {"": "product_exists", "draft": [], "active": "restore_from_archive"}
            assert came == wanted[self.status]

    @invariant()
    def it_is_what_was_said_last(self) -> None:
        assert self.state.status == self.status
        assert {each.sku for each in self.state.variants} == self.variants
        assert set(self.state.channels) == self.channels

    @invariant()
    def an_active_product_can_be_bought(self) -> None:
        assert self.status != "active" or self.variants

    @invariant()
    def what_was_shown_stays(self) -> None:
        """At each moment that was once the present, the price that held then still is the one that held."""
        for place in self.points:
            self.shown[place, self.now] = self.state.price_cents(*place, "EUR", self.now)
        for (place, when), cents in self.shown.items():
            assert self.at(place, when) == cents

    @invariant()
    def the_lowest_price_is_the_lowest_that_was_shown(self) -> None:
        for (sku, channel), points in self.points.items():
            kept = self.state.prices[f"{channel}/EUR/{sku}"]
            held = [self.at((sku, channel), self.now - LOOK_BACK)]
            held += [cents for when, cents in points.items() if self.now - LOOK_BACK < when <= self.now]
            known = [cents for cents in held if cents is not None]
            assert lowest_price(kept, self.now) == (min(known) if known else None)
            now, prior = self.at((sku, channel), self.now), prior_price(kept, self.now)
            assert prior is None or now is not None


TestProduct = ProductMachine.TestCase
