"""Read models of carts."""

from projections.cart.carts import CARTS
from projections.cart.carts_by_day import CARTS_BY_DAY
from projections.cart.storefronts import STOREFRONTS

READ_MODELS = (CARTS, CARTS_BY_DAY, STOREFRONTS)
