"""The search of a catalogue: by words, also half typed or mistyped ones, with filters, counts and sorting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from domain.product.words import plain_words
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Reader, Rows, Statement
from queries.models import Answer, Cents, documented
from queries.product.item import Channel, Currency
from services.web.access import requires
from services.web.pagination import Page, PageRequest, Parse, as_datetime, as_int, as_str, cursor_of, cut
from services.web.problems import invalid

router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"], responses=documented())
_QUERIES = load_queries("queries", "product_search.sql")
MODELS = ("product_search", "search_words", "stock_levels")
VIEWS = (
    "search_products",
    "search_prices",
    "search_trigrams",
    "stock_levels",
)
QUERY_WORDS_MAX, LIKE_LENGTH_MIN = 10, 3
FOUND_MAX = 5_000
"""Of what more products have, so many are ranked by words, and counted: all of a big catalogue takes long."""
Sort = Literal["relevance", "name", "newest", "cheapest", "dearest"]
_SORTS: dict[Sort, tuple[str, str, str, Parse]] = {
    # sort: the expression, its column, its direction, the parser of its cursor key
    "relevance": ("rank", "rank", "DESC", as_int),
    "name": ("s.title", "title", "ASC", as_str),
    "newest": ("s.drafted_at", "drafted_at", "DESC", as_datetime),
    "cheapest": ("p.price_cents", "price_cents", "ASC", as_int),
    "dearest": ("p.price_cents", "price_cents", "DESC", as_int),
}
_CONDITIONS: str = _QUERIES.conditions.sql.rstrip(";")


def _sorted(sort: Sort) -> str:
    key, _, direction, _ = _SORTS[sort]
    text: str = _QUERIES.search_products.sql
    return text.format(
        conditions=_CONDITIONS,
        key=key,
        direction=direction,
        beyond=">" if direction == "ASC" else "<",
        only="AND p.price_cents IS NOT NULL" if sort in ("cheapest", "dearest") else "",
    )


def bounded(statement: str) -> dict[bool, str]:
    """By whether the first that are found are those with the first ids, or any."""
    text: str = getattr(_QUERIES, statement).sql
    orders = {True: "ORDER BY s.product_id", False: ""}
    return {
        by_id: text.format(conditions=_CONDITIONS, most=FOUND_MAX, order=order)
        for by_id, order in orders.items()
    }


LISTS = {sort: _sorted(sort) for sort in _SORTS if sort != "relevance"}
RANKED, FACETS = bounded("rank_products"), bounded("count_facets")


class FoundProduct(Answer):
    product_id: str = Field(examples=["MUG"])
    name: str = Field(examples=["Mug"])
    brand: str
    category: str | None
    status: str = Field(examples=["active"])
    drafted_at: datetime | None
    currency: str | None = Field(description="null where no price was asked for, or it has none")
    price_cents: Cents | None = Field(
        description="from so much on: the lowest of its variants", examples=[1990]
    )


class FacetCount(Answer):
    value: str = Field(examples=["kitchen"])
    count: int = Field(examples=[12])


class Facets(Answer):
    """How many of what was found have which value; of categories, brands and channels the 20 with most. A
    status, category or brand that was asked for does not narrow the counts of its own kind.
    """

    matches: int = Field(description=f"how many were found; {FOUND_MAX} is that many or more", examples=[12])
    statuses: list[FacetCount]
    categories: list[FacetCount]
    brands: list[FacetCount]
    channels: list[FacetCount]
    price_from_cents: Cents | None
    price_to_cents: Cents | None


class FoundProducts(Answer):
    """A page of what was found. `facets` come with the first page."""

    items: list[FoundProduct]
    next_cursor: str | None = Field(examples=["WyJuYW1lIiwibXVnIiwiTVVHIl0"])
    searched_for: list[str] = Field(
        description="the words that were looked for: where those asked for find nothing, also words of the"
        " catalogue that are like them",
        examples=[["mug"]],
    )
    facets: Facets | None


def words_query(words: Sequence[Sequence[str]]) -> str:
    """All of the words, each by any of its spellings; the last one may be half typed.

    Words are of letters and digits alone.
    """
    return " & ".join(
        "(" + " | ".join(f"'{each}'{':*' if number == len(words) else ''}" for each in spellings) + ")"
        for number, spellings in enumerate(words, 1)
    )


def document_query(merchant: str, channel: str | None, words: str | None) -> str:
    """The same in documents of the merchant, and on the channel: names may hold anything, and are quoted."""
    names = [f"={merchant}", *([f"#{channel}"] if channel is not None else [])]
    quoted = ["'" + name.replace("\\", "\\\\").replace("'", "''") + "'" for name in names]
    return " & ".join([*quoted, *([words] if words else [])])


@router.get(
    "/search",
    operation_id="search_products",
    dependencies=[requires("catalogue:read")],
    summary="Search products",
)
async def search_products(
    reader: MerchantReader,
    page: Page,
    words: Annotated[str | None, Query(max_length=200, description="the last may be half typed")] = None,
    status: Literal["draft", "active", "archived"] | None = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    brand: Annotated[str | None, Query(max_length=200)] = None,
    channel: Channel = None,
    currency: Currency = None,
    price_from: Annotated[int | None, Query(ge=0, lt=2**53, description="in minor units")] = None,
    price_to: Annotated[int | None, Query(ge=0, lt=2**53, description="in minor units")] = None,
    in_stock: bool | None = None,
    sort: Annotated[Sort | None, Query(description="by relevance if there are words, else by name")] = None,
) -> FoundProducts:
    """Prices are those of `channel` in `currency`: to filter or sort by them, say both. Accents and case make
    no difference. Where nothing has all the words, words like them are looked for. Of words that more than
    five thousand products have, five thousand are ranked.
    """
    filters: dict[str, Any] = {
        "status": status,
        "category": category,
        "brand": brand,
        "channel": channel,
        "currency": currency,
        "price_from": price_from,
        "price_to": price_to,
        "in_stock": in_stock,
        "warehouses": None,
    }
    return await find_products(reader, page, words, sort, filters)


async def find_products(
    reader: Reader,
    page: PageRequest,
    words: str | None,
    sort: Sort | None,
    filters: Mapping[str, Any],
    facets: Sequence[str] = ("status", "category", "brand"),
) -> FoundProducts:
    """A page of what is found by the words and `filters`: a value, or None, for each that `conditions` has.
    Those named by `facets` don't narrow their own counts.

    Raises a 422 problem where they don't go together.
    """
    wanted = plain_words(words or "")[:QUERY_WORDS_MAX]
    order: Sort = sort or ("relevance" if wanted else "name")
    _check(order, wanted, filters)
    key, parse = _SORTS[order][1], _SORTS[order][3]
    after_key, after_id = page.after(order, parse, as_str) or (None, None)
    arguments = {**filters, "after_key": after_key, "after_id": after_id, "limit": page.limit + 1}
    asked = [[word] for word in wanted]
    counted = facets if page.cursor is None else None
    rows, counts = await _find(reader, order, asked, arguments, counted)
    if wanted and not rows and not await _found_before(reader, order, asked, arguments, page.cursor):
        asked = await _alike(reader, wanted)
        rows, counts = await _find(reader, order, asked, arguments, counted)
    shown, more = cut(rows, page.limit)
    return FoundProducts(
        items=[FoundProduct.model_validate(row) for row in shown],
        next_cursor=cursor_of(order, shown[-1][key], shown[-1]["product_id"]) if more else None,
        searched_for=[word for spellings in asked for word in spellings],
        facets=_facets(counts) if counts else None,
    )


def _check(order: Sort, words: Sequence[str], filters: Mapping[str, Any]) -> None:
    if order == "relevance" and not words:
        raise invalid("sort", "by relevance is by words: say some")
    priced = filters["channel"] and filters["currency"]
    by_price = filters["price_from"] is not None or filters["price_to"] is not None
    if (by_price or order in ("cheapest", "dearest")) and not priced:
        raise invalid("currency", "a price is one of a channel in a currency: say both")


async def _find(
    reader: Reader,
    order: Sort,
    asked: Sequence[Sequence[str]],
    arguments: dict[str, Any],
    facets: Sequence[str] | None = None,
) -> tuple[Rows, Rows]:
    """What is found, and the counts of it; none where `facets` is None. A filter that `facets` names does not
    narrow its own counts: so it is seen what else could be chosen.
    """
    ranked = words_query(asked) if asked else None
    channel = arguments["channel"]
    query = document_query(reader.merchant, channel, ranked) if ranked or channel is not None else None
    told = {**arguments, "query": query, "ranked": ranked}
    # stock is looked up for each: not for all that there are. By price, any would be the cheapest.
    by_id = (
        arguments["in_stock"] is None
        or arguments["price_from"] is not None
        or arguments["price_to"] is not None
    )
    statements: list[Statement] = [(RANKED[by_id] if order == "relevance" else LISTS[order], told)]
    chosen = [name for name in facets or () if told[name] is not None]
    if facets is not None:
        statements += [(FACETS[by_id], told), *((FACETS[by_id], {**told, name: None}) for name in chosen)]
    rows, *counts = await reader.rows(MODELS, *statements, views=VIEWS)
    return rows, _counts(chosen, *counts) if counts else []


def _counts(chosen: Sequence[str], narrow: Rows, *wide: Rows) -> Rows:
    """All counts; those of which a value was chosen from where that filter was left out."""
    kept = [row for row in narrow if row["facet"] not in chosen]
    others = (row for name, rows in zip(chosen, wide, strict=True) for row in rows if row["facet"] == name)
    return [*kept, *others]


async def _found_before(
    reader: Reader, order: Sort, asked: Sequence[Sequence[str]], arguments: dict[str, Any], cursor: str | None
) -> bool:
    """On a later page: whether the words themselves were what the first one found."""
    if cursor is None:
        return False
    whole = {**arguments, "after_key": None, "after_id": None, "limit": 1}
    rows, _ = await _find(reader, order, asked, whole)
    return bool(rows)


async def _alike(reader: Reader, words: Sequence[str]) -> list[list[str]]:
    """Each word with those of the catalogue that are like it."""
    asked = [word for word in words if len(word) >= LIKE_LENGTH_MIN]
    (rows,) = await reader.rows(MODELS, (_QUERIES.like_words.sql, {"asked": asked}), views=VIEWS)
    like: dict[str, list[str]] = {}
    for row in rows:
        like.setdefault(row["asked"], []).append(row["word"])
    return [list(dict.fromkeys((word, *like.get(word, ())))) for word in words]


def _facets(rows: Rows) -> Facets:
    by: dict[str, list[FacetCount]] = {}
    for row in rows:
        by.setdefault(row["facet"], []).append(FacetCount(value=row["value"], count=row["count"]))
    price = {name: int(by[name][0].value) for name in ("price_from", "price_to") if name in by}
    return Facets(
        matches=by["matches"][0].count,
        statuses=by.get("status", []),
        categories=by.get("category", []),
        brands=by.get("brand", []),
        channels=by.get("channel", []),
        price_from_cents=price.get("price_from"),
        price_to_cents=price.get("price_to"),
    )
