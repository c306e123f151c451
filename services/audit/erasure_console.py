"""`tillroll erase`: how does an operator erase a customer, or a user, and what is told of it?"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import orjson
import psycopg

from commands.personal import subject_of
from domain.kernel import Refused
from domain.permissions import PLATFORM
from eventstore.postgres import make_pool
from eventstore.statements import Pool
from services.access.composition import access_of
from services.access.console import ACTOR, EVERYTHING
from services.audit.erasure import Erasures, Standing, fetch
from services.audit.erasure_list import Entry, ErasureList
from services.audit.erasure_restore import until_followed
from services.audit.keeping import ORDERS_ARE_OVER, Found, check, check_names, speaking_against
from services.console import counted, results
from services.context import open_context
from services.gateways.mail import mail_subject
from services.settings import Settings

REMAINS = (
    "Copies that this does not reach: back-ups, until their end; dead rows and the write-ahead log, until"
    " they are overwritten (`tillroll scrub` sees to that); whoever was told, such as carriers and mail"
    " servers."
)


REASON_MAX = 1_000
FOLLOW_SECONDS, LOOK_SECONDS = 15.0, 0.1
"""Projectors that run follow within a second; those that don't are waited for no longer than that."""


class NotErased(Exception):
    """A rule, or the person is not known; the message says what to do."""

    expected = True


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom: a customer of a merchant by its id or pseudonym, or a user by address; why, and how."""

    subject: str = ""
    merchant: str = ""
    customer: str = ""
    user: str = ""
    reason: str = ""
    despite: tuple[str, ...] = ()
    dry_run: bool = False


async def erase(settings: Settings, wish: Wish, *, as_json: bool) -> None:
    """Raises NotErased, ListNotWritten."""
    if sum(map(bool, (wish.subject, wish.customer, wish.user))) != 1:
        raise NotErased("name one person: SUBJECT, or --customer with --merchant, or --user")
    if not 1 <= len(wish.reason.strip()) <= REASON_MAX:
        raise NotErased(f"say why, in at most {REASON_MAX} characters: --reason")
    if wish.customer and not wish.merchant:
        raise NotErased("whose customer? Name it by --merchant")
    wish = replace(wish, user=wish.user.strip(), reason=wish.reason.strip())
    try:
        check_names(wish.despite)
        if wish.user:
            told = await _erase_user(settings, wish)
        else:
            told = await _erase_customer(settings, wish)
    except Refused as refused:
        raise NotErased(f"{refused.message} (rule {refused.rule})") from None
    _tell(told, as_json=as_json)


async def _erase_customer(settings: Settings, wish: Wish) -> dict[str, Any]:
    async with (
        open_context(settings, "erase", follow=False) as context,
        make_pool(settings.url("project"), max_size=1) as models,
    ):
        subject = wish.subject or subject_of(context.keyring, wish.merchant, wish.customer)
        noted = ErasureList(settings.erasures())
        erasures = Erasures(context.pool, context.executor, context.keyring, noted)
        standing = await erasures.standing(subject)
        if ORDERS_ARE_OVER.name not in wish.despite and standing.kept:
            await until_shown(models, await context.log.head())
        found = await _found(models, subject, wish.merchant)
        if standing.kept and not wish.dry_run:
            despite = check(found, wish.despite)
            entry = Entry(
                subject, found.merchant, ACTOR, wish.reason, context.ids.new(), context.clock.now(), despite
            )
            standing = await erasures.erase(entry)
        followed = standing.kept or await _followed(context.pool, erasures)
        return _told(subject, standing, found) | {"followed": followed}


async def _followed(pool: Pool, erasures: Erasures) -> bool:
    """Whether the read models have passed the erasure; waits for them, but not for ever."""
    try:
        async with asyncio.timeout(FOLLOW_SECONDS):
            await until_followed(pool, erasures)
    except TimeoutError:
        return False
    return True


async def until_shown(models: Pool, head: int) -> None:
    """Wait until `orders` shows all that stands in the log: an order of just now counts. Raises NotErased."""
    loop = asyncio.get_running_loop()
    over_at = loop.time() + FOLLOW_SECONDS
    while not await _shows(models, head):
        if loop.time() >= over_at:
            raise NotErased(
                f"the orders are not shown up to position {head}, so some may be under way: start"
                f" the projector (`tillroll up`), or overrule it: --despite {ORDERS_ARE_OVER.name}"
            )
        await asyncio.sleep(LOOK_SECONDS)


async def _shows(models: Pool, head: int) -> bool:
    async with models.connection() as connection:
        ((shown,),) = [each.values() for each in await fetch(connection, "read_shown")]
    return shown is not None and int(shown) >= head


async def _found(models: Pool, subject: str, merchant: str) -> Found:
    """What the read models show. A person is of one merchant, since its pseudonym is made with it."""
    rows: list[dict[str, Any]] = []
    with suppress(psycopg.errors.UndefinedTable):  # no projector has run yet
        async with models.connection() as connection:
            rows = await fetch(connection, "count_orders_of", erased=subject)
    if rows:
        return Found(**rows[0])
    if not merchant:
        raise NotErased(
            f"no order of {subject} is shown: say by --merchant whose it is ({PLATFORM} for none)"
        )
    return Found(merchant)


async def _erase_user(settings: Settings, wish: Wish) -> dict[str, Any]:
    """No way in works from now on; address and mails can be read no more, and the address is free again."""
    async with (
        open_context(settings, "erase", follow=False) as context,
        make_pool(settings.url("access"), max_size=1) as pool,
    ):
        access = access_of(context, pool)
        user_id = await access.addresses.user_of(wish.user)
        user = await access.facts.user(user_id) if user_id else None
        if user_id is None or user is None or not user.invited:
            raise NotErased(f"there is no user {wish.user}")
        noted = ErasureList(settings.erasures())
        erasures = Erasures(context.pool, context.executor, context.keyring, noted)
        of_address = None
        if not wish.dry_run:
            if not user.disabled:
                await access.users.disable(user_id, EVERYTHING, actor=ACTOR)
            of_address = await mail_subject(context.keyring, wish.user)
            for subject in (user.subject, of_address):
                await erasures.erase(
                    Entry(subject, PLATFORM, ACTOR, wish.reason, context.ids.new(), context.clock.now())
                )
            remove_mails(settings.data_dir / "mail", wish.user)
            await access.store.rows("forget_user", user_id=user_id)
        await access.close()
        # no read model shows users, so there is nothing to wait for
        return _told(user.subject, await erasures.standing(user.subject), Found(PLATFORM)) | {
            "followed": True,
            "of_address": of_address,
        }


def remove_mails(directory: Path, address: str) -> int:
    """Mails to the address, where these are files of ours; how many."""
    removed = 0
    for path in (*directory.glob("*.eml"), *directory.glob(".*.partial")):
        to = message_from_bytes(path.read_bytes(), policy=default)["To"]
        if to and address.casefold() in (each.addr_spec.casefold() for each in to.addresses):
            path.unlink()
            removed += 1
    return removed


def _told(subject: str, standing: Standing, found: Found) -> dict[str, Any]:
    entry = standing.entry
    return {
        "subject": subject,
        "erased": not standing.kept,
        "merchant": entry.merchant if entry else found.merchant,
        "orders": found.orders,
        "plain_rows": found.plain_rows,
        "against": speaking_against(found) if standing.kept else {},
        "reason": entry.reason if entry else None,
        "actor": entry.actor if entry else None,
        "erased_at": entry.erased_at if entry else None,
        "position": standing.position,
    }


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
        return
    whose = f"{told['subject']} of {told['merchant']}"
    if told["erased"]:
        results.print(
            f"{whose} is erased since {told['erased_at']:%Y-%m-%d %H:%M:%S} UTC, by {told['actor']}:"
            f" {told['reason']} (position {told['position']})",
            markup=False,
        )
        if told.get("of_address"):
            results.print(
                f"So is {told['of_address']}, under which mails to the address were sealed.", markup=False
            )
        if not told["followed"]:
            results.print(
                "Lists have not followed yet and may show it still: they do so once the projector has come to"
                " that position (`tillroll status` tells). Ask again by the same command.",
                markup=False,
            )
    else:
        results.print(
            f"{whose} would be erased: {counted(told['orders'], 'order')}, and"
            f" {counted(told['plain_rows'], 'row')} in which it stands in plain text",
            markup=False,
        )
        for rule, said in told["against"].items():
            results.print(f"against it speaks {rule}: {said}", markup=False)
    results.print(REMAINS, markup=False)
