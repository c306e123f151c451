"""The same stock as `domain.inventory` holds, as an aggregate in the manner of the `eventsourcing` library's
tutorial.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from tests.benchmarks.rivals import library_environment


class StockItem(Aggregate):
    """What is on hand, and what is held for whom."""

    @event("Registered")
    def __init__(self, sku: str, warehouse: str, quantity: int) -> None:
        self.sku = sku
        self.warehouse = warehouse
        self.on_hand = quantity
        self.committed = 0
        self.held: dict[str, tuple[int, datetime | None]] = {}

    @event("Reserved")
    def reserve(self, order_id: str, sku: str, warehouse: str, quantity: int, expires_at: datetime) -> None:
        self.held[order_id] = (quantity, expires_at)
        self.committed += quantity

    @event("Allocated")
    def allocate(self, order_id: str, sku: str, warehouse: str, quantity: int) -> None:
        self.held[order_id] = (quantity, None)

    @event("Shipped")
    def ship(self, order_id: str, sku: str, warehouse: str, quantity: int) -> None:
        del self.held[order_id]
        self.on_hand -= quantity
        self.committed -= quantity


def library_application(database_url: str, *, snapshots: bool = False) -> Application[Any]:
    """An application with the library's defaults: JSON, its own recorder, no cache."""
    environment = library_environment(database_url)
    if snapshots:
        environment["IS_SNAPSHOTTING_ENABLED"] = "y"
    return Application(environment)
