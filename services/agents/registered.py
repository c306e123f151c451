"""Which agents are there? Those that the contexts' modules beside this one export."""

from __future__ import annotations

from domain.contexts import exported
from services.agents.agent import Agent

AGENTS: tuple[Agent, ...] = exported("services.agents", "AGENTS")
