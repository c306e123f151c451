"""Which contexts are there? The one place where each is registered.

A context has one name, and under it at most one module (or package) in each folder; what a folder needs of a
context is exported there as a tuple of a name that is the same for all (docs/adding-a-context.md lists them).
A folder asks for it by `exported`, so that nothing else has to be told of a new context.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

CONTEXTS: tuple[str, ...] = (
    "order",
    "inventory",
    "payment",
    "carrier",
    "warehouse",
    "allocation",
    "merchant",
    "product",
    "cart",
    "deadline",
    "user",
    "api_key",
    "mail",
    "parked",
    "erasure",
)


@cache
def module_of(folder: str, context: str) -> ModuleType | None:
    """The context's module in a package such as `commands`; None where it has none."""
    name = f"{folder}.{context}"
    return import_module(name) if find_spec(name) else None


def modules_of(folder: str) -> Iterator[ModuleType]:
    """Those that there are, in the order of registration."""
    found = (module_of(folder, context) for context in CONTEXTS)
    return (module for module in found if module is not None)


def exported(folder: str, name: str) -> tuple[Any, ...]:
    """What all contexts' modules in the folder hold in their tuples of that name."""
    return tuple(each for module in modules_of(folder) for each in getattr(module, name, ()))
