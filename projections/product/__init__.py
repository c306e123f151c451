"""Read models of the catalogue."""

from projections.product.categories import CATEGORIES
from projections.product.products import PRODUCTS

READ_MODELS = (
    PRODUCTS,
    CATEGORIES,
)
