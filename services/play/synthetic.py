"""What does trade look like that is made from nothing, in the shape of the Olist dataset, oddities included?

The same number of orders and seed give the same rows. From `ODDITIES_FROM` orders up every oddity is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from domain.money import split_by_largest_remainder
from services.play.rows import (
    CustomerRow,
    ItemRow,
    OlistRows,
    OrderRow,
    PaymentRow,
    ReviewRow,
)
from services.play.synthetic_lives import LIVES, Life, usual
from services.play.synthetic_world import Offer, World, make_world, some_id, some_place

ODDITIES_FROM: Final = 500
_BEGIN: Final = datetime(2017, 1, 1, tzinfo=UTC)
_SECONDS: Final = 600 * 86_400

_BASKETS: Final = {  # weights per 100,000 orders or so, as for the lives
    "one": 87_900,
    "repeated": 7_500,
    "several": 2_900,
    "two_sellers": 1_200,
    "three_sellers": 65,
    "free_freight": 350,
}
_WALLETS: Final = {
    "one": 96_000,
    "card_and_voucher": 2_100,
    "vouchers": 750,
    "fifteen_vouchers": 6,
    "voucher_of_zero": 12,
    "first_row_missing": 75,
    "overpaid": 230,
    "underpaid": 60,
    "cent_over": 150,
    "cent_under": 150,
    "not_defined": 3,
    "zero_instalments": 2,
    "unpaid": 6,
}
_DIVIDED: Final = ("card_and_voucher", "overpaid", "underpaid", "cent_over", "cent_under")
"""The wallets that a checkout of two sellers must have met as well."""

_OWN_LIVES: Final = {
    "unpaid": "approved_at_once",
    "not_defined": "canceled_never_approved_without_items",
}
"""Wallets that come with one life only: where nothing is paid, no approval but these can be told."""

Recipe = tuple[str, str, str]
"""The names of an order's life, basket and wallet."""


def synthetic_rows(orders: int, seed: int) -> OlistRows:
    """So many orders with everything that they refer to; orders stand by time of purchase."""
    chance = Random(seed)  # noqa: S311 - made-up trade holds no secret
    maker = _Maker(chance, make_world(chance, orders))
    purchases = sorted(_BEGIN + timedelta(seconds=chance.randrange(_SECONDS)) for _ in range(orders))
    for purchased_at, recipe in zip(purchases, _recipes(chance, orders), strict=True):
        maker.add(purchased_at, recipe)
    return maker.rows()


def _recipes(chance: Random, orders: int) -> list[Recipe]:
    recipes: list[Recipe] = []
    if orders >= ODDITIES_FROM:
        recipes += [(life, "one", "one") for life in LIVES]
        recipes += [("delivered", basket, "one") for basket in _BASKETS]
        recipes += [("delivered", "one", wallet) for wallet in _WALLETS]
        recipes += [("delivered", "two_sellers", wallet) for wallet in _DIVIDED]
    rest = orders - len(recipes)
    recipes += zip(
        chance.choices(list(LIVES), [weight for weight, _ in LIVES.values()], k=rest),
        chance.choices(list(_BASKETS), list(_BASKETS.values()), k=rest),
        chance.choices(list(_WALLETS), list(_WALLETS.values()), k=rest),
        strict=True,
    )
    chance.shuffle(recipes)
    return recipes


@dataclass(frozen=True, slots=True)
class _Wallet:
    """The amounts of an order's payments, their methods, and the number of the first."""

    amounts: tuple[int, ...]
    methods: tuple[str, ...]
    first: int = 1
    installments: int = 1


