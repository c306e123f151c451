"""Does the reader read the dataset's format, and say of bad input in which file and line it is bad?"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.play.reader import BadInput, read_olist
from services.play.writer import write_olist

MINIATURE = Path(__file__).parents[1] / "fixtures" / "olist_miniature"
ORDERS = "olist_orders_dataset.csv"
ITEMS = "olist_order_items_dataset.csv"
PAYMENTS = "olist_order_payments_dataset.csv"
CUSTOMERS = "olist_customers_dataset.csv"
PRODUCTS = "olist_products_dataset.csv"
SELLERS = "olist_sellers_dataset.csv"
TRANSLATIONS = "product_category_name_translation.csv"
REVIEWS = "olist_order_reviews_dataset.csv"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the miniature, to be spoiled."""
    for file in MINIATURE.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def spoil(directory: Path, file: str, change: Callable[[bytes], bytes]) -> str:
    """What the reader says after the file was changed."""
    path = directory / file
    before = path.read_bytes()
    after = change(before)
    assert after != before
    path.write_bytes(after)
    return refusal(directory)


def refusal(directory: Path) -> str:
    with pytest.raises(BadInput) as refused:
        read_olist(directory)
    return str(refused.value)


def test_reads_values() -> None:
    rows = read_olist(MINIATURE)
    order = rows.orders[0]
    assert (order.order_id, order.status, order.line) == ("o01_plain", "delivered", 2)
    assert order.purchased_at == datetime(2017, 1, 5, 10, tzinfo=UTC)
    assert order.approved_at == datetime(2017, 1, 5, 10, 20, 31, tzinfo=UTC)
    assert rows.orders[35].approved_at is None
    assert (rows.items[0].price_cents, rows.items[0].freight_cents) == (5890, 1250)
    assert rows.payments[0].installments == 10


def test_zip_prefixes_regain_their_leading_zeros() -> None:
    rows = read_olist(MINIATURE)
    assert rows.customers[0].zip_prefix == "04841"
    assert rows.sellers[0].zip_prefix == "01311"


def test_byte_order_mark_is_no_part_of_the_header() -> None:
    assert (MINIATURE / TRANSLATIONS).read_bytes().startswith(b"\xef\xbb\xbf")
    assert read_olist(MINIATURE).translations[0].category == "chaleiras_e_bules"


def test_the_translation_alone_may_lack_its_last_line_break() -> None:
    assert not (MINIATURE / TRANSLATIONS).read_bytes().endswith(b"\n")
    assert read_olist(MINIATURE).translations[-1].english == "notebooks_and_inks"


def test_quoted_text_may_hold_line_breaks_quotes_and_commas() -> None:
    rows = read_olist(MINIATURE)
    assert rows.reviews[1].message == 'chegou "inteira",\nantes do prazo\n\nobrigada'
    assert [review.line for review in rows.reviews] == [2, 3, 7, 8]
    assert rows.sellers[0].city == "vila das torres, centro"


def test_review_ids_may_repeat() -> None:
    ids = [review.review_id for review in read_olist(MINIATURE).reviews]
    assert len(set(ids)) < len(ids)


def test_unknown_measures_are_none() -> None:
    products = {row.product_id: row for row in read_olist(MINIATURE).products}
    assert products["mystery"].category is None
    assert products["sizeless"].weight_g is None
    assert products["feather"].weight_g == 0


def test_gzip_reads_as_plain_does(tmp_path: Path) -> None:
    rows = read_olist(MINIATURE)
    write_olist(rows, tmp_path, compressed=True)
    assert {path.suffix for path in tmp_path.iterdir()} == {".gz"}
    assert read_olist(tmp_path) == rows


def test_windows_line_ends_blank_lines_and_more_columns_are_read(directory: Path) -> None:
    rows = read_olist(directory)
    lines = (directory / SELLERS).read_text().splitlines()
    wider = [f"{line},{'open' if number else 'note'}" for number, line in enumerate(lines)]
    (directory / SELLERS).write_bytes(("\r\n".join(wider) + "\r\n\r\n").encode())
    assert read_olist(directory) == rows


