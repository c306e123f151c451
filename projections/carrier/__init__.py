"""Read models of parcels, and of those that came later than promised."""

from projections.carrier.late_deliveries import LATE_DELIVERIES
from projections.carrier.shipments import SHIPMENTS

READ_MODELS = (
    SHIPMENTS,
    LATE_DELIVERIES,
)
