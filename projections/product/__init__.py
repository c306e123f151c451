"""Read models of the catalogue."""

from projections.product.categories import CATEGORIES
from projections.product.product_prices import PRODUCT_PRICES
from projections.product.products import PRODUCTS

READ_MODELS = (
    PRODUCTS,
    PRODUCT_PRICES,
    CATEGORIES,
)
