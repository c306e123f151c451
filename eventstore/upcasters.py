"""How does what an older version stored become what an event of the present holds? One step a schema.

An upcaster is a pure function from the data of its schema to the data of the next; the codec chains them.
The log leaves defaults out, so a field that is not there had the default *of that schema*: where a default
changes, the upcaster writes the old one. A personal field is sealed or erased here, never plain: it can be
renamed, not read. To change an event:

1. raise `schema_version` of its class in `domain/`;
2. write here the function from the schema before, which ends with the fields of the new one;
3. add samples of the new schema to `tests/unit/golden_events.json`, and say in those of the older ones what
   they read as now; put its shape into `golden_shapes.json` (`tests/unit/test_events.py` says how).

Followers of the older version halt at the first event of the new schema, and go on once they are upgraded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _as_it_was(fields: dict[str, Any]) -> dict[str, Any]:
    """Of a schema that allows more, and means the same by what was allowed."""
    return fields


def _in_one_parcel(fields: dict[str, Any]) -> dict[str, Any]:
    """When an order left in one parcel, that had its name."""
    return {**fields, "shipment_id": fields["order_id"]}


UPCASTERS: dict[tuple[str, int], Upcaster] = {
    ("OrderPlaced", 1): _as_it_was,
    ("OrderPlaced", 2): _as_it_was,
    ("OrderPlaced", 3): _as_it_was,
    ("OrderPlaced", 4): _as_it_was,
    ("OrderAddressProposed", 1): _as_it_was,
    ("OrderAddressChanged", 1): _as_it_was,
    ("OrderDiscrepancyOpened", 1): _as_it_was,
    ("OrderDiscrepancyOpened", 2): _as_it_was,
    ("OrderDiscrepancyOpened", 3): _as_it_was,
    ("OrderDiscrepancyResolved", 1): _as_it_was,
    ("OrderShipped", 1): _in_one_parcel,
    ("ShipmentRequested", 1): _as_it_was,
    ("ShipmentRequested", 2): _as_it_was,
    ("ShipmentRequested", 3): _as_it_was,
    ("ParcelReaddressed", 1): _as_it_was,
    ("CarrierChosen", 1): _as_it_was,
    ("CarrierChosen", 2): _as_it_was,
    ("RebookingRequested", 1): _as_it_was,
    ("RebookingRequested", 2): _as_it_was,
    ("LabelBought", 1): _as_it_was,
    ("LabelVoidRequested", 1): _as_it_was,
    ("LabelVoided", 1): _as_it_was,
    ("LabelVoidFailed", 1): _as_it_was,
    ("ShipmentDispatched", 1): _as_it_was,
    ("ShipmentScanned", 1): _as_it_was,
    ("ShipmentDelivered", 1): _as_it_was,
    ("ShipmentReturned", 1): _as_it_was,
    ("CarrierUnavailable", 1): _as_it_was,
    ("AuthorizationRequested", 1): _as_it_was,
    ("PaymentAuthorized", 1): _as_it_was,
    ("CaptureRequested", 1): _as_it_was,
    ("RefundRequested", 1): _as_it_was,
    ("PaymentMismatchOpened", 1): _as_it_was,
    ("PaymentMethodStored", 1): _as_it_was,
    ("OrderHeld", 1): _as_it_was,
    ("OrderReleased", 1): _as_it_was,
    ("ManifestHandedOver", 1): _as_it_was,
    ("PickShorted", 1): _as_it_was,
    ("PickListHandedOver", 1): _as_it_was,
    ("PickListHandedOver", 2): _as_it_was,
    ("DeadlineReached", 1): _as_it_was,
    ("CheckoutOrderPlanned", 1): _as_it_was,
    ("CheckoutOrderPlanned", 2): _as_it_was,
    ("CheckoutOrderPlanned", 3): _as_it_was,
    ("CheckoutOrderPlanned", 4): _as_it_was,
    ("CheckoutOrderRequested", 1): _as_it_was,
    ("CheckoutOrderRequested", 2): _as_it_was,
    ("CheckoutOrderRequested", 3): _as_it_was,
    ("CheckoutOrderRequested", 4): _as_it_was,
    ("ItemAdded", 1): _as_it_was,
    ("ItemQuantityChanged", 1): _as_it_was,
    ("DriftAccepted", 1): _as_it_was,
    ("ContactSet", 1): _as_it_was,
    ("CartAbandoned", 1): _as_it_was,
    ("StorefrontSet", 1): _as_it_was,
    ("StockReservationRefused", 1): _as_it_was,
    ("AllocationPlanned", 1): _as_it_was,
    ("AllocationFailed", 1): _as_it_was,
    ("AllocationChangePlanned", 1): _as_it_was,
    ("AllocationChangeFailed", 1): _as_it_was,
}
"""(type, schema) -> the function from the data of that schema to the data of the next."""
