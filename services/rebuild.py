"""`tillroll rebuild NAME`: a read model, or all of them, built anew from the log while the old one serves."""

from __future__ import annotations

import sys
from dataclasses import asdict

import orjson

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


async def rebuild_read_models(settings: Settings, name: str, *, as_json: bool) -> None:
    if name != ALL and name not in READ_MODELS:
        raise UnknownReadModel(
            f"there is no read model {name}; there are: {', '.join(READ_MODELS)}; or {ALL}"
        )
    names = list(READ_MODELS) if name == ALL else [name]
    done = []
    async with open_context(settings, "rebuild", "project", follow=False) as context:
        for each in names:
            with telling_progress() as tell:
                rebuilt = await _rebuilt(context, each, tell)
            done.append(asdict(rebuilt))
            if not as_json:
                results.print(
                    f"{rebuilt.name}: generation {rebuilt.generation} serves,"
                    f" from position {rebuilt.position:,}"
                )
    if as_json:
        sys.stdout.write(orjson.dumps(done).decode() + "\n")


async def _rebuilt(context: ProcessContext, name: str, tell: Progress) -> Rebuilt:
    try:
        return await rebuild(context.pool, context.log, context.keyring, name, tell)
    except RebuildRunning as error:
        raise AlreadyRebuilding(str(error)) from None
