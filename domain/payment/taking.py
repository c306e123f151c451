"""How much of each payment is to be taken by now, given back, and let go? Money follows the goods.

What has left so far is worth its part of what the order comes to; that part, less what was taken before, is
split among the payments by what each has still to bring. So parts add up to the cent, and the last parcel
takes the rest. What came back goes back in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import Field

from domain.kernel import Value
from domain.money import split_by_largest_remainder
from domain.order import Goods


class Taking(Value):
    """Of one payment, in minor units: what it is to bring, what is authorised, what was taken.

    `pending` are captures that were asked for, `captures_count` so many in all; `refunds` what was asked to
    be given back, by their ids, and `granted` those of them that the payment took on. `back_cents` is its
    part of what came back. `let_go`: the provider was asked to hold no more of it. `in_parts`: it may be
    captured so; else all that it is to bring is taken with the first of the goods.
    """

    due_cents: int = 0
    held_cents: int = 0
    taken_cents: int = 0
    pending: dict[str, int] = Field(default_factory=dict)
    captures_count: int = 0
    back_cents: int = 0
    refunds: dict[str, int] = Field(default_factory=dict)
    granted: frozenset[str] = frozenset()
    let_go: bool = False
    in_parts: bool = True

    @property
    def asked_cents(self) -> int:
        """Taken, or about to be."""
        return self.taken_cents + sum(self.pending.values())

    @property
    def missing_cents(self) -> int:
        return max(0, self.due_cents - self.asked_cents)

    @property
    def kept_cents(self) -> int:
        """What it brings, less its part of what came back."""
        return self.due_cents - self.back_cents

    @property
    def owed_cents(self) -> int:
        """What was taken and is not due any more, or came back."""
        return min(self.taken_cents, max(0, self.taken_cents - self.due_cents) + self.back_cents)

    @property
    def given_cents(self) -> int:
        return sum(self.refunds.values())

    @property
    def is_idle(self) -> bool:
        """Nothing more will be taken of what is held."""
        spare = self.held_cents > self.taken_cents >= self.due_cents
        return spare and not (self.pending or self.let_go)


Takings = Mapping[str, Taking]


def due(takings: Takings) -> int:
    return sum(each.due_cents for each in takings.values())


def to_capture(takings: Takings, authorized: Collection[str], goods: Goods) -> dict[str, int]:
    """By payment; of one that was to bring nothing that is said, too, once nothing is left to be sent."""
    missing = {name: each.missing_cents for name, each in takings.items() if name in authorized}
    if goods.all_sent:
        free = {
            name
            for name, each in takings.items()
            if not (each.due_cents or each.let_go or each.captures_count)
        }
        return {name: cents for name, cents in missing.items() if cents or name in free}
    if not goods.any_sent:
        return {}
    at_once = {name: cents for name, cents in missing.items() if cents and not takings[name].in_parts}
    in_parts = {name: cents for name, cents in missing.items() if takings[name].in_parts}
    asked = sum(min(each.asked_cents, each.due_cents) for each in takings.values()) + sum(at_once.values())
    return {**at_once, **_split(goods.share_sent(due(takings)) - asked, in_parts)}


def came_back(takings: Takings, goods: Goods) -> dict[str, int]:
    """By payment: by how much its part of what came back is another than it was, if it is."""
    backs = {name: each.back_cents for name, each in takings.items()}
    more = goods.share_back(due(takings)) - sum(backs.values())
    if more >= 0:
        return _split(more, {name: max(0, each.kept_cents) for name, each in takings.items()})
    return {name: -cents for name, cents in _split(-more, backs).items()}


def to_refund(takings: Takings) -> dict[str, int]:
    """By payment; of all together no more than is owed, where another was given back too much."""
    owed = {name: max(0, each.owed_cents - each.given_cents) for name, each in takings.items()}
    return _split(sum(each.owed_cents - each.given_cents for each in takings.values()), owed)


def _split(cents: int, rooms: Mapping[str, int]) -> dict[str, int]:
    """No payment gets more than it has room for; what has room for nothing gets nothing."""
    cents = min(cents, sum(rooms.values()))
    if cents <= 0:
        return {}
    parts = zip(rooms, split_by_largest_remainder(cents, list(rooms.values())), strict=True)
    return {name: part for name, part in parts if part}
