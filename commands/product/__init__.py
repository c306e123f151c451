"""What may be asked of the catalogue: of its products, one by one or by a file, and of what is imported."""

from commands.product import catalogue, imports, item

ROUTERS = (item.router, imports.router, catalogue.router)
