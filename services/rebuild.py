"""`tillroll rebuild NAME`: a read model, or all of them, built anew from the log while the old one serves."""

from __future__ import annotations

import sys
from dataclasses import asdict

import orjson

from projections.beside import Compared
from projections.fold import Progress
from projections.read_models import READ_MODELS
from projections.rebuild import RebuildRunning, Rebuilt, rebuild
from services.console import results, telling_progress
from services.context import ProcessContext, open_context
from services.settings import Settings

ALL = "all"


class AlreadyRebuilding(Exception):
    """Somebody else rebuilds it just now."""

    expected = True


class UnknownReadModel(Exception):
    """There is no read model of that name."""

    expected = True


async def rebuild_read_models(settings: Settings, name: str, *, as_json: bool, comparing: bool) -> None:
    if name != ALL and name not in READ_MODELS:
        raise UnknownReadModel(
            f"there is no read model {name}; there are: {', '.join(READ_MODELS)}; or {ALL}"
        )
    names = list(READ_MODELS) if name == ALL else [name]
    done = []
    async with open_context(settings, "rebuild", "project", follow=False) as context:
        for each in names:
            with telling_progress() as tell:
                rebuilt = await _rebuilt(context, each, tell, comparing=comparing)
            done.append(asdict(rebuilt))
            if not as_json:
                results.print(
                    f"{rebuilt.name}: generation {rebuilt.generation} serves,"
                    f" from position {rebuilt.position:,}; {_said(rebuilt.compared)}"
                )
    if as_json:
        sys.stdout.write(orjson.dumps(done).decode() + "\n")


async def _rebuilt(context: ProcessContext, name: str, tell: Progress, *, comparing: bool) -> Rebuilt:
    try:
        return await rebuild(context.pool, context.log, context.keyring, name, tell, comparing=comparing)
    except RebuildRunning as error:
        raise AlreadyRebuilding(str(error)) from None


def _said(compared: Compared) -> str:
    if compared.why_not:
        return f"not compared with the one before: {compared.why_not}"
    if not compared.differences:
        return f"the same, row by row, as the one before (at position {compared.position:,})"
    return "\n  ".join(("unlike the one before (the new one is what the log says):", *compared.differences))
