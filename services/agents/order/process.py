"""What does the order agent keep of an order? What it waits for, its money, and how far its parcels are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from domain.kernel import Command, Fact, Reaction, Value, one
from domain.order import LineQuantity, Missing
from services.agents.agent import order_key

Trouble = Literal["not_captured", "not_refunded", "not_voided", "not_shippable", "shipped_though_missing"]
Parcel = Literal["dispatched", "delivered", "returned"]

PLAN = "plan"
"""Stands among what a change set awaits for its units, where these are planned by rules."""
TO_PLAN = frozenset({""})
"""Stands for what is to be reserved of an order until it is planned."""


class OrderProcess(Value):
    """What the order waits for, and its money by payment id, in minor units.

    `released` are payments of which nothing more comes: declined, voided, expired, or their capture failed;
    `held` is what was authorised and not voided, captured or not, as the provider says; `added` are payments
    that the order was not placed with. `due` is what each is to bring, `to_pay` what all are
    to: None on account, and of a process of before. `units` are those that are wanted, by `SKU warehouse`;
    `parcels` those that left, and how far they came; `counted` those of them that have something of the
    order, as it says; `shipped`: with them nothing is left to be sent. While the change set `change` is
    carried out, as its event `asked_by` says, `awaited_units` are those that must be allocated for it, and
    `awaited_money` is what must be authorised, by payment id; `asked_before` are such events of change sets
    that are over. `missing`: which units are nowhere; `beside` is
    the last event of the plan that asked for units beside those of the order. `not_voided` are payments that
    the provider would not let go, and holds still; `not_refunded` refunds that failed, and were not made good
    since, by payment.
    """

    order_id: str = ""
    to_reserve: frozenset[str] = frozenset()
    short: tuple[LineQuantity, ...] = ()
    allocated: bool = False
    missing: Missing = Missing()
    beside: str = ""
    due: dict[str, int] = Field(default_factory=dict)
    to_pay: int | None = None
    authorized: frozenset[str] = frozenset()
    captured: dict[str, int] = Field(default_factory=dict)
    refunded: dict[str, int] = Field(default_factory=dict)
    released: frozenset[str] = frozenset()
    held: dict[str, int] = Field(default_factory=dict)
    units: dict[str, int] = Field(default_factory=dict)
    change: str = ""
    awaited_units: dict[str, int] = Field(default_factory=dict)
    asked_by: str = ""
    asked_before: frozenset[str] = frozenset()
    awaited_money: dict[str, int] = Field(default_factory=dict)
    confirmed: bool = False
    added: frozenset[str] = frozenset()
    parcels: dict[str, Parcel] = Field(default_factory=dict)
    counted: frozenset[str] = frozenset()
    shipped: bool = False
    cancelled: bool = False
    not_voided: frozenset[str] = frozenset()
    not_refunded: dict[str, frozenset[str]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_kept(cls, kept: Any) -> Any:
        """While all of an order left in one parcel; and while every parcel counted."""
        if not isinstance(kept, Mapping) or "counted" in kept:
            return kept
        if "dispatched" not in kept:
            return {**kept, "counted": frozenset(kept.get("parcels", ()))}
        known = {
            name: each for name, each in kept.items() if name not in ("dispatched", "delivered", "returned")
        }
        reached = [name for name in ("dispatched", "delivered", "returned") if kept[name]]
        parcels = {kept["order_id"]: reached[-1]} if reached else {}
        return {**known, "parcels": parcels, "counted": frozenset(parcels), "shipped": bool(reached)}

    @property
    def dispatched(self) -> bool:
        return bool(self.parcels)

    @property
    def returned(self) -> bool:
        """All that was sent of it came back, and nothing more will be."""
        return self.shipped and self._reached == {"returned"}

    @property
    def delivered(self) -> bool:
        """All that is not on its way back is with the customer, and nothing more will be sent."""
        return self.shipped and self._reached in ({"delivered"}, {"delivered", "returned"})

    @property
    def _reached(self) -> set[Parcel]:
        """How far the parcels are that have something of it: all, where the order has not said which."""
        counted = self.counted or self.parcels
        return {reached for parcel, reached in self.parcels.items() if parcel in counted}

    @property
    def is_paid(self) -> bool:
        """By those payments that are to bring it, together."""
        brought = sum(self.captured.get(payment, 0) for payment in self.due.keys() | self.added)
        return brought >= (sum(self.due.values()) if self.to_pay is None else self.to_pay)

    @property
    def is_authorized(self) -> bool:
        """All that it was placed with is, but for what is to bring nothing any more, and was let go."""
        return all(
            payment in self.authorized or payment in self.added or (payment in self.released and not cents)
            for payment, cents in self.due.items()
        )

    @property
    def is_settled(self) -> bool:
        """Nothing is held, taken or about to be: what was taken went back."""
        return all(self._is_settled(payment) for payment in self.due)

    def _is_settled(self, payment: str) -> bool:
        if payment in self.captured:
            return self.refunded.get(payment, 0) >= self.captured[payment]
        return payment in self.released or payment not in self.authorized


def now(process: OrderProcess, fact: Fact, *commands: Command) -> Reaction[OrderProcess]:
    return Reaction(process, tuple(one(order_key(fact), command) for command in commands))
