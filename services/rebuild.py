"""`tillroll rebuild NAME`: a read model, or all of them, built anew from the log while the old one serves."""

from __future__ import annotations

import sys
from dataclasses import asdict

import orjson

from projections.read_models import READ_MODELS
from projections.rebuild import rebuild
from services.console import console, telling_progress
from services.context import open_context
from services.settings import Settings

ALL = "all"


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
                rebuilt = await rebuild(context.pool, context.log, context.keyring, each, tell)
            done.append(asdict(rebuilt))
            if not as_json:
                console.print(
                    f"{rebuilt.name}: generation {rebuilt.generation} serves,"
                    f" from position {rebuilt.position:,}"
                )
    if as_json:
        sys.stdout.write(orjson.dumps(done).decode() + "\n")