def test_reviews_may_be_missing(directory: Path) -> None:
    (directory / REVIEWS).unlink()
    assert read_olist(directory).reviews == ()


def test_geography_is_named_and_not_read(directory: Path) -> None:
    (directory / "olist_geolocation_dataset.csv").write_text("not even a table")
    assert read_olist(directory).unread == ("olist_geolocation_dataset.csv",)


def test_missing_directory(tmp_path: Path) -> None:
    assert "no such directory" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("file", [ORDERS, ITEMS, PAYMENTS, CUSTOMERS, PRODUCTS, SELLERS, TRANSLATIONS])
def test_missing_file(directory: Path, file: str) -> None:
    (directory / file).unlink()
    assert refusal(directory).startswith(f"{file}: missing in ")


def test_empty_file(directory: Path) -> None:
    assert spoil(directory, ORDERS, lambda _: b"").startswith(f"{ORDERS}:1: the file is empty")


def test_missing_column(directory: Path) -> None:
    said = spoil(directory, ORDERS, lambda data: data.replace(b"order_approved_at", b"approved"))
    assert said.startswith(f"{ORDERS}:1: the column order_approved_at is missing; columns found: order_id, ")
    assert "approved, order_delivered_carrier_date" in said


def test_truncated_in_a_row(directory: Path) -> None:
    last = len((directory / ITEMS).read_bytes().splitlines())
    said = spoil(directory, ITEMS, lambda data: data[:-2])
    assert said == f"{ITEMS}:{last}: the file is cut off: its last row has no line break"


def test_truncated_between_rows(directory: Path) -> None:
    said = spoil(directory, ORDERS, lambda data: b"".join(data.splitlines(keepends=True)[:-1]))
    assert said.startswith(f"{PAYMENTS}:")
    assert "there is no order o45_invoiced_without_items in the dataset" in said


def test_truncated_in_quoted_text(directory: Path) -> None:
    said = spoil(directory, REVIEWS, lambda data: data[: data.index(b"obrigada")])
    assert said.startswith(f"{REVIEWS}:3: the row can't be read as CSV: unexpected end of data")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_truncated_gzip(directory: Path, kept: float) -> None:
    plain = directory / ORDERS
    packed = gzip.compress(plain.read_bytes(), mtime=0)
    plain.unlink()
    (directory / f"{ORDERS}.gz").write_bytes(packed[: int(len(packed) * kept)])
    said = refusal(directory)
    assert said.startswith(f"{ORDERS}.gz:")
    assert "the gzip file is cut off or damaged" in said


def test_no_gzip_at_all(directory: Path) -> None:
    (directory / ORDERS).rename(directory / f"{ORDERS}.gz")
    assert refusal(directory).startswith(f"{ORDERS}.gz:1: the gzip file is cut off or damaged")


def test_unknown_status(directory: Path) -> None:
    said = spoil(directory, ORDERS, lambda data: data.replace(b",processing,", b",teleported,"))
    assert said.startswith(f"{ORDERS}:35: order_status: 'teleported' is no status; known are approved, ")


def test_bytes_that_are_not_utf8(directory: Path) -> None:
    said = spoil(directory, SELLERS, lambda data: data.replace("é".encode(), b"\xe9"))
    assert said == f"{SELLERS}:5: the line is not UTF-8: 0xe9 at byte 27 of the line"


def test_zero_byte(directory: Path) -> None:
    said = spoil(directory, SELLERS, lambda data: data.replace(b"pinhal", b"pin\0hal"))
    assert said == f"{SELLERS}:4: the line holds a zero byte"


@pytest.mark.parametrize("amount", ["many", "-1.0", "1e3", "58,9", "0.005", "", " 58.9", "1_000.0", "NaN"])
def test_amount_that_is_no_number(directory: Path, amount: str) -> None:
    field = f'"{amount}"'.encode()
    said = spoil(directory, ITEMS, lambda data: data.replace(b",58.9,", b"," + field + b",", 1))
    assert said.startswith(f"{ITEMS}:2: price: ")


