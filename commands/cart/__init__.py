"""What may be asked of carts and storefronts."""

from commands.cart import routes, storefront

ROUTERS = (storefront.router, *routes.BOTH_DOORS)
LEADS_TO = routes.RESERVED_IN
TAGS = (
    {
        "name": "carts",
        "description": "What somebody wants to buy, of one merchant or several, until it is ordered.",
    },
    {"name": "storefront", "description": "How shoppers are let in; what guests may do."},
)
