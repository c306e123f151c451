"""Is what a context's modules export found, and nothing that is not registered?"""

from __future__ import annotations

from pathlib import Path

import pytest

import domain
from domain.aggregates import AGGREGATES
from domain.contexts import CONTEXTS, exported, module_of
from domain.permissions import at_merchant, audit, customer, on_platform
from projections.read_models import READ_MODELS
from services.agents.registered import AGENTS
from services.gateways.registered import GATEWAYS

ROOT = Path(domain.__file__).parents[1]
FOLDERS = ("domain", "commands", "queries", "projections", "services.agents", "services.gateways")
EXPORTS = {
    "domain": ("AGGREGATES", "PERMISSIONS", "CUSTOMER_PERMISSIONS", "TELLING"),
    "commands": ("ROUTERS", "LEADS_TO", "TAGS"),
    "queries": ("ROUTERS", "TAGS"),
    "projections": ("READ_MODELS", "OPENED"),
    "services.agents": ("AGENTS",),
    "services.gateways": ("GATEWAYS",),
}


def test_every_context_has_an_aggregate_in_the_domain() -> None:
    assert all(module_of("domain", context).AGGREGATES for context in CONTEXTS)  # type: ignore[union-attr]
    assert len(set(CONTEXTS)) == len(CONTEXTS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_module_has_for_others_is_of_a_registered_context(folder: str) -> None:
    """A module that nobody registered is silent: its routes, agents and read models would be missing."""
    found = {
        path.parent.name if path.name == "__init__.py" else path.stem
        for path in (ROOT / folder.replace(".", "/")).rglob("*.py")
        for name in EXPORTS[folder]
        if any(line.startswith(f"{name} = ") for line in path.read_text().splitlines())
    }
    assert found <= set(CONTEXTS)


@pytest.mark.parametrize(("folder", "name"), [(f, name) for f in FOLDERS for name in EXPORTS[f]])
def test_nothing_is_exported_twice(folder: str, name: str) -> None:
    each = exported(folder, name)
    assert len({str(one) for one in each}) == len(each)


def test_a_context_has_what_its_modules_export() -> None:
    assert {each.category for each in exported("domain", "AGGREGATES")} == set(AGGREGATES)
    assert {"order", "inventory", "payment", "shipping"} <= {each.name for each in AGENTS}
    assert {"payment", "carrier"} <= {each.name for each in GATEWAYS}
    assert len(READ_MODELS) == len(exported("projections", "READ_MODELS"))


def test_a_folder_in_which_a_context_has_nothing_has_no_module_of_it() -> None:
    assert module_of("services.agents", "merchant") is None
    assert module_of("queries", "deadline") is None


def test_what_contexts_of_trade_allow_belongs_to_who_reads_and_who_owns() -> None:
    trade = set(exported("domain", "PERMISSIONS"))
    assert trade <= at_merchant() < on_platform()
    assert {each for each in trade if each.endswith(":read")} == audit() - {"audit:read"}
    assert customer() <= trade
