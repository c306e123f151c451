"""Can a scanner read what is printed, and is a label that is printed again the same?"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from PIL import Image, ImageDraw
from reportlab.graphics.barcode.code128 import Code128

from queries.carrier.label_documents import (
    CHARACTERS_MAX,
    DOTS_PER_MM,
    HEIGHT_MM,
    LINES_MAX,
    WIDTH_MM,
    Label,
    pdf,
    zpl,
)

LABEL = Label(
    shipment_id="1001",
    order_id="1001",
    carrier="swift",
    service="express",
    tracking_number="SW000000000017TR",
    sender="North, 20000 RJ BR",
    recipient=("Ana Souza", "Rua Augusta 1000", "apto 21", "01310 São Paulo SP BR"),
    phone="+55 11 91234-5678",
    note="ring twice",
    bought_on="2026-05-04",
    voided=False,
)
NUMBERS = ("SW000000000017TR", "1", "RP123456789012TR", "AB-12 34/56.7", "X" * 40, "00340434161094042557")


def page_of(document: bytes, dots_per_mm: float = DOTS_PER_MM) -> Image.Image:
    pages = pypdfium2.PdfDocument(document)
    assert len(pages) == 1
    image: Image.Image = pages[0].render(scale=dots_per_mm * 25.4 / 72).to_pil()
    return image


def text_of(document: bytes) -> str:
    text: str = pypdfium2.PdfDocument(document)[0].get_textpage().get_text_range()
    return text


def scanned(image: Image.Image) -> list[tuple[str, str]]:
    return [(str(each.format), each.text) for each in zxingcpp.read_barcodes(image)]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_scanner_reads_the_bar_code_of_the_page(number: str) -> None:
    (found,) = scanned(page_of(pdf(replace(LABEL, tracking_number=number)), dots_per_mm=12))
    assert found[1] == number
    assert "128" in found[0].replace(" ", "")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_scanner_reads_the_bar_code_of_a_label_printer(number: str) -> None:
    (found,) = scanned(printed(zpl(replace(LABEL, tracking_number=number)).decode()))
    assert found[1] == number


def test_a_reprint_is_identical() -> None:
    assert pdf(LABEL) == pdf(replace(LABEL))
    assert zpl(LABEL) == zpl(replace(LABEL))


def test_the_label_says_what_it_is_for() -> None:
    text = text_of(pdf(LABEL))
    for part in ("swift express", "Parcel: 1001", "2026-05-04", "SW000000000017TR"):
        assert part in text
        assert part in zpl(LABEL).decode()
    assert "(erased)" in text_of(pdf(replace(LABEL, recipient=())))
    assert "VOID" in text_of(pdf(replace(LABEL, voided=True)))
    assert "VOID" not in text


def test_the_label_says_whom_it_is_for_and_whom_it_is_from() -> None:
    text = text_of(pdf(LABEL)).splitlines()
    told = ("From: North, 20000 RJ BR", "To: Ana Souza", *LABEL.recipient[1:], "Phone: +55 11 91234-5678")
    for line in (*told, "Note: ring twice"):
        assert line in text
        assert line in [content for _, content in printed_fields(zpl(LABEL).decode())]
    erased = replace(LABEL, recipient=(), phone="", note="")
    assert not {"Phone", "Note"} & {line.partition(":")[0] for line in erased.lines}


def test_however_much_was_said_the_place_is_on_the_label_and_nothing_runs_into_the_bars() -> None:
    place = "01310 São Paulo SP BR"
    long = replace(
        LABEL, recipient=("A" * 200, "street " * 28, "42 " * 60, place), note="n " * 500, voided=True
    )
    assert place in long.lines
    assert len(long.lines) == LINES_MAX
    assert all(len(line) <= CHARACTERS_MAX for line in long.lines)
    assert place in text_of(pdf(long))
    *texts, (bars, _) = printed_fields(zpl(long).decode())
    assert max(each["y"] for each, _ in texts) + 28 < bars["y"]
    assert scanned(printed(zpl(long).decode()))
    assert scanned(page_of(pdf(long), dots_per_mm=12))


def test_what_means_something_to_the_printer_is_escaped() -> None:
    sly = replace(LABEL, recipient=("^XZ~JA_1\\ town",), tracking_number="A^B~C")
    text = zpl(sly).decode()
    assert (text.count("^XZ"), text.count("~")) == (1, 0)
    assert "_5EXZ_7EJA_5F1_5C town" in text
    assert printed_fields(text)[-1][1] == "A^B~C"


# ---- a label printer: as much of one as our labels need


def printed_fields(text: str) -> list[tuple[dict[str, Any], str]]:
    """Of each field its place and bar code, if it is one, and its text with `^FH` undone."""
    fields = []
    for line in re.findall(r"\^FO(.*?)\^FS", text):
        place, content = line.split("^FH^FD", 1)
        x, y = map(int, re.match(r"(\d+),(\d+)", place).groups())  # type: ignore[union-attr]
        bars = re.search(r"\^BY(\d+)\^BCN,(\d+)", place)
        told: dict[str, Any] = {"x": x, "y": y}
        if bars:
            told |= {"module": int(bars.group(1)), "height": int(bars.group(2))}
        raw = re.sub(r"_([0-9A-F]{2})", lambda each: chr(int(each.group(1), 16)), content)
        fields.append((told, raw))
    return fields


def printed(text: str) -> Image.Image:
    """The bars, as `^BC` has them: each module so many dots wide. Which bars these are, a library says."""
    image = Image.new("L", (WIDTH_MM * DOTS_PER_MM, HEIGHT_MM * DOTS_PER_MM), 255)
    draw = ImageDraw.Draw(image)
    for place, content in printed_fields(text):
        if "module" not in place:
            continue
        at = place["x"]
        code = Code128(content, quiet=False)
        code.validate()
        code.encode()
        code.decompose()
        for wide in code.decomposed:  # upper case is a bar, lower case a space, A is one module wide
            width = (ord(wide.lower()) - ord("a") + 1) * place["module"]
            if wide.isupper():
                draw.rectangle((at, place["y"], at + width - 1, place["y"] + place["height"]), fill=0)
            at += width
    return image
