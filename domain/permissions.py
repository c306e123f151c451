"""What may be allowed, and what does each role allow? A permission is a resource and a verb.

A role is held at one merchant, or on the platform: there it reaches every merchant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

PLATFORM = ".platform"
"""Stands where a merchant's name does, for what is about the platform; no merchant can be called so."""

Role = Literal["admin", "owner", "staff", "customer", "auditor", "operator"]

TRADE_READS = frozenset(
    {
        "orders:read",
        "stock:read",
        "catalogue:read",
        "payments:read",
        "shipments:read",
        "deliveries:read",
        "sales:read",
        "merchant:read",
    }
)
AT_MERCHANT = TRADE_READS | {
    "orders:write",
    "orders:fulfil",
    "stock:write",
    "catalogue:write",
    "merchant:write",
    "members:read",
    "members:write",
    "keys:read",
    "keys:write",
    "audit:read",
    "personal:read",
    "subjects:erase",
    "looks:read",
}
"""All that can be allowed at one merchant. `personal:read` opens personal fields of the log's history."""

ON_PLATFORM = AT_MERCHANT | {
    "merchants:write",
    "users:read",
    "users:write",
    "checkouts:read",
    "system:read",
    "system:write",
}
"""All that can be allowed on the platform."""

AUDIT = TRADE_READS | {"audit:read"}
CUSTOMER = frozenset({"orders:read", "orders:write"})

_FIXED: dict[tuple[str, bool], frozenset[str]] = {
    ("admin", True): ON_PLATFORM,
    ("auditor", True): AUDIT | {"checkouts:read"},
    ("operator", True): frozenset({"system:read", "system:write"}),
    ("owner", False): AT_MERCHANT,
    ("auditor", False): AUDIT,
    ("customer", False): CUSTOMER,
}
"""By role, and whether it is held on the platform. Staff's permissions are chosen one by one."""


def is_platform(merchant: str) -> bool:
    return merchant == PLATFORM


def permissions_of(role: str, merchant: str, chosen: Iterable[str] = ()) -> frozenset[str]:
    """What the role allows at `merchant` (or PLATFORM); nothing, where it can't be held there.

    `chosen` is for staff only: of those that can be allowed at a merchant.
    """
    if role == "staff":
        return frozenset() if is_platform(merchant) else AT_MERCHANT.intersection(chosen)
    return _FIXED.get((role, is_platform(merchant)), frozenset())


def possible_at(merchant: str) -> frozenset[str]:
    """All that can be allowed at `merchant`, or on the PLATFORM."""
    return frozenset(ON_PLATFORM if is_platform(merchant) else AT_MERCHANT)
