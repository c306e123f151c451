"""What do `tillroll history`, `state`, `diff`, `follow` and `export` print?

Whoever has the addresses and the master key may see all; personal fields are opened where it is asked for.
Each is a look, which is on record before anything is printed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from eventstore.postgres import make_pool
from eventstore.tasks import TaskGroup, end_tasks
from services.audit.desk import Asked, Desk
from services.audit.export import Format, Searched, export
from services.audit.filters import EventFilter
from services.audit.follow import News, coming
from services.audit.history import Reach
from services.audit.looked_console import Shown, looking, words_of
from services.audit.named import NotThere, checked, merchant_asked
from services.console import console, counted, plain, results, telling_progress
from services.context import ProcessContext, open_context
from services.processes.lasting import end_with_the_epoch
from services.settings import Settings

_COLORS = {"was": "red", "now": "green"}


@asynccontextmanager
async def desk_of(
    settings: Settings,
    command: str,
    *,
    open_: bool = False,
    merchant: str = "",
    about: str = "",
    **words: Any,
) -> AsyncIterator[tuple[Desk, ProcessContext, Shown]]:
    """A desk over the running system, of one merchant or of all; `words` are those of the command, `about`
    the one merchant that they tell of, if they do."""
    said = words_of(**words, personal=open_)
    async with (
        open_context(settings, "audit", "project", follow=False) as context,
        make_pool(settings.url("audit"), max_size=2) as reading,
        make_pool(settings.url("audit"), max_size=2) as folding,
        looking(settings, command, said, about) as shown,
    ):
        yield Desk(reading, folding, context.keyring, Reach(merchant), open_=open_), context, shown


async def moment(desk: Desk, told: str, name: str = "at") -> int:
    """The position that a person names: by its number, or by a time with a zone; '' is the head."""
    if told.isascii() and told.isdigit():
        return await desk.position(int(told), None, name)
    if not told:
        return await desk.position(None, None)
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        at = datetime.min  # noqa: DTZ901 - refused below
    if at.tzinfo is None:
        raise NotThere(name, f"{told!r} is neither a position nor a time with a zone, 2026-03-01T12:00:00Z")
    return await desk.position(None, at, at_name=name)


async def show_events(
    settings: Settings,
    wanted: EventFilter,
    after: int,
    until: str,
    limit: int | None,
    *,
    open_: bool,
    as_json: bool,
) -> None:
    """All that fit, or the first `limit` of them."""
    words = _words(wanted) | {"after": after, "until": until, "limit": limit}
    async with desk_of(settings, "history", open_=open_, about=_about(wanted), **words) as (desk, _, shown):
        left = limit
        last = await moment(desk, until, "until")
        async for events, _reached in desk.stream_of_events(checked(wanted), after, last):
            _print_events(events[:left], shown, as_json=as_json)
            if left is not None and (left := left - len(events)) <= 0:
                return
        _tell_of_none(shown, f"no event fits, up to position {last}")


def _tell_of_none(shown: Shown, said: str) -> None:
    """On standard error, where nothing was found: silence could be anything."""
    if not shown.rows:
        console.print(said, markup=False, highlight=False, soft_wrap=True)


def _words(wanted: EventFilter) -> dict[str, Any]:
    """Its conditions, by the names that the command line has for them."""
    return asdict(wanted) | {"merchant": wanted.merchant or ""}


def _about(wanted: EventFilter) -> str:
    return merchant_asked({name: told for name, told in asdict(wanted).items() if isinstance(told, str)})


async def follow_events(
    settings: Settings,
    wanted: EventFilter,
    after: int | None,
    until: int | None,
    *,
    open_: bool,
    as_json: bool,
) -> None:
    """Until Ctrl-C, or up to a position. From where on is said at once: what was appended before is not
    shown."""
    words = _words(wanted) | {"after": after, "until": until}
    async with desk_of(settings, "follow", open_=open_, about=_about(wanted), **words) as (
        desk,
        context,
        shown,
    ):
        wanted = checked(wanted)
        began = await desk.position(after, None, "after")
        console.print(f"following from position {began}", highlight=False)
        async with TaskGroup() as tasks, News(context.database_url).running() as news:
            # positions of another epoch are other events'
            epoch = tasks.create_task(end_with_the_epoch(context))
            following = coming(desk, wanted, began, news, until=until)
            printing = tasks.create_task(_print_as_they_come(following, shown, as_json=as_json))
            await asyncio.wait([printing])  # where Ctrl-C is never missed; a task is told until it hears
            await end_tasks(epoch)


async def _print_as_they_come(
    following: AsyncIterator[tuple[list[dict[str, Any]], int]], shown: Shown, *, as_json: bool
) -> None:
    async for events, _ in following:
        _print_events(events, shown, as_json=as_json)


def _print_events(events: Sequence[dict[str, Any]], shown: Shown, *, as_json: bool) -> None:
    shown.rows += len(events)
    if as_json:
        sys.stdout.write("".join(orjson.dumps(each).decode() + "\n" for each in events))
    else:
        for each in events:
            results.print(
                f"[cyan]{each['position']:>9}[/] {each['recorded_at'][:19]} [bold]{plain(each['type'])}[/]"
                f" {plain(each['stream'])} v{each['version']} by {plain(each['actor'])}",
                soft_wrap=True,
                highlight=False,
            )
    sys.stdout.flush()


async def show_state(settings: Settings, asked: Asked, at: str, *, open_: bool, as_json: bool) -> None:
    async with desk_of(settings, "state", open_=open_, about=asked.merchant, at=at, **asdict(asked)) as (
        desk,
        _,
        shown,
    ):
        told = await desk.state(asked, await moment(desk, at))
        shown.rows = 1
    if as_json:
        _print_json(told)
        return
    made = told["made_by"]
    by = f"made by {made['type']} at {made['position']} ({made['event_id']})" if made else "not there yet"
    results.print(f"As of position {told['position']}, after {told['events']} events; {by}.", soft_wrap=True)
    if made:
        results.print_json(orjson.dumps(told["state"]).decode())


async def show_rows(
    settings: Settings, asked: Asked, at: str, where: dict[str, str] | None, *, open_: bool, as_json: bool
) -> None:
    """All rows, a JSON object a line: there may be many."""
    words = asdict(asked) | {"at": at, "where": where}
    about = merchant_asked({"key": asked.key, "merchant": (where or {}).get("merchant", "")})
    async with desk_of(settings, "state rows", open_=open_, about=about, **words) as (desk, _, shown):
        position = await moment(desk, at)
        async for page in desk.all_rows(asked, position, where):
            shown.rows += len(page["items"])
            for row in page["items"]:
                if as_json:
                    sys.stdout.write(orjson.dumps(row).decode() + "\n")
                else:
                    results.print(plain(orjson.dumps(row).decode()), soft_wrap=True)
        _tell_of_none(shown, f"no row fits, as of position {position}")
    for each in page["parked"]:
        console.print(
            f"{each['key']} stood still since position {each['position']}: what follows of it is in no row",
            markup=False,
        )


async def show_difference(
    settings: Settings, asked: Asked, first: str, last: str, *, open_: bool, as_json: bool
) -> None:
    """Every change, in the order of the events."""
    words = asdict(asked) | {"from_": first, "to": last}
    async with desk_of(settings, "diff", open_=open_, about=asked.merchant, **words) as (desk, _, shown):
        began, ended = await moment(desk, first or "0", "from"), await moment(desk, last, "to")
        if began > ended:
            raise NotThere("from", f"{began} is after {ended}: the first moment comes first")
        async for part in desk.all_changes(asked, began, ended):
            shown.rows += len(part)
            for change in part:
                _print_change(change, as_json=as_json)
        _tell_of_none(shown, f"nothing changed from position {began} to {ended}")


def _print_change(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(change).decode() + "\n")
        return
    of = change["of"]
    name = " ".join(map(str, of["key"].values())) if "table" in of else ""
    values = " → ".join(
        f"[{color}]{plain(orjson.dumps(change[which]).decode()) if which in change else '—'}[/]"
        for which, color in _COLORS.items()
    )
    where = f"{of.get('table') or of.get('stream') or of['agent']} {name}{change['path'] or ' (whole)'}"
    results.print(
        f"[cyan]{change['position']:>9}[/] [bold]{plain(change['type'])}[/] {plain(where)}: {values}",
        soft_wrap=True,
        highlight=False,
    )


async def write_export(
    settings: Settings,
    target: Path,
    format_: Format,
    wanted: EventFilter,
    first: int,
    until: str,
    *,
    as_json: bool,
) -> None:
    """Of all that fits; where nothing is asked for, all of the log."""
    words = _words(wanted) | {"to": target, "format": format_, "from_": first, "until": until}
    async with desk_of(settings, "export", about=_about(wanted), **words) as (desk, context, shown):
        last, wanted = await moment(desk, until, "until"), checked(wanted)
        searched = None if wanted == EventFilter() else Searched(desk.history, wanted)
        with telling_progress() as tell:
            manifest = await export(
                context.log, target, format_, first, last, tell, context.clock.now(), searched
            )
        shown.rows = manifest["events"]
    if as_json:
        _print_json(manifest)
        return
    results.print(
        f"{target}: {counted(manifest['events'], 'event')}, {manifest['bytes']:,} bytes;"
        f" root hash {manifest['root_hash']}{'; others are left out' if searched else ''}",
        soft_wrap=True,
    )


def _print_json(told: Any) -> None:
    sys.stdout.write(orjson.dumps(told).decode() + "\n")