class _Maker:
    """Collects the rows of one order after another."""

    def __init__(self, chance: Random, world: World) -> None:
        self._chance = chance
        self._world = world
        self._orders: list[OrderRow] = []
        self._items: list[ItemRow] = []
        self._payments: list[PaymentRow] = []
        self._customers: list[CustomerRow] = []
        self._reviews: list[ReviewRow] = []

    def rows(self) -> OlistRows:
        return OlistRows(
            tuple(self._orders),
            tuple(self._items),
            tuple(self._payments),
            tuple(self._customers),
            self._world.products,
            self._world.sellers,
            self._world.translations,
            tuple(self._reviews),
        )

    def add(self, purchased_at: datetime, recipe: Recipe) -> None:
        any_life, basket, wallet = recipe
        _, live = LIVES[_OWN_LIVES.get(wallet, any_life)]
        life = live(usual(self._chance, purchased_at))
        order_id = some_id(self._chance)
        items = self._basket(order_id, life, basket) if life.has_items else []
        due = sum(item.price_cents + item.freight_cents for item in items)
        customer = self._customer()
        self._orders.append(
            OrderRow(
                order_id,
                customer.customer_id,
                life.status,
                life.purchased_at,
                life.approved_at,
                life.carrier_at,
                life.delivered_at,
                life.estimated_at,
            )
        )
        self._customers.append(customer)
        self._items += items
        self._payments += self._paid(
            order_id, self._wallet(wallet, due or self._chance.randrange(900, 40_000))
        )
        self._review(order_id, life)

    def _customer(self) -> CustomerRow:
        """The second order, and one in 150, is by somebody who bought before."""
        number = len(self._customers)
        again = number == 1 or (number and self._chance.random() < 1 / 150)
        person = self._chance.choice(self._customers).customer_unique_id if again else some_id(self._chance)
        place = some_place(self._chance)
        return CustomerRow(some_id(self._chance), person, place.zip_prefix, place.city, place.state)

    def _basket(self, order_id: str, life: Life, basket: str) -> list[ItemRow]:
        offers = self._world.offers
        # squared: what stands in front is bought more often
        sellers = len(self._world.sellers)
        index = int((len(offers) - sellers) * self._chance.random() ** 2)
        near = list(offers[index : index + 3])  # neighbours, of three sellers
        far = offers[index + sellers]  # another product of the first seller
        units: dict[str, list[Offer]] = {
            "repeated": near[:1] * self._chance.choice((2, 2, 2, 3, 4, 12)),
            "several": [near[0], far],
            "two_sellers": [near[0], *near[:2]],
            "three_sellers": near,
        }
        limit = (life.approved_at or life.purchased_at) + timedelta(days=self._chance.randrange(4, 9))
        return [
            ItemRow(
                order_id,
                number,
                offer.product_id,
                offer.seller_id,
                limit,
                offer.price_cents,
                0 if basket == "free_freight" else offer.freight_cents,
            )
            for number, offer in enumerate(units.get(basket, near[:1]), 1)
        ]

    def _wallet(self, wallet: str, due: int) -> _Wallet:
        method = self._chance.choices(("credit_card", "boleto", "debit_card", "voucher"), (76, 20, 2, 2))[0]
        several = {"vouchers": self._chance.randrange(2, 7), "fifteen_vouchers": 15}
        off = {
            "overpaid": max(2, due // 20),
            "underpaid": -max(2, due // 20),
            "cent_over": 1,
            "cent_under": -1,
        }
        match wallet:
            case "unpaid":
                return _Wallet((), ())
            case "card_and_voucher":
                return _Wallet((due - due // 3, due // 3), ("credit_card", "voucher"))
            case "vouchers" | "fifteen_vouchers":
                count = several[wallet]
                weights = [self._chance.randrange(1, 10) for _ in range(count)]
                return _Wallet(split_by_largest_remainder(due, weights), ("voucher",) * count)
            case "voucher_of_zero":
                return _Wallet((due, 0), ("voucher", "voucher"))
            case "first_row_missing":
                return _Wallet((due,), (method,), first=2)
            case "not_defined":
                return _Wallet((0,), ("not_defined",))
            case "zero_instalments":
                return _Wallet((due,), ("credit_card",), installments=0)
        installments = self._chance.randrange(1, 11) if method == "credit_card" else 1
        return _Wallet((due + off.get(wallet, 0),), (method,), installments=installments)

    def _paid(self, order_id: str, wallet: _Wallet) -> list[PaymentRow]:
        return [
            PaymentRow(order_id, number, method, wallet.installments, amount)
            for number, (amount, method) in enumerate(
                zip(wallet.amounts, wallet.methods, strict=True), wallet.first
            )
        ]

    def _review(self, order_id: str, life: Life) -> None:
        """One order in sixteen; some texts have line breaks, and some ids come twice."""
        number = len(self._orders)
        if number % 16 != 1:
            return
        twice = number % 160 == 17
        review_id = self._reviews[-1].review_id if twice else some_id(self._chance)
        message = ('Chegou "antes"\nmuito bom', "", "ok, recomendo", "não gostei")[number // 16 % 4]
        created = life.estimated_at + timedelta(days=1)
        answered = created + timedelta(seconds=self._chance.randrange(300_000))
        score = self._chance.randrange(1, 6)
        self._reviews.append(ReviewRow(review_id, order_id, score, "", message, created, answered))
