"""Read models of carriers, their rates and invoices, of parcels, manifests, and late deliveries."""

from projections.carrier.carrier_invoices import CARRIER_INVOICES
from projections.carrier.carrier_records import CARRIER_RECORDS
from projections.carrier.carriers import CARRIERS
from projections.carrier.late_deliveries import LATE_DELIVERIES
from projections.carrier.manifests import MANIFESTS
from projections.carrier.shipments import SHIPMENTS

READ_MODELS = (
    SHIPMENTS,
    LATE_DELIVERIES,
    CARRIERS,
    CARRIER_RECORDS,
    MANIFESTS,
    CARRIER_INVOICES,
)
