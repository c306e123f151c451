"""Which gateways to providers are there? Those that the contexts' modules beside this one export."""

from __future__ import annotations

from domain.contexts import exported
from services.gateways.gateway import Gateway

GATEWAYS: tuple[Gateway, ...] = exported("services.gateways", "GATEWAYS")