@pytest.mark.parametrize(
    "stamp", ["2017-13-05 10:00:00", "2017-01-05", "05/01/2017 10:00", "", "2017-01-05T10:00:00Z", "soon"]
)
def test_bad_timestamp(directory: Path, stamp: str) -> None:
    said = spoil(directory, ORDERS, lambda data: data.replace(b"2017-01-05 10:00:00", stamp.encode(), 1))
    assert said.startswith(f"{ORDERS}:2: order_purchase_timestamp: ")


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "one", "", "\u0661"])
def test_bad_sequence(directory: Path, number: str) -> None:
    said = spoil(
        directory, PAYMENTS, lambda data: data.replace(b"o01_plain,1,", f"o01_plain,{number},".encode())
    )
    assert said.startswith(f"{PAYMENTS}:2: payment_sequential: ")


def test_empty_id(directory: Path) -> None:
    said = spoil(directory, ORDERS, lambda data: data.replace(b"o01_plain,", b","))
    assert said == f"{ORDERS}:2: order_id: it is empty"


def test_duplicate_order_id(directory: Path) -> None:
    said = spoil(directory, ORDERS, lambda data: data.replace(b"o02_second_order", b"o01_plain"))
    assert said == f"{ORDERS}:3: order_id o01_plain comes twice; first in line 2"


def test_duplicate_item(directory: Path) -> None:
    said = spoil(directory, ITEMS, lambda data: data.replace(b"o03_three_units,2,", b"o03_three_units,1,"))
    assert said == f"{ITEMS}:5: order_id o03_three_units, item 1 comes twice; first in line 4"


@pytest.mark.parametrize(
    ("file", "line", "what"),
    [(ITEMS, 2, "order"), (PAYMENTS, 2, "order"), (REVIEWS, 2, "order")],
)
def test_row_of_an_unknown_order(directory: Path, file: str, line: int, what: str) -> None:
    said = spoil(directory, file, lambda data: data.replace(b"o01_plain", b"o99_nowhere"))
    assert said == f"{file}:{line}: there is no {what} o99_nowhere in the dataset"


@pytest.mark.parametrize(
    ("file", "known", "what"),
    [(ORDERS, "customer_02", "customer"), (ITEMS, "lamp", "product"), (ITEMS, "seller_tea", "seller")],
)
def test_reference_to_nobody(directory: Path, file: str, known: str, what: str) -> None:
    said = spoil(directory, file, lambda data: data.replace(f",{known},".encode(), b",nobody,"))
    assert f": there is no {what} nobody in the dataset" in said
    assert said.startswith(f"{file}:")


def test_short_row(directory: Path) -> None:
    said = spoil(directory, CUSTOMERS, lambda data: data.replace(b",4841,vila das torres,SP", b",4841", 1))
    assert said == f"{CUSTOMERS}:2: the row has 3 fields, the header has 5"


def test_long_row(directory: Path) -> None:
    said = spoil(directory, PAYMENTS, lambda data: data.replace(b"71.4\n", b"71,4\n", 1))
    assert said == f"{PAYMENTS}:2: the row has 6 fields, the header has 5"


def test_broken_quotes(directory: Path) -> None:
    said = spoil(directory, SELLERS, lambda data: data.replace(b'"80020"', b'"80"020'))
    assert said.startswith(f"{SELLERS}:4: the row can't be read as CSV: ")


def test_the_line_of_a_row_after_line_breaks_in_text(directory: Path) -> None:
    said = spoil(directory, REVIEWS, lambda data: data.replace(b"o27_late,1,", b"o27_late,9,"))
    assert said == f"{REVIEWS}:8: review_score: '9' is no score from 1 to 5"


def test_refusal_says_file_and_line_apart(directory: Path) -> None:
    (directory / ORDERS).write_text("nothing\n")
    with pytest.raises(BadInput) as refused:
        read_olist(directory)
    assert (refused.value.file, refused.value.line) == (ORDERS, 1)
