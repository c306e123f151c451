"""Reads of carriers and their invoices, of parcels, labels and manifests, and of late deliveries."""

from queries.carrier import carriers, deliveries, invoices, labels, manifests, shipments

ROUTERS = (
    shipments.router,
    labels.router,
    deliveries.router,
    carriers.router,
    manifests.router,
    invoices.router,
)
TAGS = (
    {"name": "shipments", "description": "Parcels, from the label to the last scan."},
    {"name": "deliveries", "description": "What came later than it was promised."},
    {"name": "carriers", "description": "Who carries parcels, at which rates, and how one is chosen."},
    {"name": "manifests", "description": "What a carrier fetches, closed and handed over as a whole."},
    {"name": "carrier invoices", "description": "What carriers charge, against what they quoted."},
)
