"""What does a parcel's label look like, for a printer? PDF, or ZPL for a label printer; both with a bar code.

A label is made of what was recorded when it was bought, and of nothing else: printed again it is the same,
byte for byte, until its recipient is erased.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

WIDTH_MM, HEIGHT_MM = 100, 150
DOTS_PER_MM = 8
"""203 dpi, what label printers have."""
BARS_DOTS_MAX = WIDTH_MM * DOTS_PER_MM - 2 * 60
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_ZPL_SPECIAL = re.compile(r"[\^~\\_\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on it. `recipient` is empty where the person was erased."""

    shipment_id: str
    order_id: str
    carrier: str
    service: str
    tracking_number: str
    recipient: str
    bought_on: str
    voided: bool

    @property
    def barcode(self) -> str:
        """The tracking number, as far as a Code 128 of printable ASCII can hold it."""
        return _NOT_PRINTABLE.sub("?", self.tracking_number)[:60]

    @property
    def lines(self) -> tuple[str, ...]:
        void = ("VOID: this label was given back",) if self.voided else ()
        return (
            *void,
            f"{self.carrier} {self.service}".strip(),
            f"To: {self.recipient or '(erased)'}",
            f"Parcel: {self.shipment_id}",
            f"Order: {self.order_id}",
            f"Label of {self.bought_on}",
        )


def pdf(label: Label) -> bytes:
    """A page of 100 x 150 mm. `invariant`: no time of printing, no chance in its ids."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH_MM * mm, HEIGHT_MM * mm), invariant=1)
    canvas.setTitle(f"Label {label.tracking_number}")
    for number, line in enumerate(label.lines):
        canvas.setFont("Helvetica-Bold" if number == 0 else "Helvetica", 12)
        canvas.drawString(6 * mm, (HEIGHT_MM - 14 - 8 * number) * mm, _latin(line)[:60])
    bars = _bars(label.barcode)
    bars.drawOn(canvas, (WIDTH_MM * mm - bars.width) / 2, 30 * mm)
    canvas.setFont("Helvetica", 10)
    canvas.drawCentredString(WIDTH_MM * mm / 2, 22 * mm, label.barcode)
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
        f"^FO40,{40 + 50 * number}^A0N,34,34^FH^FD{_field(line[:60])}^FS"
        for number, line in enumerate(label.lines)
    ]
    modules = 11 * (len(label.barcode) + 2) + 13  # start, a symbol a character, check, stop
    module = max(1, min(3, BARS_DOTS_MAX // modules))
    bars = f"^FO60,600^BY{module}^BCN,200,Y,N,N,N^FH^FD{_field(label.barcode)}^FS"
    size = f"^PW{WIDTH_MM * DOTS_PER_MM}^LL{HEIGHT_MM * DOTS_PER_MM}"
    return "\n".join(["^XA", "^CI28", size, *fields, bars, "^XZ", ""]).encode()


def _field(text: str) -> str:
    """Characters that mean something to the printer, as `_` and their code in hexadecimal digits."""
    return _ZPL_SPECIAL.sub(lambda each: f"_{ord(each.group()):02X}", text)
