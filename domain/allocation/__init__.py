"""Allocation: from which of a merchant's warehouses an order's units come, and why."""

from domain.allocation.allocation import ALLOCATION
from domain.allocation.events import (
    AllocationCancelled,
    AllocationFailed,
    AllocationPlanned,
    AllocationSettled,
    CancelAllocation,
    Candidate,
    Free,
    OrderSplit,
    Pick,
    PlanAllocation,
    SettleAllocation,
    WantedLine,
)
from domain.allocation.rules import (
    AllocationRules,
    AllocationTerms,
    FewestSplits,
    KeepSafetyStock,
    Nearest,
    PreferWarehouses,
    Site,
)

AGGREGATES = (ALLOCATION,)
PERMISSIONS = ("allocations:read",)

__all__ = [
    "AGGREGATES",
    "ALLOCATION",
    "PERMISSIONS",
    "AllocationCancelled",
    "AllocationFailed",
    "AllocationPlanned",
    "AllocationRules",
    "AllocationSettled",
    "AllocationTerms",
    "CancelAllocation",
    "Candidate",
    "FewestSplits",
    "Free",
    "KeepSafetyStock",
    "Nearest",
    "OrderSplit",
    "Pick",
    "PlanAllocation",
    "PreferWarehouses",
    "SettleAllocation",
    "Site",
    "WantedLine",
]
