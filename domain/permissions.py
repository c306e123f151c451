"""What may be allowed, and what does each role allow? A permission is a resource and a verb.

A role is held at one merchant, or on the platform: there it reaches every merchant. Contexts of trade export
theirs as `PERMISSIONS`, and those of them that a customer has as `CUSTOMER_PERMISSIONS`; here are the others.
Functions, as contexts ask this module themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Literal

from domain.contexts import exported

PLATFORM = ".platform"
"""Stands where a merchant's name does, for what is about the platform; no merchant can be called so."""

Role = Literal["admin", "owner", "staff", "customer", "auditor", "operator"]

_OF_A_MERCHANT = {
    "members:read",
    "members:write",
    "keys:read",
    "keys:write",
    "audit:read",
    "personal:read",
    "subjects:erase",
    "looks:read",
}
"""What is about the merchant's access and its log. `personal:read` opens personal fields of its history."""
_OF_THE_PLATFORM = {
    "merchants:write",
    "users:read",
    "users:write",
    "checkouts:read",
    "system:read",
    "system:write",
}


@cache
def trade() -> frozenset[str]:
    """Whatever the contexts of trade allow."""
    return frozenset(exported("domain", "PERMISSIONS"))


@cache
def at_merchant() -> frozenset[str]:
    """All that can be allowed at one merchant."""
    return trade() | _OF_A_MERCHANT


@cache
def on_platform() -> frozenset[str]:
    """All that can be allowed on the platform."""
    return at_merchant() | _OF_THE_PLATFORM


@cache
def audit() -> frozenset[str]:
    """An auditor's: to read whatever is of trade, and the log."""
    return frozenset(each for each in trade() if each.endswith(":read")) | {"audit:read"}


@cache
def customer() -> frozenset[str]:
    return frozenset(exported("domain", "CUSTOMER_PERMISSIONS"))


@cache
def _fixed() -> dict[tuple[str, bool], frozenset[str]]:
    """By role, and whether it is held on the platform. Staff's permissions are chosen one by one."""
    return {
        ("admin", True): on_platform(),
        ("auditor", True): audit() | {"checkouts:read"},
        ("operator", True): frozenset({"system:read", "system:write"}),
        ("owner", False): at_merchant(),
        ("auditor", False): audit(),
        ("customer", False): customer(),
    }


def is_platform(merchant: str) -> bool:
    return merchant == PLATFORM


def permissions_of(role: str, merchant: str, chosen: Iterable[str] = ()) -> frozenset[str]:
    """What the role allows at `merchant` (or PLATFORM); nothing, where it can't be held there.

    `chosen` is for staff only: of those that can be allowed at a merchant.
    """
    if role == "staff":
        return frozenset() if is_platform(merchant) else at_merchant().intersection(chosen)
    return _fixed().get((role, is_platform(merchant)), frozenset())


def possible_at(merchant: str) -> frozenset[str]:
    """All that can be allowed at `merchant`, or on the PLATFORM."""
    return on_platform() if is_platform(merchant) else at_merchant()
