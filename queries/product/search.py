"""The search of a catalogue: by words, also half typed or mistyped ones, with filters, counts and sorting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Annotated, Any, Literal, TypeAlias

import orjson
from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints

from domain.product.values import OPTIONS_MAX
from domain.product.words import one_line, plain_words
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
TAB = "\t"
QUERY_WORDS_MAX, LIKE_LENGTH_MIN = 10, 3
FOUND_MAX = 5_000
"""Of what more products have, so many are ranked by words, and counted: all of a big catalogue takes long."""
OPTION_VALUES_MAX = 30
OPTIONS = [f"option_{number}" for number in range(1, OPTIONS_MAX + 1)]
Chosen: TypeAlias = Annotated[
    list[Annotated[str, StringConstraints(max_length=125)]],
    Query(
        max_length=OPTION_VALUES_MAX,
        description="`NAME:VALUE`, as often as wanted: one variant has each option that is named, in one of"
        " the values that stand there for it; what is in stock is such a variant. A price is still that of"
        " the product's cheapest",
        examples=[["colour:red", "colour:blue", "size:M"]],
    ),
]
Sort = Literal["relevance", "name", "newest", "cheapest", "dearest"]
_SORTS: dict[Sort, tuple[str, str, str, Parse]] = {
    # sort: the expression, its column, its direction, the parser of its cursor key
    "relevance": ("rank", "rank", "DESC", as_int),
    "name": ("s.title", "title", "ASC", as_str),
    "newest": ("s.drafted_at", "drafted_at", "DESC", as_datetime),
    "cheapest": ("p.price_cents", "price_cents", "ASC", as_int),
    "dearest": ("p.price_cents", "price_cents", "DESC", as_int),
}


BY_PRICE = ("cheapest", "dearest")
Kind = Literal["plain", "priced", "chosen"]
"""Of a search: whether it asks for a price; whether for options, which makes it another one."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is filled into the statements of a kind. `skus` are whose stock counts: all that the product has,
    those with a price, those that were chosen. Two of these may have an option in common, which counts once
    (`distinct`).
    """

    chosen: str
    skus: str
    options: str = "coalesce(p.options, s.options)"
    distinct: str = "*"


SHOWN = (
    "s.name, s.drafted_at, p.currency, (ts_rank(s.document, %(ranked)s::tsquery) * 1000000)::bigint AS rank"
)
"""The rank is by the words alone: the merchant, which all documents have, would hide the differences."""
COUNTED = "s.channels, {options} AS options"
PARTS: dict[Kind, Parts] = {
    "plain": Parts("", "s.skus"),
    "priced": Parts("", "p.skus"),
    "chosen": Parts(_QUERIES.chosen.sql.rstrip(";"), "v.skus", "v.options", "DISTINCT m.product_id"),
}


def _kind_of(arguments: Mapping[str, Any]) -> Kind:
    if arguments["options"]:
        return "chosen"
    return "priced" if _by_price(arguments) else "plain"


def _by_price(arguments: Mapping[str, Any]) -> bool:
    return arguments["price_from"] is not None or arguments["price_to"] is not None


def _filled(statement: str, parts: Parts, **more: str) -> str:
    conditions = _sql("conditions").format(skus=parts.skus)
    return _sql(statement).format(**asdict(parts), conditions=conditions, **more)


def _sql(name: str) -> str:
    text: str = getattr(_QUERIES, name).sql
    return text.rstrip(";")


@dataclass(frozen=True)
class Statements:
    """By the kind of a search, its order, and whether those that are looked at are those with the first ids
    (`by_id`), or any. No more than `most` are looked at.
    """

    most: int = FOUND_MAX

    def listed(self, kind: Kind, sort: Sort) -> str:
        """A page, of all that there are."""
        key, _, direction, _ = _SORTS[sort]
        return _filled(
            "search_products",
            PARTS[kind],
            key=key,
            direction=direction,
            beyond=">" if direction == "ASC" else "<",
            only="AND p.price_cents IS NOT NULL" if sort in BY_PRICE else "",
        )

    def ranked(self, kind: Kind, *, by_id: bool) -> str:
        """A page by relevance."""
        return _sql("rank_products").format(matched=self._matched(kind, SHOWN, by_id=by_id))

    def counted(self, kind: Kind, *, by_id: bool) -> str:
        matched = self._matched(kind, COUNTED, by_id=by_id)
        return _sql("count_facets").format(matched=matched, counts=_filled("counts", PARTS[kind]))

    def first(self, kind: Kind, *, by_id: bool) -> str:
        """The first page by relevance, and the counts."""
        matched = self._matched(kind, SHOWN, COUNTED, by_id=by_id)
        return _sql("find_and_count").format(matched=matched, counts=_filled("counts", PARTS[kind]))

    def _matched(self, kind: Kind, *columns: str, by_id: bool) -> str:
        parts = PARTS[kind]
        return _filled(
            "matched",
            parts,
            columns=", ".join(columns).format(options=parts.options),
            order="ORDER BY s.product_id" if by_id else "",
            most=str(self.most),
        )


STATEMENTS = Statements()


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


class OptionFacet(Answer):
    """How many have a variant with which value of an option; the 20 with most. Where a product has a price in
    `channel` and `currency`, variants without one do not count.
    """

    name: str = Field(examples=["colour"])
    values: list[FacetCount]


class Facets(Answer):
    """How many of what was found have which value; of categories, brands and channels the 20 with most, and
    the ten options that most have. A status, category, brand or option that was asked for does not narrow the
    counts of its own kind.
    """

    matches: int = Field(description=f"how many were found; {FOUND_MAX} is that many or more", examples=[12])
    statuses: list[FacetCount]
    categories: list[FacetCount]
    brands: list[FacetCount]
    channels: list[FacetCount]
    options: list[OptionFacet]
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


def document_query(
    merchant: str, channel: str | None, words: str | None, options: Mapping[str, Sequence[str]]
) -> str:
    """The same in documents of the merchant, on the channel, and with one value of each option that is named.

    Names may hold anything, and are quoted.
    """
    wanted = [f"={merchant}", *([f"#{channel}"] if channel is not None else [])]
    chosen = [" | ".join(_quoted(f"~{name}{TAB}{value}") for value in options[name]) for name in options]
    parts = [*map(_quoted, wanted), *(f"({each})" for each in chosen), *([words] if words else [])]
    return " & ".join(parts)


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"


def options_of(chosen: Sequence[str]) -> dict[str, list[str]]:
    """The values that will do, by the option's name. Raises a 422 problem where that can't be told."""
    options: dict[str, list[str]] = {}
    for each in chosen:
        name, colon, value = each.partition(":")
        if not colon:
            raise invalid("option", f"{each!r} is no NAME:VALUE, such as colour:red")
        options.setdefault(one_line(name), []).append(one_line(value))
    if len(options) > OPTIONS_MAX:
        raise invalid("option", f"a product has at most {OPTIONS_MAX} options: name no more of them")
    return options


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
    option: Chosen = [],  # noqa: B006 - FastAPI makes a new one each time
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
        "options": options_of(option) or None,
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
    if (by_price or order in BY_PRICE) and not priced:
        raise invalid("currency", "a price is one of a channel in a currency: say both")


async def _find(
    reader: Reader,
    order: Sort,
    asked: Sequence[Sequence[str]],
    arguments: dict[str, Any],
    facets: Sequence[str] | None = None,
) -> tuple[Rows, Rows]:
    """What is found, and the counts of it; none where `facets` is None. A filter that `facets` names, or an
    option, does not narrow its own counts: so it is seen what else could be chosen.
    """
    kind, told = _kind_of(arguments), _told(reader.merchant, asked, arguments)
    # stock is looked up for each: not for all that there are. By price, any would be the cheapest.
    by_id = arguments["in_stock"] is None or _by_price(arguments)
    make, by_rank = STATEMENTS, order == "relevance"
    listed = make.ranked(kind, by_id=by_id) if by_rank else make.listed(kind, order)
    if facets is None:
        (rows,) = await reader.rows(MODELS, (listed, told), views=VIEWS)
        return rows, []
    wider = _wider(arguments, facets)
    wide: list[Statement] = [
        (make.counted(_kind_of(each), by_id=by_id), _told(reader.merchant, asked, each))
        for each in wider.values()
    ]
    if by_rank:
        both, *counts = await reader.rows(MODELS, (make.first(kind, by_id=by_id), told), *wide, views=VIEWS)
        rows, narrow = _parted(both)
        return rows, _counts(list(wider), narrow, *counts)
    # the first in any other order may be others than the first of those that are looked at; it has an index
    narrowed = make.counted(kind, by_id=by_id)
    rows, *counts = await reader.rows(MODELS, (listed, told), (narrowed, told), *wide, views=VIEWS)
    return rows, _counts(list(wider), *counts)


def _parted(both: Rows) -> tuple[Rows, Rows]:
    """The products, in their order, and the counts."""
    found = sorted((row for row in both if row["facet"] == "found"), key=lambda row: row["count"])
    return [orjson.loads(row["value"]) for row in found], [row for row in both if row["facet"] != "found"]


def _told(merchant: str, asked: Sequence[Sequence[str]], arguments: dict[str, Any]) -> dict[str, Any]:
    """What the statements are told."""
    options: Mapping[str, Sequence[str]] = arguments["options"] or {}
    ranked = words_query(asked) if asked else None
    channel = arguments["channel"]
    by_document = ranked or options or channel is not None
    groups = [[f"{name}{TAB}{value}" for value in values] for name, values in options.items()]
    return {
        **arguments,
        "query": document_query(merchant, channel, ranked, options) if by_document else None,
        "ranked": ranked,
        **dict(zip_longest(OPTIONS, groups)),
    }


def _wider(arguments: dict[str, Any], facets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By the kind of what was chosen, the arguments without it."""
    options = arguments["options"] or {}
    wider = {name: {**arguments, name: None} for name in facets if arguments[name] is not None}
    for name in options:
        others = {other: values for other, values in options.items() if other != name}
        wider[f"option {name}"] = {**arguments, "options": others or None}
    return wider


def _kind(row: Mapping[str, Any]) -> str:
    """What a count is of: of an option, that option."""
    facet: str = row["facet"]
    return f"option {row['value'].partition(TAB)[0]}" if facet == "option" else facet


def _counts(chosen: Sequence[str], narrow: Rows, *wide: Rows) -> Rows:
    """All counts; those of which a value was chosen from where that filter was left out."""
    kept = [row for row in narrow if _kind(row) not in chosen]
    others = (row for kind, rows in zip(chosen, wide, strict=True) for row in rows if _kind(row) == kind)
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
    options: dict[str, list[FacetCount]] = {}
    for each in by.get("option", []):
        name, _, value = each.value.partition(TAB)
        options.setdefault(name, []).append(FacetCount(value=value, count=each.count))
    price = {name: int(by[name][0].value) for name in ("price_from", "price_to") if name in by}
    return Facets(
        matches=by["matches"][0].count,
        statuses=by.get("status", []),
        categories=by.get("category", []),
        brands=by.get("brand", []),
        channels=by.get("channel", []),
        options=[OptionFacet(name=name, values=values) for name, values in options.items()],
        price_from_cents=price.get("price_from"),
        price_to_cents=price.get("price_to"),
    )
