"""Commands of warehouses, of the rules that orders are allocated by, and of pick lists."""

from commands.warehouse import network, pick_lists, rules

ROUTERS = (network.router, rules.router, pick_lists.router)
