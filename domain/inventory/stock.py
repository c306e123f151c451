"""Stock of one SKU in one warehouse: what may be promised to orders, and what has been.

on hand = available + committed (reserved or allocated) + unavailable (in quality control, damaged, safety
stock), always. Its events are in `stock_events`, what they come to in `stock_state`, who gets which units in
`promises`.
"""

from __future__ import annotations

from domain.inventory.promises import Events, allocate, fill, reserve
from domain.inventory.stock_commands import (
    AdjustStock,
    AllocateMoreStock,
    AllocateStock,
    CancelBackorder,
    CancelCount,
    CancelExpectedStock,
    CountStock,
    ExpectStock,
    ExpireReservation,
    MoveStock,
    ReceiveStock,
    RecordShortPick,
    ReleaseStock,
    RenewReservation,
    ReserveStock,
    RestoreReservation,
    ReturnStock,
    SendStock,
    SetStockRules,
    SettleCount,
    ShipStock,
    StartCount,
    StockCommand,
    WriteOffStock,
)
from domain.inventory.stock_events import (
    BackorderCancelled,
    Bucket,
    ExpectedStockArrived,
    ExpectedStockCancelled,
    ReservationExpired,
    ReservationRenewed,
    ReservationRestored,
    StockAdjusted,
    StockCountCancelled,
    StockCounted,
    StockCountSettled,
    StockCountStarted,
    StockEvent,
    StockExpected,
    StockMoved,
    StockPickedShort,
    StockReceived,
    StockReleased,
    StockReturned,
    StockRulesSet,
    StockSent,
    StockShipped,
    StockWrittenOff,
)
from domain.inventory.stock_state import Stock, evolve, evolve_all
from domain.kernel import UNITS_MAX, Decider, Refused


def _receive(command: ReceiveStock, stock: Stock) -> Events:
    place = {"sku": command.sku, "warehouse": command.warehouse}
    events: list[StockEvent] = [
        StockReceived(quantity=command.quantity, reference=command.reference, **place)
    ]
    if command.condition != "available":
        note = f"received {command.condition.replace('_', ' ')}"
        events.append(
            StockMoved(
                quantity=command.quantity, source="available", target=command.condition, note=note, **place
            )
        )
    if awaited := min(command.quantity, stock.expected.get(command.expected_by, 0)):
        events.append(ExpectedStockArrived(reference=command.expected_by, quantity=awaited, **place))
    return tuple(events)


def _adjust(command: AdjustStock, stock: Stock) -> Events:
    if command.delta == 0:
        raise Refused("adjust_changes_something", "an adjustment by 0 changes nothing")
    if command.delta < 0 and stock.on_shelf + command.delta < 0:
        spoken_for = stock.on_hand - stock.on_shelf
        held = f", {spoken_for} are held: cancel those orders first" if spoken_for else ""
        raise Refused(
            "adjust_within_available",
            f"{stock.on_shelf} of {stock.on_hand} units of {command.sku} are available in warehouse"
            f" {command.warehouse}, so they can't be adjusted by {command.delta}{held}",
        )
    return (StockAdjusted(**dict(command)),)


def _lying_in(bucket: Bucket, stock: Stock) -> int:
    return {
        "available": stock.on_shelf,
        "quality_control": stock.quality_control,
        "damaged": stock.damaged,
    }[bucket]


def _move(command: MoveStock, stock: Stock) -> Events:
    there = _lying_in(command.source, stock)
    if command.source == command.target:
        raise Refused(
            "move_changes_something", f"the units are {command.source} already; name another target"
        )
    if command.quantity > there:
        hint = "; of what is held for an order record a short pick" if command.source == "available" else ""
        raise Refused(
            "move_within_source",
            f"{there} units of {command.sku} are {command.source} in warehouse {command.warehouse}, so"
            f" {command.quantity} can't be moved{hint}",
        )
    return (StockMoved(**dict(command)),)


def _write_off(command: WriteOffStock, stock: Stock) -> Events:
    there = _lying_in(command.source, stock)
    if command.quantity > there:
        raise Refused(
            "write_off_within_source",
            f"{there} units of {command.sku} are {command.source} in warehouse {command.warehouse}, so"
            f" {command.quantity} can't be written off",
        )
    return (StockWrittenOff(**dict(command)),)


def _send(command: SendStock, stock: Stock) -> Events:
    if command.quantity > stock.available:
        raise Refused(
            "send_within_available",
            f"{stock.available} units of {command.sku} are available in warehouse {command.warehouse}, so"
            f" {command.quantity} can't be sent elsewhere; the rest is held for orders, or kept back",
        )
    return (StockSent(**dict(command)),)


def _release(command: ReleaseStock, stock: Stock) -> Events:
    place = {"order_id": command.order_id, "sku": command.sku, "warehouse": command.warehouse}

    def part(of: int) -> int:
        return min(of, command.quantity or of)

    if held := stock.held.get(command.order_id):
        return (StockReleased(quantity=part(held.quantity), **place),)
    return tuple(
        BackorderCancelled(quantity=part(each.quantity), reason="released", **place)
        for each in stock.waiting
        if each.order_id == command.order_id
    )


def _cancel_backorder(command: CancelBackorder, stock: Stock) -> Events:
    return tuple(
        BackorderCancelled(quantity=each.quantity, **dict(command))
        for each in stock.waiting
        if each.order_id == command.order_id
    )


def _allocate_more(command: AllocateMoreStock, stock: Stock) -> Events:
    held = stock.held.get(command.order_id)
    before = max(command.beside, held.quantity if held else 0)
    total = {"quantity": min(UNITS_MAX, before + command.quantity)}
    return allocate(AllocateStock(**(command.model_dump(exclude={"beside"}) | total)), stock)


