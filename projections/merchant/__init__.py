"""Read models of merchants, and of how each stands."""

from projections.merchant.merchant_overview import MERCHANT_OVERVIEW
from projections.merchant.merchants import MERCHANTS

READ_MODELS = (
    MERCHANT_OVERVIEW,
    MERCHANTS,
)
