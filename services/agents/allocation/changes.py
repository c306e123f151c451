"""More units beside the plan: what a change of the order wants, or what is to come instead of short picks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from domain.allocation import (
    SENT_ANYWAY,
    SHORT_PICK,
    AllocationChangePlanned,
    AllocationTerms,
    DropAllocationChange,
    Free,
    Pick,
    PlanAllocationChange,
    RemoveShortPick,
    SettleAllocationChange,
    WantedLine,
)
from domain.carrier import ShipmentDispatched
from domain.inventory import (
    StockAllocated,
    StockAllocationRefused,
)
from domain.kernel import Fact, Reaction
from domain.order import (
    OrderEditConfirmed,
    OrderEdited,
)
from domain.warehouse.pick_list import PickShorted
from services.agents.allocation.following import edited_lines, revise
from services.agents.allocation.process import (
    AllocationProcess,
    Unfound,
    Wanted,
    ask,
    is_sent_anyway,
    learned,
    sent_units,
    units_of,
)


def _start(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    """The first of the changes that wait, if there is one; an order that has left wants none."""
    if not process.changes or process.shipped:
        return Reaction(process)
    change = process.changes[0]
    command = PlanAllocationChange(
        order_id=process.order_id,
        change_id=change.change_id,
        attempt=change.attempt + 1,
        terms=change.terms,
        ship_to_state=process.ship_to_state,
        lines=change.lines,
        known=change.known,
    )
    return ask(_first(process, asked=True), fact, command)


def _first(process: AllocationProcess, **changed: object) -> AllocationProcess:
    change = process.changes[0].model_copy(update=changed)
    return process.model_copy(update={"changes": (change, *process.changes[1:])})


def _queue(process: AllocationProcess, change: Wanted, fact: Fact) -> Reaction[AllocationProcess]:
    idle = not process.changes
    process = process.model_copy(update={"changes": (*process.changes, change)})
    return _start(process, fact) if idle else Reaction(process)


def over(process: AllocationProcess, change_id: str, fact: Fact) -> Reaction[AllocationProcess]:
    """The next one may begin."""
    if change_id not in {each.change_id for each in process.changes}:
        return Reaction(process)
    begun = process.changes[0].change_id == change_id
    left = tuple(each for each in process.changes if each.change_id != change_id)
    process = process.model_copy(update={"changes": left})
    return _start(process, fact) if begun else Reaction(process)


def confirmed(
    process: AllocationProcess, event: OrderEditConfirmed, fact: Fact
) -> Reaction[AllocationProcess]:
    """All that the change set wants, or nothing: its buyer was promised just that."""
    assert process.terms, "only orders that are allocated by rules are planned"
    lines = tuple(_more(process, event))
    if not lines:
        return Reaction(process)
    terms = _when_short(process.terms, all_or_nothing=True)
    return _queue(process, Wanted(change_id=event.change_set_id, lines=lines, terms=terms), fact)


def _more(process: AllocationProcess, event: OrderEditConfirmed) -> Iterable[WantedLine]:
    """Units beyond what is planned of each SKU, by the lines that want more."""
    needed: Counter[str] = Counter()
    for each in event.units:
        needed[each.sku] += each.change
    before = {line.line: line for line in process.lines}
    for line in process.proposed:
        had = before.get(line.line)
        more = line.quantity - (had.quantity if had and had.sku == line.sku else 0)
        if part := min(more, needed[line.sku]) if more > 0 else 0:
            needed[line.sku] -= part
            yield line.model_copy(update={"quantity": part})


def _when_short(terms: AllocationTerms, *, all_or_nothing: bool) -> AllocationTerms:
    how = "all_or_nothing" if all_or_nothing else "ship_available"
    return terms.model_copy(update={"rules": terms.rules.model_copy(update={"when_short": how})})


def shorted(process: AllocationProcess, event: PickShorted, fact: Fact) -> Reaction[AllocationProcess]:
    """It is not there; perhaps it is elsewhere, or a part of it. Of the rest the order hears. An order that
    has all that it wants needs no other."""
    terms = process.terms
    assert terms, "only orders that are allocated by rules are planned"
    pick = Pick(line=event.line, sku=event.sku, warehouse=event.warehouse, quantity=event.quantity)
    short_id = f"{SHORT_PICK}{fact.event_id}"
    unfound = (*process.unfound, Unfound(short_id=short_id, pick=pick))
    process = process.model_copy(update={"unfound": unfound})
    left = None if event.left is None else sum(line.quantity for line in event.left)
    remove = RemoveShortPick(order_id=process.order_id, short_id=short_id, pick=pick, left=left)
    asked = ask(process, fact, remove)
    if process.shipped:
        sent = revise(process, _sent_cause(fact), fact).commands if is_sent_anyway(process) else ()
        return Reaction(process, (*asked.commands, *sent))
    instead = Wanted(
        change_id=short_id,
        lines=(WantedLine(line=event.line, sku=event.sku, quantity=event.quantity),),
        terms=_when_short(terms, all_or_nothing=False),
        known=(Free(sku=event.sku, warehouse=event.warehouse, units=0),),
        revise=True,
    )
    queued = _queue(process, instead, fact)
    return Reaction(queued.process, (*asked.commands, *queued.commands))


def change_planned(
    process: AllocationProcess, event: AllocationChangePlanned, fact: Fact
) -> AllocationProcess:
    if not process.changes or process.changes[0].change_id != event.change_id:
        return process  # it came to nothing meanwhile
    places = frozenset(f"{pick.sku} {pick.warehouse}" for pick in event.picks)
    return _first(process, attempt=event.attempt, plan=fact.event_id, to_allocate=places, asked=False)


def change_refused(
    process: AllocationProcess, event: StockAllocationRefused, fact: Fact
) -> Reaction[AllocationProcess]:
    if not process.changes or fact.causation != process.changes[0].plan:
        return Reaction(process)
    change = process.changes[0]
    if change.dropped:
        return _dropped(_first(process, to_allocate=frozenset()), fact)
    place = (event.sku, event.warehouse)
    own = max(0, units_of(process.picks)[place] - sent_units(process)[place])
    process = _first(process, known=learned(change.known, event, own))
    return Reaction(process) if change.asked else _start(process, fact)


def allocated(process: AllocationProcess, event: StockAllocated, fact: Fact) -> Reaction[AllocationProcess]:
    if not process.changes or fact.causation != process.changes[0].plan:
        return Reaction(process)
    change = process.changes[0]
    left = change.to_allocate - {f"{event.sku} {event.warehouse}"}
    process = _first(process, to_allocate=left)
    if left or not change.to_allocate:
        return Reaction(process)
    if change.dropped:
        return _dropped(process, fact)
    ids = {"order_id": process.order_id, "change_id": change.change_id}
    return ask(process, fact, SettleAllocationChange(**ids, attempt=change.attempt, revise=change.revise))


def declined(process: AllocationProcess, change_id: str, fact: Fact) -> Reaction[AllocationProcess]:
    """The buyer's change came to nothing, and so what was planned for it. The next one waits until stock has
    answered: it asks for so many units in all, so what is let go again must not seem to be the next one's."""
    process = process.model_copy(update={"proposed": ()})
    if change_id not in {each.change_id for each in process.changes}:
        return Reaction(process)
    if change_id != process.changes[0].change_id:
        return over(process, change_id, fact)  # nothing is planned for it yet
    return _drop_first(process, fact)


