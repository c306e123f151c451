"""What does a parcel's label look like, for a printer? PDF, or ZPL for a label printer; both with a bar code.

Number, service and bar code are as they were booked. Who gets it is printed as it stands with the order now,
until that person is erased, and the sender as its warehouse is called now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from textwrap import wrap

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

WIDTH_MM, HEIGHT_MM = 100, 150
DOTS_PER_MM = 8
"""203 dpi, what label printers have."""
BARS_DOTS_MAX = WIDTH_MM * DOTS_PER_MM - 2 * 60
LINES_MAX, CHARACTERS_MAX = 22, 38
"""Of text above the bars: as many capital letters as fit the width."""
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_ZPL_SPECIAL = re.compile(r"[\^~\\_\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on it. `recipient` is who gets it and where, in lines, the place last; it is empty, as
    `phone` and `note` are, where the person was erased.
    """

    shipment_id: str
    order_id: str
    carrier: str
    service: str
    tracking_number: str
    sender: str
    recipient: tuple[str, ...]
    phone: str
    note: str
    bought_on: str
    voided: bool

    @property
    def barcode(self) -> str:
        """The tracking number, as far as a Code 128 of printable ASCII can hold it."""
        return _NOT_PRINTABLE.sub("?", self.tracking_number)[:60]

    @property
    def lines(self) -> tuple[str, ...]:
        """What is too long is cut, and of the note what there is no room for."""
        first, *rest = self.recipient or ("(erased)",)
        *to, place = (f"To: {first}", *rest)
        told = (
            *(("VOID: this label was given back",) if self.voided else ()),
            *_wrapped((f"{self.carrier} {self.service}".strip(),), 1),
            *_wrapped((f"From: {self.sender}",), 2),
            *_wrapped(to, 6),
            *_wrapped((place,), 2),
            *_wrapped((f"Phone: {self.phone}",) if self.phone else (), 2),
            *_wrapped((f"Parcel: {self.shipment_id}",), 2),
            *_wrapped((f"Order: {self.order_id}",), 2),
            f"Label of {self.bought_on}",
        )
        note = (f"Note: {self.note}",) if self.note else ()
        return (*told, *_wrapped(note, LINES_MAX - len(told)))


def _wrapped(lines: Iterable[str], most: int) -> tuple[str, ...]:
    return tuple(islice((part for line in lines for part in wrap(line, CHARACTERS_MAX)), most))


def pdf(label: Label) -> bytes:
    """A page of 100 x 150 mm. `invariant`: no time of printing, no chance in its ids."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH_MM * mm, HEIGHT_MM * mm), invariant=1)
    canvas.setTitle(f"Label {label.tracking_number}")
    for number, line in enumerate(label.lines):
        canvas.setFont("Helvetica-Bold" if number == 0 else "Helvetica", 10)
        canvas.drawString(6 * mm, (HEIGHT_MM - 9 - 4.5 * number) * mm, _latin(line))
    bars = _bars(label.barcode)
    bars.drawOn(canvas, (WIDTH_MM * mm - bars.width) / 2, 14 * mm)
    canvas.drawCentredString(WIDTH_MM * mm / 2, 7 * mm, label.barcode)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _bars(text: str) -> Code128:
    """As wide as fits the page with its quiet zones."""
    module = 0.5 * mm
    bars = Code128(text, barHeight=25 * mm, barWidth=module, quiet=True)
    most = (WIDTH_MM - 8) * mm
    narrow = module * min(1.0, most / bars.width)
    return Code128(text, barHeight=25 * mm, barWidth=narrow, quiet=True)


def _latin(text: str) -> str:
    """What the standard fonts can show."""
    return text.encode("cp1252", "replace").decode("cp1252")


def zpl(label: Label) -> bytes:
    """For a printer of 203 dpi; text is UTF-8 (`^CI28`), special characters are escaped (`^FH`)."""
    fields = [
        f"^FO40,{40 + 36 * number}^A0N,28,28^FH^FD{_field(line)}^FS"
        for number, line in enumerate(label.lines)
    ]
    modules = 11 * (len(label.barcode) + 2) + 13  # start, a symbol a character, check, stop
    module = max(1, min(3, BARS_DOTS_MAX // modules))
    bars = f"^FO60,880^BY{module}^BCN,200,Y,N,N,N^FH^FD{_field(label.barcode)}^FS"
    size = f"^PW{WIDTH_MM * DOTS_PER_MM}^LL{HEIGHT_MM * DOTS_PER_MM}"
    return "\n".join(["^XA", "^CI28", size, *fields, bars, "^XZ", ""]).encode()


def _field(text: str) -> str:
    """Characters that mean something to the printer, as `_` and their code in hexadecimal digits."""
    return _ZPL_SPECIAL.sub(lambda each: f"_{ord(each.group()):02X}", text)
