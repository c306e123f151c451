"""The read side of the API: `routers` are all of its routes (what they need: `queries.dependencies`)."""

from queries import catalogue, deliveries, merchant, operator, orders, payments, sales, shipments, stock

routers = (
    orders.router,
    payments.router,
    shipments.router,
    stock.router,
    sales.router,
    deliveries.router,
    merchant.router,
    catalogue.router,
    operator.router,
)
