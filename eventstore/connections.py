"""How a connection to the log is opened: time-outs, and the check that it is the log we know."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from eventstore.log import EpochChanged, LogIdentity

Connection = psycopg.AsyncConnection[TupleRow]
_OPTIONS = (
    "-c statement_timeout=30s -c lock_timeout=20s -c idle_in_transaction_session_timeout=30s"
    " -c timezone=UTC -c jit=off"
)
STATEMENT_SECONDS = 30.0
_IDENTITY = """
SELECT log_id, epoch, log.system_identifier = control.system_identifier
       AND log.timeline = checkpoint.timeline_id AS same
FROM log, pg_control_system() AS control, pg_control_checkpoint() AS checkpoint
"""


def with_options(database_url: str, options: str) -> dict[str, Any]:
    """The parameters of a connection with these options beside the URL's own (such as a search_path)."""
    parameters = conninfo_to_dict(database_url)
    return {
        **parameters,
        "options": f"{parameters.get('options') or ''} {options}",
        "fallback_application_name": "tillroll",  # PGAPPNAME says which process
    }


def read_parameters(
    database_url: str, statement_seconds: float = STATEMENT_SECONDS, options: str = ""
) -> dict[str, Any]:
    """The parameters of a connection that reads: in UTC, with a statement time-out, and further `options`.

    None is compiled (`jit`), as on the server that we start ourselves, whatever another one does.
    """
    milliseconds = max(1, round(statement_seconds * 1000))  # 0 would be no time-out at all
    usual = f"-c statement_timeout={milliseconds} -c timezone=UTC -c jit=off"
    return with_options(database_url, f"{usual} {options}")


async def connect(database_url: str, identity: LogIdentity | None = None) -> Connection:
    """An autocommit connection with our time-outs, in UTC.

    With `identity`, raises EpochChanged unless the database still is that log in that epoch, on the system
    and timeline for which the epoch was minted.
    """
    connection = await psycopg.AsyncConnection.connect(
        autocommit=True, **{"connect_timeout": 10, **with_options(database_url, _OPTIONS)}
    )
    if identity:
        found, same = await read_identity(connection)
        if found != identity or not same:
            await connection.close()
            raise EpochChanged(
                f"this is log {found.name}, not {identity.name}, or its server was restored or promoted:"
                " check TILLROLL_DATABASE_URL, then mint an epoch with `tillroll migrate --new-epoch`"
            )
    return connection


async def read_identity(connection: Connection) -> tuple[LogIdentity, bool]:
    """The log's identity, and whether its epoch was minted on this very system and timeline."""
    row = await (await connection.execute(_IDENTITY)).fetchone()
    if row is None:
        raise EpochChanged("the database holds no log yet: run `tillroll migrate`")
    return LogIdentity(row[0], row[1]), row[2]
