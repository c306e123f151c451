"""What must be set up before a dataset can be played: merchants, their terms, a catalogue, opening stock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from domain.inventory import ReceiveStock
from domain.kernel import Command
from domain.merchant import RegisterMerchant, SetMerchantTerms
from domain.order import Terms
from domain.product import ImportProduct
from domain.product.category import TranslateCategory
from domain.streams import (
    carriers_stream,
    category_stream,
    merchant_stream,
    product_stream,
    stock_stream,
    warehouses_stream,
)
from services.play.network import Networks, carriers, warehouses
from services.play.rows import OlistRows, SellerRow

HOUSE: Final = "olist"
"""The merchant of orders without items, and of the catalogue, which the dataset shares among its sellers."""
TRIAL: Final = "demo"
"""The merchant that `make demo` registers for trying the API. It is no part of what is played."""
WAREHOUSE: Final = "main"
CURRENCY: Final = "BRL"
_VALID_S = 3_650 * 86_400
TERMS: Final = Terms(reservation_valid_s=_VALID_S, authorization_valid_s=_VALID_S)
"""Longer than the whole dataset: each checkout has a clock of its own, and one that is years ahead must not
find what another holds lapsed."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One command for one stream of one merchant."""

    merchant: str
    stream: str
    command: Command


@dataclass(frozen=True, slots=True)
class Stage:
    """Setups that depend on the stages before, not on one another; they can be gone through once."""

    name: str
    total: int
    setups: Iterator[Setup]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Commands are made as they are asked for: all of a dataset's at once would cost the play its memory."""

    rows: OlistRows
    networks: Networks | None = None
    """With warehouses, rules and carriers of each seller; without, all goods lie in one warehouse."""

    def stages(self) -> tuple[Stage, ...]:
        """In the order in which they must be carried out; made anew at each call."""
        rows = self.rows
        sold = self._units()
        merchants = (HOUSE, *(seller.seller_id for seller in rows.sellers))
        return (
            Stage("merchants", len(merchants), _registrations(rows)),
            Stage("terms", len(merchants), _terms(merchants)),
            Stage("categories", len(rows.translations), _translations(rows)),
            Stage("products", len(rows.products), _products(rows)),
            *(self._network() if self.networks else ()),
            Stage("opening stock", len(sold), _opening_stock(sold)),
        )

    def _units(self) -> Counter[tuple[str, str, str]]:
        if self.networks:
            return self.networks.units(self.rows)
        return Counter((item.seller_id, item.product_id, WAREHOUSE) for item in self.rows.items)

    def _network(self) -> tuple[Stage, ...]:
        sellers = self.rows.sellers
        return (
            Stage("warehouses", 3 * len(sellers), _warehouses(sellers)),
            Stage("carriers", 5 * len(sellers), _carriers(sellers)),
        )


def plan_catalogue(rows: OlistRows, networks: Networks | None = None) -> Catalogue:
    """Everything that the dataset's trade takes for granted: opening stock is exactly what was sold."""
    return Catalogue(rows, networks)


def _registrations(rows: OlistRows) -> Iterator[Setup]:
    yield Setup(HOUSE, merchant_stream(HOUSE), RegisterMerchant(merchant_id=HOUSE))
    for seller in rows.sellers:
        command = RegisterMerchant(
            merchant_id=seller.seller_id, zip_prefix=seller.zip_prefix, city=seller.city, state=seller.state
        )
        yield Setup(seller.seller_id, merchant_stream(seller.seller_id), command)


def _terms(merchants: Iterable[str]) -> Iterator[Setup]:
    for merchant in merchants:
        yield Setup(merchant, merchant_stream(merchant), SetMerchantTerms(merchant_id=merchant, terms=TERMS))


def _translations(rows: OlistRows) -> Iterator[Setup]:
    for row in rows.translations:
        command = TranslateCategory(category=row.category, english=row.english)
        yield Setup(HOUSE, category_stream(HOUSE, row.category), command)


def _products(rows: OlistRows) -> Iterator[Setup]:
    for row in rows.products:
        command = ImportProduct(
            sku=row.product_id,
            category=row.category,
            name_length=row.name_length,
            description_length=row.description_length,
            photos=row.photos,
            weight_g=row.weight_g,
            length_cm=row.length_cm,
            height_cm=row.height_cm,
            width_cm=row.width_cm,
        )
        yield Setup(HOUSE, product_stream(HOUSE, row.product_id), command)


def _warehouses(sellers: Iterable[SellerRow]) -> Iterator[Setup]:
    for seller in sellers:
        stream = warehouses_stream(seller.seller_id)
        yield from (Setup(seller.seller_id, stream, command) for command in warehouses(seller))


def _carriers(sellers: Iterable[SellerRow]) -> Iterator[Setup]:
    for seller in sellers:
        stream = carriers_stream(seller.seller_id)
        yield from (Setup(seller.seller_id, stream, command) for command in carriers(seller, CURRENCY))


def _opening_stock(sold: Counter[tuple[str, str, str]]) -> Iterator[Setup]:
    for (merchant, sku, warehouse), quantity in sold.items():
        command = ReceiveStock(sku=sku, warehouse=warehouse, quantity=quantity, reference="opening stock")
        yield Setup(merchant, stock_stream(merchant, sku, warehouse), command)
