"""Carts, their checkout, and the storefronts that they belong to."""

from domain.cart.cart import CART
from domain.cart.storefront import STOREFRONT

AGGREGATES = (CART, STOREFRONT)
PERMISSIONS = ("carts:read", "carts:write", "shop:read")
CUSTOMER_PERMISSIONS = ("carts:read", "carts:write", "shop:read")
