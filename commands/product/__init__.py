"""What may be asked of the catalogue: of its products, and of what is taken in from elsewhere."""

from commands.product import catalogue, item

ROUTERS = (item.router, catalogue.router)
