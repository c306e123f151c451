"""Read models of carriers and their rates, of parcels, and of those that came later than promised."""

from projections.carrier.carrier_reliability import CARRIER_RELIABILITY
from projections.carrier.carriers import CARRIERS
from projections.carrier.late_deliveries import LATE_DELIVERIES
from projections.carrier.shipments import SHIPMENTS

READ_MODELS = (
    SHIPMENTS,
    LATE_DELIVERIES,
    CARRIERS,
    CARRIER_RELIABILITY,
)
