"""How is a bug planted, for a while?"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from services.simulation.system import Parts


@dataclass(frozen=True)
class Mutant:
    """`parts` with the bug in it; `planted` puts it where no part can be exchanged. `orders` of a history."""

    name: str
    parts: Parts
    faults: str = "all"
    planted: Callable[[], AbstractContextManager[Any]] = nullcontext
    orders: int = 16


@contextmanager
def patched(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    with patch.object(owner, name, replacement):
        yield


def changed(owner: Any, name: str, old: str, new: str) -> Callable[[], AbstractContextManager[Any]]:
    """With one place of the source of a function changed: for what is inside of it."""

    def planted() -> AbstractContextManager[Any]:
        function = inspect.unwrap(getattr(owner, name))
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {name}"
        scope: dict[str, Any] = {}
        exec("from __future__ import annotations\n" + source.replace(old, new), function.__globals__, scope)
        return patched(owner, name, scope[name])

    return planted
