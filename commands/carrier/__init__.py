"""What may be asked of carriers, parcels, manifests and carriers' invoices from outside."""

from collections.abc import Iterator

from commands.carrier import carriers, invoices, manifests, quotes, shipments
from commands.names import Named
from domain.carrier import SplitParcel
from domain.streams import shipment_stream


def _named_by_split(merchant: str, split: SplitParcel) -> Iterator[Named]:
    yield shipment_stream(merchant, split.into), {("body", "into"): split.into}


ROUTERS = (carriers.router, quotes.router, shipments.router, manifests.router, invoices.router)
LEADS_TO = ((SplitParcel, _named_by_split),)
