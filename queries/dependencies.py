"""What does a read of the API need, and where does it find it? The one place that knows `app.state`.

Routes take a `MerchantReader` or an `OperatorReader`. The application must have, in `app.state`:

    pool                 connections to the database (`eventstore.postgres.make_pool`)
    identity             the log's `LogIdentity`, for position tokens
    projections_waiter   a running `queries.waiting.ProjectionsWaiter`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any

import psycopg
from fastapi import Depends, Request, Response
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from psycopg_pool import PoolTimeout

from eventstore.log import LogIdentity
from eventstore.queries import load_queries
from eventstore.statements import Pool
from queries.waiting import ProjectionsWaiter
from services.web.access import Allowed
from services.web.positions import POSITION_HEADER, Freshness, WantedFreshness, foreign_position
from services.web.problems import Problem, try_later, unknown_merchant
from services.web.work import resting

PARKED_HEADER = "Tillroll-Parked"
"""How many keys of the read models are parked: what the answer shows of those is not up to its position."""
RETRY_SECONDS = 1.0
_QUERIES = load_queries("queries", "positions.sql")
_BIND = (
    b"SELECT set_config('tillroll.merchant', %s, true), set_config('tillroll.subject', %s, true),"
    b" set_config('tillroll.reach', %s, true)"
)
"""For the transaction only (`true`): the pool's next user of the connection must not inherit it."""
_FILTER_THAT_MAY_BE_MISSING = re.compile(r"%\((?!subject\))\w+\)s::\w+ IS NULL OR ")
Rows = list[dict[str, Any]]
Statement = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Shown:
    """The parts of the application that a read uses."""

    pool: Pool
    identity: LogIdentity
    waiter: ProjectionsWaiter
    resting: Callable[[], AbstractAsyncContextManager[None]]
    """Around what it only waits for: it then keeps no place in the work."""


def shown_of(request: Request) -> Shown:
    state = request.app.state
    return Shown(state.pool, state.identity, state.projections_waiter, partial(resting, request))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads in one snapshot, and says in the response's headers which position it shows.

    What the database shows is bound to `merchant`, and to the person `subject` if there is one; to none where
    `reach` is `all`.
    """

    shown: Shown
    merchant: str
    freshness: Freshness
    response: Response
    subject: str = ""
    reach: str = ""

    async def rows(
        self, models: Sequence[str], *statements: Statement, views: Sequence[str] | None = None
    ) -> list[Rows]:
        """The rows of each statement, over these read models, in `views` (None: of the same names).

        Every statement gets the parameters `merchant` and `subject` (NULL for everybody). Raises problems:
        400 for a position of another log and for an unknown merchant, 503 where the read models are not as
        far as asked for.
        """
        wanted = self._wanted_position()
        if wanted and self.freshness.wait_seconds and self.shown.waiter.shown(models) < wanted:
            async with self.shown.resting():
                await self.shown.waiter.wait(tuple(models), wanted, self.freshness.wait_seconds)
        try:
            standing, *found = await self._snapshot(models, statements, models if views is None else views)
        except psycopg.errors.UndefinedTable:
            raise try_later(
                "the read models are not made yet: the projector makes them", RETRY_SECONDS
            ) from None
        except psycopg.errors.UndefinedColumn:
            detail = "a read model is of an older version than this API: run `tillroll rebuild all`"
            raise try_later(detail, RETRY_SECONDS) from None
        except psycopg.errors.QueryCanceled:
            raise try_later("the query took too long", RETRY_SECONDS, kind="took-too-long") from None
        except psycopg.errors.FeatureNotSupported:
            raise try_later("the read models were just made anew", RETRY_SECONDS) from None
        except (psycopg.OperationalError, PoolTimeout, OSError):
            raise try_later("the database can't be reached", RETRY_SECONDS) from None
        except psycopg.DataError:
            detail = "a parameter holds what no text or number of ours can hold"
            raise Problem(422, "invalid-input", detail) from None
        self._check(standing[0], wanted, models)
        return found

    def _wanted_position(self) -> int:
        token = self.freshness.min_position
        try:
            return self.shown.identity.position_of(token) if token else 0
        except ValueError as error:
            raise foreign_position(str(error)) from None

    async def _snapshot(
        self, models: Sequence[str], statements: Sequence[Statement], views: Sequence[str]
    ) -> list[Rows]:
        """One transaction, one round trip. The views are locked before the snapshot is taken: a switch of
        generations comes wholly before it or wholly after it."""
        locked = SQL(", ").join(map(Identifier, dict.fromkeys(("merchants", *views))))
        standing = (_QUERIES.read_standing.sql, {"names": list(models)})
        bound = {"merchant": self.merchant, "subject": self.subject or None}
        async with self.shown.pool.connection() as connection:
            try:
                async with connection.pipeline():
                    await connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    await connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(locked))
                    await connection.execute(_BIND, (self.merchant, self.subject, self.reach))
                    cursors = []
                    for text, arguments in (standing, *statements):
                        cursor = connection.cursor(row_factory=dict_row)
                        await cursor.execute(text.encode(), {**arguments, **bound}, prepare=is_prepared(text))
                        cursors.append(cursor)
                    await connection.execute(b"COMMIT")
            except psycopg.Error as error:
                if isinstance(error, psycopg.errors.FeatureNotSupported):
                    await connection.close()  # its plans are for columns of other types, which a rebuild made
                elif not connection.closed:
                    await connection.rollback()
                raise
            return [await cursor.fetchall() for cursor in cursors]

    def _check(self, standing: dict[str, Any], wanted: int, models: Sequence[str]) -> None:
        position = standing["position"] if standing["found"] == len(models) else 0
        self.response.headers[POSITION_HEADER] = self.shown.identity.token(position)
        if standing["parked"]:
            self.response.headers[PARKED_HEADER] = str(standing["parked"])
        if position < wanted:
            self.shown.waiter.correct(models, position)
            raise self._behind(position, wanted)
        # a customer, who does not see the merchant's own row, was let in by the merchant
        if self.merchant and not self.subject and not standing["known"]:
            raise unknown_merchant(self.merchant)

    def _behind(self, position: int, wanted: int) -> Problem:
        missing = wanted - position
        problem = try_later(
            f"this shows position {position}, {missing} event{'s'[: missing > 1]} before {wanted}",
            RETRY_SECONDS,
            kind="behind",
            behind=missing,
        )
        problem.headers[POSITION_HEADER] = self.shown.identity.token(position)
        return problem


@cache
def is_prepared(statement: str) -> bool:
    """Whether its plan is kept: not where it has filters that may be missing, which a plan must know of."""
    return not _FILTER_THAT_MAY_BE_MISSING.search(statement)


async def merchant_reader(
    request: Request, response: Response, asked: Allowed, freshness: WantedFreshness
) -> Reader:
    subject = asked.grant.subject if asked.grant else ""
    return Reader(shown_of(request), asked.merchant, freshness, response, subject)


async def platform_reader(request: Request, response: Response, freshness: WantedFreshness) -> Reader:
    """Reads across merchants, for a route whose rule is of the platform."""
    return Reader(shown_of(request), "", freshness, response, reach="all")


async def operator_reader(request: Request, response: Response, freshness: WantedFreshness) -> Reader:
    """Reads how the system fares, and no trade."""
    return Reader(shown_of(request), "", freshness, response)


MerchantReader = Annotated[Reader, Depends(merchant_reader)]
PlatformReader = Annotated[Reader, Depends(platform_reader)]
OperatorReader = Annotated[Reader, Depends(operator_reader)]
