"""Reads of parcels, and of those that came later than promised."""

from queries.carrier import deliveries, shipments

ROUTERS = (shipments.router, deliveries.router)
TAGS = (
    {"name": "shipments", "description": "Parcels, from the label to the last scan."},
    {"name": "deliveries", "description": "What came later than it was promised."},
)
