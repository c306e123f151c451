"""Is found of a carrier's invoice what does not fit, and nothing else? By the events alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from domain.carrier import CarrierChosen, LabelBought, LabelVoided, ShipmentBilled
from domain.carrier.invoice import CarrierInvoiceImported, InvoiceDiscrepancyOpened
from domain.carrier.shipment_messages import RebookingRequested
from domain.kernel import Event, Fact
from domain.streams import shipment_stream
from services.simulation.invariants import History
from services.simulation.shop import Answered


@dataclass(frozen=True, slots=True)
class _Parcel:
    """From position `since` on. `carriers` of whom it ever had a label, `chosen` by booking; the present
    booking and its quote; whose labels were given back."""

    since: int = 0
    booking: int = 1
    chosen: tuple[tuple[int, str], ...] = ()
    carriers: frozenset[str] = frozenset()
    quoted_cents: int | None = None
    given_back: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Bills:
    """By parcel: as it was at each position, on how many lines it stands, and how often it was billed. By
    line of an invoice: what may have been wrong with it, and what was found."""

    parcels: defaultdict[str, list[_Parcel]] = field(default_factory=lambda: defaultdict(lambda: [_Parcel()]))
    lines: Counter[str] = field(default_factory=Counter)
    billed: Counter[str] = field(default_factory=Counter)
    wrong: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    found: dict[tuple[str, int], str] = field(default_factory=dict)

    def find(self, stream: str, opened: InvoiceDiscrepancyOpened, parcel: str) -> None:
        """A parcel that got its label just then may be unknown yet."""
        key = stream, opened.line
        self.found[key] = opened.kind
        if opened.kind == "unknown_parcel" and len(self.wrong.get(key, ())) > 1:
            self.lines[parcel] -= 1


def what_does_not_fit_is_found(history: History, answered: Answered) -> Iterator[str]:
    """Of each line that is of no parcel of the carrier's, of one that was billed, or whose label was given
    back, or above its quote, as it was while the invoice was taken in; and each parcel is billed as often as
    it stands on an invoice."""
    bills = _Bills()
    for fact in history.facts:
        _note(bills, fact, answered)
    for key, kinds in sorted(bills.wrong.items()):
        if (found := bills.found.get(key, "")) not in kinds:
            yield f"line {key[1]} of {key[0]} is found {found or 'right'}, and it is {sorted(kinds)}"
    for stream in sorted(bills.billed.keys() | bills.lines.keys()):
        if bills.billed[stream] != bills.lines[stream]:
            times = bills.lines[stream], bills.billed[stream]
            yield f"{stream} stands on {times[0]} lines of invoices, and is billed {times[1]} times"


def _note(bills: _Bills, fact: Fact, answered: Answered) -> None:
    match fact.event:
        case CarrierInvoiceImported() as event:
            sent = answered.sent[f"{fact.merchant} {fact.causation}"]
            _take_in(bills, fact, event, sent.head)
        case InvoiceDiscrepancyOpened() as event:
            bills.find(fact.stream, event, shipment_stream(fact.merchant, event.shipment_id))
        case ShipmentBilled():
            bills.billed[fact.stream] += 1
        case CarrierChosen() | RebookingRequested() | LabelBought() | LabelVoided() as event:
            known = bills.parcels[fact.stream]
            known.append(replace(_after(known[-1], event), since=fact.position))


def _take_in(bills: _Bills, fact: Fact, event: CarrierInvoiceImported, head: int) -> None:
    for line in event.lines:
        stream = shipment_stream(fact.merchant, line.shipment_id)
        known, times = bills.parcels[stream], bills.lines[stream]
        before = [parcel for parcel in known if parcel.since <= head]
        then = [before[-1], *(parcel for parcel in known if parcel.since > head)]
        kinds = {_wrong(event.carrier, line.charged_cents, parcel, times) for parcel in then}
        bills.wrong[fact.stream, line.line] = kinds
        bills.lines[stream] += kinds != {"unknown_parcel"}


def _wrong(carrier: str, charged_cents: int, parcel: _Parcel, times: int) -> str:
    if carrier not in parcel.carriers:
        return "unknown_parcel"
    if times:
        return "billed_twice"
    if parcel.booking in parcel.given_back:
        return "voided_label"
    above = parcel.quoted_cents is not None and charged_cents > parcel.quoted_cents
    return "above_quote" if above else ""


def _after(parcel: _Parcel, event: Event) -> _Parcel:
    match event:
        case CarrierChosen(booking=booking, option=option):
            chosen = (*parcel.chosen, (booking, option.carrier))
            return replace(parcel, booking=booking, chosen=chosen, quoted_cents=option.cents)
        case RebookingRequested(booking=booking):
            return replace(parcel, booking=booking, quoted_cents=None)
        case LabelBought(booking=booking, carrier=carrier):
            asked = dict(parcel.chosen).get(booking, carrier)
            return replace(parcel, carriers=parcel.carriers | {carrier, asked})
        case LabelVoided(booking=booking):
            return replace(parcel, given_back=parcel.given_back | {booking})
    return parcel
