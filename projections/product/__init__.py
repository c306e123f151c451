"""Read models of the catalogue."""

from projections.product.categories import CATEGORIES
from projections.product.product_prices import PRODUCT_PRICES
from projections.product.product_search import PRODUCT_SEARCH
from projections.product.products import PRODUCTS
from projections.product.search_words import SEARCH_WORDS

READ_MODELS = (
    PRODUCTS,
    PRODUCT_PRICES,
    PRODUCT_SEARCH,
    SEARCH_WORDS,
    CATEGORIES,
)
