"""The read model of allocations."""

from projections.allocation.allocations import ALLOCATIONS

READ_MODELS = (ALLOCATIONS,)