def _pick_short(command: RecordShortPick, stock: Stock) -> Events:
    held = stock.held.get(command.order_id)
    units = held.quantity if held else 0
    if command.quantity > units:
        raise Refused(
            "short_pick_within_held",
            f"{units} units of {command.sku} are held for order {command.order_id} in warehouse"
            f" {command.warehouse}, so {command.quantity} can't be short",
        )
    return (StockPickedShort(**dict(command)),)


def _restore(command: RestoreReservation, stock: Stock) -> Events:
    left = dict(stock.left).get(command.order_id)
    units = left.quantity if left else 0
    if left is None or command.quantity > units:
        raise Refused(
            "restore_what_left",
            f"{units} units of {command.sku} left warehouse {command.warehouse} for order"
            f" {command.order_id} lately, so {command.quantity} can't be back from them",
        )
    held = stock.held.get(command.order_id)
    return (
        ReservationRestored(
            **dict(command),
            held=command.quantity + (held.quantity if held else 0),
            expires_at=held.expires_at if held else left.expires_at,
        ),
    )


def _start_count(command: StartCount, stock: Stock) -> Events:
    if stock.count and stock.count.stocktake_id != command.stocktake_id:
        raise Refused(
            "one_count_at_a_time",
            f"stocktake {stock.count.stocktake_id} counts {command.sku} in warehouse {command.warehouse}:"
            " finish or cancel it first",
        )
    return () if stock.count else (StockCountStarted(**dict(command), expected=stock.on_hand),)


def _count(command: CountStock, stock: Stock) -> Events:
    if not stock.count or stock.count.stocktake_id != command.stocktake_id:
        raise Refused(
            "count_was_started",
            f"stocktake {command.stocktake_id} does not count {command.sku} in warehouse {command.warehouse}",
        )
    began = stock.count.expected
    return (
        StockCounted(
            sku=command.sku,
            warehouse=command.warehouse,
            stocktake_id=command.stocktake_id,
            counted=command.counted,
            expected=began if command.as_of == "start" else stock.on_hand,
            moved=stock.on_hand - began,
        ),
    )


def _settle(command: SettleCount, stock: Stock) -> Events:
    if not stock.count or stock.count.stocktake_id != command.stocktake_id:
        return ()
    if stock.count.difference is None:
        raise Refused(
            "settle_what_is_counted",
            f"{command.sku} is not counted yet in stocktake {command.stocktake_id}: count it, or cancel",
        )
    difference, missed = stock.count.difference, stock.count.missed
    if difference < 0:  # units that were missing when they were picked, too, are off the books by now
        difference = min(0, difference + missed)
    return (StockCountSettled(**dict(command), difference=difference),)


def _decide(command: StockCommand, stock: Stock) -> Events:
    match command:
        case ReserveStock():
            return reserve(command, stock)
        case AllocateStock():
            return allocate(command, stock)
        case AllocateMoreStock():
            return _allocate_more(command, stock)
        case ShipStock(order_id=order, quantity=quantity):
            held = stock.held.get(order)
            uncommitted = max(0, quantity - (held.quantity if held else 0))
            return (StockShipped(**dict(command), uncommitted=uncommitted),)
        case ReturnStock():
            return (StockReturned(**dict(command)),)
        case ExpireReservation(order_id=order) if (held := stock.held.get(order)) and held.expires_at:
            return (ReservationExpired(**dict(command), quantity=held.quantity),)
        case RenewReservation(order_id=order, expires_at=expires_at) if held := stock.held.get(order):
            renewed = ReservationRenewed(**dict(command), quantity=held.quantity)
            return () if held.expires_at in (None, expires_at) else (renewed,)
        case ReleaseStock():
            return _release(command, stock)
        case CancelBackorder():
            return _cancel_backorder(command, stock)
        case RecordShortPick():
            return _pick_short(command, stock)
        case RestoreReservation():
            return _restore(command, stock)
        case ReceiveStock():
            return _receive(command, stock)
        case _:
            return _keep(command, stock)
    return ()  # nothing is held for the order: released, shipped or expired before


def _keep(command: StockCommand, stock: Stock) -> Events:
    """What is of no order."""
    match command:
        case AdjustStock():
            return _adjust(command, stock)
        case MoveStock():
            return _move(command, stock)
        case WriteOffStock():
            return _write_off(command, stock)
        case SetStockRules(rules=rules) if rules != stock.rules:
            return (StockRulesSet(**dict(command), was=stock.rules),)
        case ExpectStock(reference=reference) if reference not in stock.expected:
            return (StockExpected(**dict(command)),)
        case CancelExpectedStock(reference=reference) if units := stock.expected.get(reference):
            units = min(units, command.quantity or units)
            return (ExpectedStockCancelled(**{**dict(command), "quantity": units}),)
        case SendStock():
            return _send(command, stock)
        case StartCount():
            return _start_count(command, stock)
        case CountStock():
            return _count(command, stock)
        case SettleCount():
            return _settle(command, stock)
        case CancelCount(stocktake_id=stocktake) if stock.count and stock.count.stocktake_id == stocktake:
            return (StockCountCancelled(**dict(command)),)
    return ()  # as it was


def decide(command: StockCommand, stock: Stock) -> Events:
    """Whatever it was: units that it set free go to who waits for them, in the same decision."""
    events = _decide(command, stock)
    if not stock.waiting or not events or any(event.refusal for event in events):
        return events
    return (*events, *fill(evolve_all(stock, events), command.sku, command.warehouse))


STOCK: Decider[StockCommand, StockEvent, Stock] = Decider(
    "stock",
    decide,
    evolve,
    Stock(),
    events=StockEvent.__args__,
    commands=StockCommand.__args__,
    parts=("merchant", "sku", "warehouse"),
    evolve_all=evolve_all,
)
