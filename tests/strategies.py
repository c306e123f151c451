"""What may be sent to an aggregate: strategies over a universe so small that ids, times and amounts repeat.

`COMMANDS` has a strategy for each command of each aggregate; `commands_of` draws any of an aggregate's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from domain.aggregates import AnyDecider
from domain.api_key import IssueApiKey, RevokeApiKey
from domain.carrier import (
    RecordCarrierShipment,
    RequestLabelVoid,
    RequestShipment,
    Scan,
)
from domain.carrier import RecordUnavailable as RecordCarrierUnavailable
from domain.deadline import ReachDeadline
from domain.erasure import RecordErasure
from domain.inventory import (
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
    StockRules,
    WriteOffStock,
)
from domain.inventory.purchase_order import (
    CancelPurchaseOrder,
    ClosePurchaseOrder,
    PlacePurchaseOrder,
    PurchaseLine,
    ReceivedItem,
    ReceivePurchase,
    ResolvePurchaseDiscrepancy,
)
from domain.inventory.stocktake import CancelStocktake, FinishStocktake, RecordCount, StartStocktake
from domain.inventory.transfer import (
    CancelTransfer,
    PlanTransfer,
    ReceiveTransfer,
    ResolveTransferDiscrepancy,
    ShipTransfer,
    TransferLine,
)
from domain.kernel import Command
from domain.mail import Letter, RecordMailFailure, RecordMailSent, RecordMailUnknown, RequestMail
from domain.merchant import RegisterMerchant, SetMerchantTerms, SetMerchantTimeZone
from domain.money import split_by_largest_remainder
from domain.order import (
    AddLine,
    AddOrderNote,
    AddOrderPayment,
    Adjustment,
    ApplyOrderEdit,
    CancelOrder,
    CancelOrderLines,
    CancelOrderRest,
    CompleteOrder,
    ConfirmOrder,
    ConfirmOrderEdit,
    DeclineOrderEdit,
    DropOrderPayment,
    HoldOrder,
    Line,
    LineQuantity,
    MarkReserved,
    NoteText,
    OpenOrderDiscrepancy,
    ParcelUnits,
    PlaceOrder,
    Portion,
    ProposeOrderEdit,
    RecordDispatch,
    ReleaseOrder,
    RemoveLine,
    ResolveOrderDiscrepancy,
    SetQuantity,
    SetShipping,
    StartPreparation,
    TagOrder,
    Terms,
    UntagOrder,
    order_total,
)
from domain.parked import RequestParkedRetry, RequestParkedSkip
from domain.payment import (
    CapturePayment,
    CustomerAction,
    Dispute,
    Evidence,
    ExpireAuthorization,
    ExpireCustomerAction,
    Finding,
    Movement,
    RecordFindings,
    RecordProviderPayment,
    RecordUnknownCharge,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestReversal,
    RequestVoid,
    ResolveDiscrepancy,
    SubmitEvidence,
)
from domain.payment import RecordUnavailable as RecordProviderUnavailable
from domain.payment.method import MethodToken, RemovePaymentMethod, StorePaymentMethod
from domain.permissions import PLATFORM
from domain.personal import Customer, EmailAddress, Erased, Sealed
from domain.product.category import TranslateCategory
from domain.user import (
    DisableSecondFactor,
    DisableUser,
    EnableSecondFactor,
    EnableUser,
    GrantRole,
    InviteUser,
    JoinUser,
    LinkIdentity,
    LockUserOut,
    RecordPasswordChange,
    RecordRecoveryCode,
    RecordSessionsEnd,
    RecordTokenReuse,
    RequestPasswordReset,
    RevokeRole,
    UnlockUser,
)
from tests import strategies_warehouse
from tests.strategies_carrier import CARRIER_COMMANDS, CARRIER_OPENINGS, PARCEL_LINES
from tests.strategies_cart import CART_COMMANDS, CART_OPENING
from tests.strategies_product import PRODUCT_COMMANDS, PRODUCT_OPENING

START = datetime(2024, 2, 29, 23, tzinfo=UTC)
CUSTOMER = Customer(customer_id="c1", customer_unique_id="u1", zip_prefix="01310", city="São Paulo")

LETTER = Letter(to="ana@example.com", values={"until": "noon"})

hours = st.integers(0, 5)
moments = hours.map(lambda hour: START + timedelta(hours=hour))
maybe_moments = st.none() | moments
order_ids = st.sampled_from(["o1", "o2", "o3"])
quantities = st.integers(1, 4)
cents = st.sampled_from([0, 1, 30, 60, 99, 100])
references = st.sampled_from(["r1", "r2", "r3"])
personal = st.sampled_from([CUSTOMER, Sealed(sealed="bm9uY2U="), Erased()])
terms = st.builds(Terms, reservation_valid_s=st.sampled_from([1, 3600]))

lines = st.builds(
    Line,
    line=st.integers(1, 3),
    sku=st.sampled_from(["A-1", "B.2"]),
    quantity=quantities,
    unit_price_cents=cents,
    unit_shipping_cents=cents,
    ship_by=maybe_moments,
)
cuts = st.builds(LineQuantity, line=st.integers(1, 3), quantity=quantities)
parcels = st.lists(
    st.builds(
        ParcelUnits, sku=st.sampled_from(["A-1", "B.2"]), warehouse=st.just("main"), quantity=quantities
    ),
    max_size=2,
).map(tuple)
tags = st.sampled_from(["gift", "vip"])
changes_of_lines = st.one_of(
    st.builds(AddLine, line=lines),
    st.builds(SetQuantity, line=st.integers(1, 3), quantity=quantities),
    st.builds(RemoveLine, line=st.integers(1, 3)),
    st.builds(SetShipping, line=st.integers(1, 3), unit_shipping_cents=cents),
)
adjustments = st.builds(
    Adjustment, kind=st.sampled_from(["surcharge", "shortfall"]), amount_cents=st.integers(1, 50)
)
portions = st.builds(Portion, payment_id=references, method=st.just("card"), amount_cents=cents)


@st.composite
def good_placements(draw: DrawFn) -> PlaceOrder:
    """An order that adds up: it is paid in one to three portions, or on account."""
    bought = tuple(draw(st.lists(lines, min_size=1, max_size=3, unique_by=lambda line: line.line)))
    changes = tuple(draw(st.lists(adjustments, max_size=2)))
    total = order_total(bought, changes)
    if total < 0:  # a shortfall beyond what is due: leave it out
        changes, total = (), order_total(bought, ())
    on_account = draw(st.booleans())
    weights = [] if on_account else draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    amounts = split_by_largest_remainder(total, weights) if weights else ()
    return PlaceOrder(
        order_id="o1",
        checkout_id="k1",
        subject="u1",
        customer=CUSTOMER,
        ship_to_state="SP",
        currency="BRL",
        lines=bought,
        adjustments=changes,
        portions=tuple(
            Portion(payment_id=f"p{number}", method="card", amount_cents=amount, sequence=number)
            for number, amount in enumerate(amounts, 1)
        ),
        on_account=on_account,
        estimated_delivery_at=draw(maybe_moments),
        terms=draw(terms),
    )


odd_placements = st.builds(
    PlaceOrder,
    order_id=st.just("o1"),
    checkout_id=st.just("k1"),
    subject=st.just("u1"),
    customer=personal,
    currency=st.just("BRL"),
    lines=st.lists(lines, max_size=3).map(tuple),
    adjustments=st.lists(adjustments, max_size=2).map(tuple),
    portions=st.lists(portions, max_size=2).map(tuple),
    on_account=st.booleans(),
    imported=st.booleans(),
)
reasons = st.sampled_from(["customer", "declined", "stock", "expired", "returned"])

movements = st.builds(
    Movement, reference=references, amount_cents=cents, succeeded=st.booleans(), happened_at=maybe_moments
)
customer_actions = st.builds(
    CustomerAction,
    action_id=st.just("a1"),
    status=st.sampled_from(["required", "completed", "failed"]),
    expires_at=maybe_moments,
)
disputes = st.builds(
    Dispute,
    dispute_id=st.sampled_from(["d1", "d2"]),
    amount_cents=st.just(60),
    status=st.sampled_from(["open", "won", "lost"]),
)
handed_in = st.builds(
    Movement,
    reference=st.sampled_from(["d1/r1", "d1/r2"]),
    amount_cents=st.just(0),
    succeeded=st.booleans(),
)
findings = st.lists(
    st.builds(
        Finding,
        kind=st.sampled_from(["captured_differs", "refunded_differs"]),
        ours_cents=cents,
        theirs_cents=cents,
    ),
    max_size=2,
).map(tuple)
accounts = st.builds(
    RecordProviderPayment,
    payment_id=st.just("p1"),
    provider_reference=st.just("prov-1"),
    status=st.sampled_from(["pending", "authorized", "declined"]),
    amount_cents=cents,
    happened_at=maybe_moments,
    captures=st.lists(movements, max_size=3).map(tuple),
    refunds=st.lists(movements, max_size=3).map(tuple),
    voided=st.booleans(),
    void_refused=st.sampled_from(["", "captured"]),
    lapsed=st.sampled_from([False, False, True]),
    action=st.none() | customer_actions,
    disputes=st.lists(disputes, max_size=2).map(tuple),
    evidence=st.lists(handed_in, max_size=2).map(tuple),
)

SCANS = {
    "t1": "collected",
    "t2": "in_transit",
    "t3": "out_for_delivery",
    "t4": "delivered",
    "t5": "returned",
    "t6": "exception",
    "t7": "delivered",
    "t8": "collected",
}
scans = st.sampled_from(sorted(SCANS)).flatmap(
    lambda scan_id: st.builds(
        Scan, scan_id=st.just(scan_id), type=st.just(SCANS[scan_id]), happened_at=maybe_moments
    )
)
tracks = st.builds(
    RecordCarrierShipment,
    shipment_id=st.just("s1"),
    carrier=st.just("correios"),
    tracking_number=st.sampled_from(["", "BR1"]),
    booking_refused=st.sampled_from(["", "address_unknown"]),
    voided=st.booleans(),
    void_refused=st.sampled_from(["", "collected"]),
    scans=st.lists(scans, max_size=4).map(tuple),
    suspended=st.sampled_from([(), ("swift",), ("post", "swift")]),
)

skus = st.sampled_from(["A-1", "B.2"])
some_skus = st.lists(skus, unique=True).map(tuple)
buckets = st.sampled_from(["available", "available", "quality_control", "damaged"])
stocktakes = st.sampled_from(["k1", "k2"])
stock_rules = st.builds(
    StockRules,
    safety_stock=st.integers(0, 2),
    backorder_limit=st.sampled_from([0, 3, 9]),
    backorder_days=st.sampled_from([0, 30]),
    reorder_point=st.integers(0, 2),
)
purchase_lines = st.builds(PurchaseLine, sku=skus, quantity=quantities, unit_cost_cents=cents)
received_items = st.builds(
    ReceivedItem, sku=skus, quantity=st.integers(0, 4), damaged=st.sampled_from([0, 0, 1])
)
_transfer_line = st.builds(TransferLine, sku=skus, quantity=quantities)
no_lines = st.just(())
transfer_lines = st.lists(_transfer_line, min_size=1, max_size=2, unique_by=lambda line: line.sku).map(tuple)

_purchase: dict[str, Any] = {"purchase_id": st.just("po1")}
_transfer: dict[str, Any] = {"transfer_id": st.just("t1")}
_stocktake: dict[str, Any] = {"stocktake_id": st.just("k1")}
_place: dict[str, Any] = {"sku": st.just("A-1"), "warehouse": st.just("main")}
_held: dict[str, Any] = {"order_id": order_ids, **_place}
_order: dict[str, Any] = {"order_id": st.just("o1")}
_payment: dict[str, Any] = {"payment_id": st.just("p1")}
_shipment: dict[str, Any] = {"shipment_id": st.just("s1")}
_merchant: dict[str, Any] = {"merchant_id": st.just("m1")}
_mail: dict[str, Any] = {"mail_id": st.just("l1")}
_call: dict[str, Any] = {"call": st.sampled_from(["ask", "undo"]), "attempts": st.integers(1, 3)}
_user: dict[str, Any] = {"user_id": st.just("u1")}
EMAIL = EmailAddress(address="ana@example.com")
merchants = st.sampled_from(["m1", "m2", PLATFORM])
roles = st.sampled_from(["admin", "owner", "staff", "customer", "auditor", "operator"])
permissions = st.lists(
    st.sampled_from(["orders:read", "stock:write", "users:write", "fly:high"]), max_size=2
).map(tuple)
key_issues = st.builds(
    IssueApiKey,
    key_id=st.just("k1"),
    name=st.sampled_from(["till", "shop"]),
    merchant=merchants,
    permissions=permissions,
    expires_at=moments,
    issued_by=st.just("user:u1"),
)

_parked: dict[str, Any] = {
    "follower": st.just("agent:order"),
    "key": st.just("order-m1.o1"),
    "stands_at": st.none() | st.integers(0, 2),
}
COMMANDS: dict[type[Command], SearchStrategy[Any]] = {
    **CART_COMMANDS,
    **strategies_warehouse.COMMANDS,
    PlaceOrder: good_placements() | odd_placements,
    MarkReserved: st.builds(MarkReserved, **_order),
    ConfirmOrder: st.builds(ConfirmOrder, **_order),
    StartPreparation: st.builds(StartPreparation, **_order),
    RecordDispatch: st.builds(
        RecordDispatch, **_order, shipment_id=st.sampled_from(["", "s1", "s2"]), units=parcels
    ),
    HoldOrder: st.builds(HoldOrder, **_order, hold_id=references, reason=st.sampled_from(["fraud", "staff"])),
    ReleaseOrder: st.builds(ReleaseOrder, **_order, hold_id=references),
    AddOrderNote: st.builds(
        AddOrderNote,
        **_order,
        note_id=references,
        subject=st.just("u1"),
        text=st.just(NoteText(text="Friday")),
    ),
    TagOrder: st.builds(TagOrder, **_order, tag=tags),
    UntagOrder: st.builds(UntagOrder, **_order, tag=tags),
    AddOrderPayment: st.builds(
        AddOrderPayment,
        **_order,
        payment_id=st.sampled_from(["p1", "p8", "p9"]),
        method=st.just("pix"),
        amount_cents=st.sampled_from([1, 100]),
    ),
    DropOrderPayment: st.builds(
        DropOrderPayment,
        **_order,
        payment_id=st.sampled_from(["p1", "p8", "p9"]),
        reason=st.sampled_from(["declined", "not_captured"]),
    ),
    CancelOrderRest: st.builds(CancelOrderRest, **_order, cancel_id=references, reason=reasons),
    CancelOrderLines: st.builds(
        CancelOrderLines,
        **_order,
        cancel_id=references,
        reason=reasons,
        lines=st.lists(cuts, max_size=3).map(tuple),
        unfound=st.booleans(),
    ),
    ProposeOrderEdit: st.builds(
        ProposeOrderEdit,
        **_order,
        change_set_id=references,
        changes=st.lists(changes_of_lines, max_size=3).map(tuple),
        subject=st.just("u1"),
        customer=st.none() | personal,
        now=moments,
        expires_at=moments,
    ),
    ConfirmOrderEdit: st.builds(ConfirmOrderEdit, **_order, change_set_id=references, now=moments),
    DeclineOrderEdit: st.builds(
        DeclineOrderEdit,
        **_order,
        change_set_id=references,
        reason=st.sampled_from(["customer", "expired", "stock", "declined"]),
    ),
    ApplyOrderEdit: st.builds(ApplyOrderEdit, **_order, change_set_id=references),
    CancelOrder: st.builds(CancelOrder, **_order, reason=reasons),
    CompleteOrder: st.builds(CompleteOrder, **_order),
    OpenOrderDiscrepancy: st.builds(
        OpenOrderDiscrepancy,
        **_order,
        kind=st.sampled_from(["not_captured", "not_refunded", "not_voided", "not_shippable"]),
        about=st.sampled_from(["", "o1.card"]),
        fact=st.sampled_from(["", "e1", "e2"]),
    ),
    ResolveOrderDiscrepancy: st.builds(
        ResolveOrderDiscrepancy,
        **_order,
        kind=st.sampled_from(["not_captured", "not_refunded", "shipped_after_cancel", "no_such_kind"]),
        reason=st.just("seen"),
        fact=st.sampled_from(["", "e1", "e2"]),
    ),
    ReceiveStock: st.builds(
        ReceiveStock,
        **_place,
        quantity=quantities,
        condition=buckets,
        expected_by=st.sampled_from(["", "r1"]),
    ),
    AdjustStock: st.builds(AdjustStock, **_place, delta=st.integers(-3, 3), reason=st.just("count")),
    ReserveStock: st.builds(ReserveStock, **_held, quantity=quantities, now=moments, expires_at=moments),
    ExpireReservation: st.builds(ExpireReservation, **_held),
    AllocateStock: st.builds(AllocateStock, **_held, quantity=quantities, now=moments),
    AllocateMoreStock: st.builds(AllocateMoreStock, **_held, quantity=quantities, now=moments),
    ReleaseStock: st.builds(ReleaseStock, **_held, quantity=st.none() | quantities),
    RenewReservation: st.builds(RenewReservation, **_held, expires_at=moments),
    CancelBackorder: st.builds(CancelBackorder, **_held, reason=st.sampled_from(["expired", "staff"])),
    RecordShortPick: st.builds(
        RecordShortPick, **_held, quantity=quantities, reason=st.sampled_from(["missing", "damaged"])
    ),
    RestoreReservation: st.builds(RestoreReservation, **_held, quantity=quantities),
    MoveStock: st.builds(MoveStock, **_place, quantity=quantities, source=buckets, target=buckets),
    WriteOffStock: st.builds(
        WriteOffStock,
        **_place,
        quantity=quantities,
        source=st.sampled_from(["quality_control", "damaged"]),
    ),
    SetStockRules: st.builds(SetStockRules, **_place, rules=stock_rules),
    ExpectStock: st.builds(ExpectStock, **_place, reference=references, quantity=quantities),
    CancelExpectedStock: st.builds(
        CancelExpectedStock, **_place, reference=references, quantity=st.none() | quantities
    ),
    SendStock: st.builds(SendStock, **_place, quantity=quantities),
    StartCount: st.builds(StartCount, **_place, stocktake_id=stocktakes),
    CountStock: st.builds(
        CountStock,
        **_place,
        stocktake_id=stocktakes,
        counted=st.integers(0, 8),
        as_of=st.sampled_from(["start", "now"]),
    ),
    SettleCount: st.builds(SettleCount, **_place, stocktake_id=stocktakes),
    CancelCount: st.builds(CancelCount, **_place, stocktake_id=stocktakes),
    PlacePurchaseOrder: st.builds(
        PlacePurchaseOrder,
        **_purchase,
        supplier=st.just("ACME"),
        warehouse=st.just("main"),
        currency=st.just("BRL"),
        lines=st.lists(purchase_lines, min_size=1, max_size=2).map(tuple),
        expected_at=maybe_moments,
    ),
    ReceivePurchase: st.builds(
        ReceivePurchase,
        **_purchase,
        receipt_id=references,
        items=st.lists(received_items, min_size=1, max_size=2).map(tuple),
    ),
    ResolvePurchaseDiscrepancy: st.builds(
        ResolvePurchaseDiscrepancy,
        **_purchase,
        sku=skus,
        kind=st.sampled_from(["short", "over", "damaged"]),
        quantity=quantities,
        resolution=st.sampled_from(["accepted", "credited", "returned"]),
    ),
    ClosePurchaseOrder: st.builds(ClosePurchaseOrder, **_purchase),
    CancelPurchaseOrder: st.builds(CancelPurchaseOrder, **_purchase),
    PlanTransfer: st.builds(
        PlanTransfer,
        **_transfer,
        source=st.just("main"),
        target=st.sampled_from(["main", "north"]),
        lines=transfer_lines,
    ),
    ShipTransfer: st.builds(ShipTransfer, **_transfer, lines=transfer_lines),
    ReceiveTransfer: st.builds(
        ReceiveTransfer,
        **_transfer,
        receipt_id=references,
        lines=no_lines | transfer_lines,
        complete=st.booleans(),
    ),
    ResolveTransferDiscrepancy: st.builds(
        ResolveTransferDiscrepancy,
        **_transfer,
        sku=skus,
        kind=st.sampled_from(["missing", "surplus"]),
        quantity=quantities,
        outcome=st.sampled_from(["lost", "found", "accepted"]),
    ),
    CancelTransfer: st.builds(CancelTransfer, **_transfer),
    StartStocktake: st.builds(
        StartStocktake,
        **_stocktake,
        warehouse=st.just("main"),
        skus=st.lists(skus, min_size=1, max_size=2).map(tuple),
    ),
    RecordCount: st.builds(RecordCount, **_stocktake, sku=skus, counted=st.integers(0, 8)),
    FinishStocktake: st.builds(FinishStocktake, **_stocktake, counted=some_skus, left=some_skus),
    CancelStocktake: st.builds(CancelStocktake, **_stocktake),
    ShipStock: st.builds(ShipStock, **_held, quantity=quantities),
    ReturnStock: st.builds(ReturnStock, **_held, quantity=quantities),
    RequestAuthorization: st.builds(
        RequestAuthorization,
        **_payment,
        order_id=st.just("o1"),
        amount_cents=cents,
        currency=st.just("BRL"),
        method=st.just("card"),
    ),
    RequestCapture: st.builds(RequestCapture, **_payment, capture_id=references, amount_cents=cents),
    RequestVoid: st.builds(RequestVoid, **_payment),
    RequestRefund: st.builds(
        RequestRefund,
        **_payment,
        refund_id=references,
        amount_cents=cents,
        rest=st.booleans(),
        reason=st.sampled_from([None, "customer"]),
    ),
    RequestReversal: st.builds(RequestReversal, **_payment),
    CapturePayment: st.builds(
        CapturePayment, **_payment, capture_id=references, amount_cents=st.none() | cents
    ),
    ExpireCustomerAction: st.builds(ExpireCustomerAction, **_payment),
    SubmitEvidence: st.builds(
        SubmitEvidence,
        **_payment,
        dispute_id=st.sampled_from(["d1", "d2"]),
        evidence_id=references,
        subject=st.just("u1"),
        evidence=st.sampled_from([Evidence(text="signed for"), Sealed(sealed="bm9uY2U="), Erased()]),
    ),
    RecordFindings: st.builds(RecordFindings, **_payment, findings=findings),
    RecordUnknownCharge: st.builds(
        RecordUnknownCharge,
        **_payment,
        order_id=order_ids,
        provider_reference=references,
        theirs_cents=cents,
    ),
    ResolveDiscrepancy: st.builds(
        ResolveDiscrepancy,
        **_payment,
        kind=st.sampled_from(["captured_differs", "captured_after_void", "unknown_charge"]),
        reason=st.just("seen"),
    ),
    StorePaymentMethod: st.builds(
        StorePaymentMethod,
        method_id=st.just("m1"),
        subject=st.sampled_from(["u1", "u2"]),
        token=st.sampled_from([MethodToken(token="pm_1"), Sealed(sealed="bm9uY2U="), Erased()]),
    ),
    RemovePaymentMethod: st.builds(RemovePaymentMethod, method_id=st.just("m1")),
    ExpireAuthorization: st.builds(ExpireAuthorization, **_payment),
    RecordProviderPayment: accounts,
    RecordProviderUnavailable: st.builds(RecordProviderUnavailable, **_payment, **_call),
    RequestShipment: st.builds(
        RequestShipment,
        **_shipment,
        order_id=st.just("o1"),
        subject=st.just("u1"),
        recipient=personal,
        ship_to_state=st.just("SP"),
        units=quantities,
    ),
    RequestLabelVoid: st.builds(RequestLabelVoid, **_shipment),
    RecordCarrierShipment: tracks,
    RecordCarrierUnavailable: st.builds(RecordCarrierUnavailable, **_shipment, **_call),
    **CARRIER_COMMANDS,
    RegisterMerchant: st.builds(RegisterMerchant, **_merchant, city=st.sampled_from(["", "Recife"])),
    SetMerchantTerms: st.builds(SetMerchantTerms, **_merchant, terms=terms),
    SetMerchantTimeZone: st.builds(
        SetMerchantTimeZone, **_merchant, time_zone=st.sampled_from(["UTC", "America/Recife", "Asia/Tokyo"])
    ),
    **PRODUCT_COMMANDS,
    TranslateCategory: st.builds(
        TranslateCategory, category=st.just("brinquedos"), english=st.sampled_from(["toys", "games"])
    ),
    ReachDeadline: st.builds(
        ReachDeadline,
        agent=st.just("order"),
        key=st.just("o1"),
        name=st.just("expiry"),
        due_at=moments,
        asked_by=st.sampled_from(["e1", "e2"]),
    ),
    InviteUser: st.builds(
        InviteUser,
        **_user,
        subject=st.just("s1"),
        email=st.sampled_from([EMAIL, Sealed(sealed="bm9uY2U="), Erased()]),
    ),
    JoinUser: st.builds(JoinUser, **_user),
    GrantRole: st.builds(
        GrantRole,
        **_user,
        merchant=merchants,
        role=roles,
        permissions=permissions,
        subject=st.sampled_from(["", "p1"]),
    ),
    RevokeRole: st.builds(RevokeRole, **_user, merchant=merchants),
    RecordPasswordChange: st.builds(RecordPasswordChange, **_user),
    RequestPasswordReset: st.builds(RequestPasswordReset, **_user, reset_id=references),
    EnableSecondFactor: st.builds(EnableSecondFactor, **_user, recovery_codes=st.integers(0, 3)),
    DisableSecondFactor: st.builds(DisableSecondFactor, **_user),
    RecordRecoveryCode: st.builds(RecordRecoveryCode, **_user, left=st.integers(0, 3)),
    LockUserOut: st.builds(LockUserOut, **_user, until=moments),
    UnlockUser: st.builds(UnlockUser, **_user),
    RecordTokenReuse: st.builds(RecordTokenReuse, **_user, session_id=references),
    RecordSessionsEnd: st.builds(RecordSessionsEnd, **_user, reason=st.just("signed_out")),
    DisableUser: st.builds(DisableUser, **_user),
    EnableUser: st.builds(EnableUser, **_user),
    RequestMail: st.builds(
        RequestMail,
        **_mail,
        template=st.sampled_from(["password-reset", "locked-out"]),
        subject=st.just("s1"),
        letter=st.sampled_from([LETTER, Sealed(sealed="bm9uY2U="), Erased()]),
        has_secret=st.booleans(),
    ),
    RecordMailSent: st.builds(RecordMailSent, **_mail, attempts=st.integers(1, 3)),
    RecordMailFailure: st.builds(
        RecordMailFailure, **_mail, reason=st.sampled_from(["550", "unreachable"]), attempts=st.integers(1, 3)
    ),
    RecordMailUnknown: st.builds(RecordMailUnknown, **_mail),
    LinkIdentity: st.builds(LinkIdentity, **_user, issuer=st.just("i1"), digest=references),
    IssueApiKey: key_issues,
    RevokeApiKey: st.builds(RevokeApiKey, key_id=st.just("k1")),
    RecordErasure: st.builds(
        RecordErasure,
        subject=st.just("s1"),
        reason=st.sampled_from(["asked for", "a test order"]),
        despite=st.sampled_from([(), ("orders_are_over",)]),
    ),
    RequestParkedRetry: st.builds(RequestParkedRetry, **_parked),
    RequestParkedSkip: st.builds(
        RequestParkedSkip, **_parked, position=st.integers(0, 2), reason=st.just("a test order")
    ),
}


OPENINGS: dict[str, tuple[Command, ...]] = {
    "cart": CART_OPENING,
    **strategies_warehouse.OPENINGS,
    "stock": (ReceiveStock(sku="A-1", warehouse="main", quantity=6),),
    "purchase": (
        PlacePurchaseOrder(
            purchase_id="po1",
            supplier="ACME",
            warehouse="main",
            currency="BRL",
            lines=(PurchaseLine(sku="A-1", quantity=5),),
        ),
    ),
    "transfer": (
        PlanTransfer(
            transfer_id="t1",
            source="main",
            target="north",
            lines=(TransferLine(sku="A-1", quantity=4), TransferLine(sku="B.2", quantity=4)),
        ),
        ShipTransfer(transfer_id="t1", lines=(TransferLine(sku="A-1", quantity=3),)),
    ),
    "stocktake": (StartStocktake(stocktake_id="k1", warehouse="main", skus=("A-1", "B.2")),),
    "payment": (
        RequestAuthorization(payment_id="p1", order_id="o1", amount_cents=100, currency="BRL", method="card"),
        RecordProviderPayment(
            payment_id="p1", provider_reference="prov-1", status="authorized", amount_cents=100
        ),
    ),
    "paymentmethod": (StorePaymentMethod(method_id="m1", subject="u1", token=MethodToken(token="pm_1")),),
    "shipment": (
        RequestShipment(
            shipment_id="s1",
            order_id="o1",
            subject="u1",
            recipient=CUSTOMER,
            ship_to_state="SP",
            units=3,
            lines=PARCEL_LINES,
        ),
    ),
    **CARRIER_OPENINGS,
    "merchant": (RegisterMerchant(merchant_id="m1"),),
    "product": PRODUCT_OPENING,
    "mail": (RequestMail(mail_id="l1", template="locked-out", subject="s1", letter=LETTER),),
    "user": (InviteUser(user_id="u1", subject="s1", email=EMAIL),),
}
"""What brings an aggregate to where most of its rules matter."""


def commands_of(decider: AnyDecider) -> SearchStrategy[Any]:
    """Any command of the aggregate, each kind as likely as the others."""
    return st.one_of([COMMANDS[each] for each in decider.commands])


@st.composite
def runs_of(draw: DrawFn, decider: AnyDecider) -> list[Any]:
    """Any commands of the aggregate, mostly after an opening; now and then straight away."""
    opening: tuple[Any, ...] = OPENINGS.get(decider.category, ())
    if decider.category == "order":
        opening = (draw(good_placements()),)
    if draw(st.integers(0, 4)) == 0:
        opening = ()
    return [*opening, *draw(st.lists(commands_of(decider), max_size=14))]
