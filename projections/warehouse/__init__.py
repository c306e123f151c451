"""Read models of warehouses, of the rules that orders are allocated by, and of pick lists."""

from projections.warehouse.allocation_rules import ALLOCATION_RULES
from projections.warehouse.pick_lists import PICK_LISTS
from projections.warehouse.warehouses import WAREHOUSES

READ_MODELS = (WAREHOUSES, ALLOCATION_RULES, PICK_LISTS)
