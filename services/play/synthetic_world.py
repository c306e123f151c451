"""Who and what is there in made-up trade: sellers, products, categories and people, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from services.play.rows import ProductRow, SellerRow, TranslationRow

_CATEGORIES: Final = {
    "chaleiras_e_bules": "kettles_and_teapots",
    "redes_de_varanda": "hammocks",
    "lanternas_de_papel": "paper_lanterns",
    "bicicletas_dobraveis": "folding_bicycles",
    "cadernos_e_tintas": "notebooks_and_inks",
    "hortas_de_janela": "window_gardens",
    "luvas_de_oficina": "workshop_gloves",
    "tabuleiros_e_jogos": "boards_and_games",
    "cobertores_de_la": "wool_blankets",
    "radios_antigos": "old_radios",
}
_UNTRANSLATED: Final = ("pipas_e_barbantes", "sinos_de_vento")
_CITIES: Final = {
    "SP": ("vila das torres", "campo do trilho", "porto cinzento"),
    "RJ": ("enseada clara", "morro do farol"),
    "MG": ("serra do carvalho", "ouro manso"),
    "RS": ("lagoa fria", "pampa alto"),
    "PR": ("pinhal do rio", "santa graúna"),
    "SC": ("ilha do vento", "vale da névoa"),
    "BA": ("praia do coqueiral", "são benício"),
    "PE": ("ponte velha",),
    "CE": ("duna branca",),
    "AM": ("igarapé fundo",),
}
_STATE_WEIGHTS: Final = (42, 13, 12, 6, 5, 4, 4, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class Place:
    zip_prefix: str
    city: str
    state: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A product as a seller offers it."""

    product_id: str
    seller_id: str
    price_cents: int
    freight_cents: int


@dataclass(frozen=True, slots=True)
class World:
    """Neighbours among `offers` are of different sellers, who take turns; each seller has several."""

    sellers: tuple[SellerRow, ...]
    products: tuple[ProductRow, ...]
    translations: tuple[TranslationRow, ...]
    offers: tuple[Offer, ...]


def some_id(chance: Random) -> str:
    return f"{chance.getrandbits(128):032x}"


def some_place(chance: Random) -> Place:
    """Zip prefixes of São Paulo begin with 0, as the real ones do."""
    (state,) = chance.choices(tuple(_CITIES), _STATE_WEIGHTS)
    code = chance.randrange(1000, 10000) if state == "SP" else chance.randrange(20000, 99999)
    return Place(f"{code:05d}", chance.choice(_CITIES[state]), state)


def make_world(chance: Random, orders: int) -> World:
    """A world of a size that fits so many orders."""
    sellers = tuple(_seller(chance) for _ in range(max(12, orders // 9)))
    sellers = (replace(sellers[0], city="04990011"), *sellers[1:])  # a city that is a number
    products = tuple(_odd(index, _product(chance)) for index in range(max(4 * len(sellers), orders)))
    translations = tuple(TranslationRow(*pair) for pair in _CATEGORIES.items())
    offers = tuple(
        _offer(chance, product, sellers[index % len(sellers)]) for index, product in enumerate(products)
    )
    return World(sellers, products, translations, offers)


def _seller(chance: Random) -> SellerRow:
    place = some_place(chance)
    return SellerRow(some_id(chance), place.zip_prefix, place.city, place.state)


def _product(chance: Random) -> ProductRow:
    return ProductRow(
        some_id(chance),
        chance.choice((*_CATEGORIES, *_UNTRANSLATED)),
        name_length=chance.randrange(10, 64),
        description_length=chance.randrange(40, 3000),
        photos=chance.randrange(1, 8),
        weight_g=chance.randrange(50, 20000),
        length_cm=chance.randrange(15, 100),
        height_cm=chance.randrange(2, 80),
        width_cm=chance.randrange(8, 80),
    )


def _odd(index: int, product: ProductRow) -> ProductRow:
    """One in fifty has no category and nobody described it, a few have no size, some weigh nothing."""
    odd: dict[str, int | None] = {}
    if index % 50 == 3:
        odd |= dict.fromkeys(("category", "name_length", "description_length", "photos"))
    if index % 5000 in (4, 53):
        odd |= dict.fromkeys(("weight_g", "length_cm", "height_cm", "width_cm"))
    if index % 5000 == 5:
        odd["weight_g"] = 0
    return replace(product, **odd)  # type: ignore[arg-type]


def _offer(chance: Random, product: ProductRow, seller: SellerRow) -> Offer:
    price = min(399_990, max(85, int(100 * chance.lognormvariate(4.3, 0.9))))
    freight = 700 + (product.weight_g or 0) // 10 + chance.randrange(900)
    return Offer(product.product_id, seller.seller_id, price, freight)