def _drop_first(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    """Where it is not dropped already."""
    if not process.changes or process.changes[0].dropped:
        return Reaction(process)
    drop = DropAllocationChange(order_id=process.order_id, change_id=process.changes[0].change_id)
    return ask(_first(process, dropped=True), fact, drop)


def drop_known(process: AllocationProcess, change_id: str, fact: Fact) -> Reaction[AllocationProcess]:
    if not process.changes or process.changes[0].change_id != change_id:
        return Reaction(process)
    return _dropped(_first(process, known_over=True), fact)


def _dropped(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    change = process.changes[0]
    ended = change.known_over and not change.to_allocate
    return over(process, change.change_id, fact) if ended else Reaction(process)


def applied(process: AllocationProcess, event: OrderEdited, fact: Fact) -> Reaction[AllocationProcess]:
    process = process.model_copy(update={"lines": edited_lines(process, event), "proposed": ()})
    revised = revise(process, event.change_set_id, fact)
    after = over(process, event.change_set_id, fact)
    return Reaction(after.process, (*revised.commands, *after.commands))


def sent_on(process: AllocationProcess, event: ShipmentDispatched) -> AllocationProcess:
    """What is in it, as it says; one of before does not, as it had all of the order."""
    sent = sent_units(process) + units_of(event.lines or process.picks)
    places = (Free(sku=s, warehouse=w, units=n) for (s, w), n in sorted(sent.items()))
    return process.model_copy(update={"sent": tuple(places)})


def shipped(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    """The order has all that it wants. What is planned beyond that is called off: a carrier had fetched what
    a picker did not find, or the rest was cancelled while it was looked for elsewhere."""
    process = process.model_copy(update={"shipped": True, "changes": process.changes[:1]})
    told = is_sent_anyway(process)
    beyond = units_of(process.picks) - sent_units(process)
    if not process.sent or not (told or process.changes or beyond):
        return Reaction(process)
    process = process.model_copy(update={"lines": tuple(_sent_lines(process))})
    dropped = _drop_first(process, fact)
    revised = revise(process, _sent_cause(fact) if told else fact.event_id, fact)
    return Reaction(dropped.process, (*dropped.commands, *revised.commands))


def _sent_cause(fact: Fact) -> str:
    return f"{SENT_ANYWAY}{fact.event_id}"


def _sent_lines(process: AllocationProcess) -> Iterable[WantedLine]:
    """What has left of each line, as it was planned."""
    left = sent_units(process)
    for pick in process.picks:
        place = (pick.sku, pick.warehouse)
        if part := min(pick.quantity, left[place]):
            left[place] -= part
            yield WantedLine(line=pick.line, sku=pick.sku, quantity=part)
