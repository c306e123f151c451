"""Reads of carriers, of parcels, and of those that came later than promised."""

from queries.carrier import carriers, deliveries, shipments

ROUTERS = (shipments.router, deliveries.router, carriers.router)
TAGS = (
    {"name": "shipments", "description": "Parcels, from the label to the last scan."},
    {"name": "deliveries", "description": "What came later than it was promised."},
    {"name": "carriers", "description": "Who carries parcels, at which rates, and how one is chosen."},
)
