"""Warehouses: where a merchant keeps its goods, how orders are spread over them, and picked there."""

from domain.warehouse.network import NETWORK
from domain.warehouse.pick_list import PICK_LIST

AGGREGATES = (NETWORK, PICK_LIST)
PERMISSIONS = ("warehouses:read", "warehouses:write", "picking:read", "picking:write")
