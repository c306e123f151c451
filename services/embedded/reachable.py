"""Does a server that a setting names answer? If not: an error that says which setting, why and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

CONNECT_TIMEOUT_S = 5


class Unreachable(Exception):
    """A server that a setting names does not answer. The message is for people, and holds no password."""

    def __init__(self, setting: str, address: str, reason: str, remedy: str) -> None:
        end = "" if reason.endswith(("?", "!")) else "."
        super().__init__(f"{setting}: cannot use {address}: {reason}{end} {remedy}")
        self.setting = setting


async def check_database(url: str, setting: str = "TILLROLL_DATABASE_URL") -> None:
    """Connect to Postgres and ask it one thing, or raise `Unreachable`."""
    remedy = f"Start that server, correct {setting}, or unset it to use the embedded Postgres."
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        form = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        raise Unreachable(setting, "this value", f"it is not an address like {form}", remedy) from None
    address = _database_address(parts)
    try:
        async with await psycopg.AsyncConnection.connect(
            url, connect_timeout=CONNECT_TIMEOUT_S
        ) as connection:
            await connection.execute("SELECT 1")
    except psycopg.Error as error:
        raise Unreachable(setting, address, _one_line(error), remedy) from None


def _database_address(parts: Mapping[str, object]) -> str:
    host, port, name = parts.get("host", "localhost"), parts.get("port", 5432), parts.get("dbname", "")
    user = f"{parts['user']}@" if "user" in parts else ""
    return f"postgresql://{user}{host}:{port}/{name}"


async def check_nats(url: str, setting: str = "TILLROLL_NATS_URL") -> None:
    """Connect to NATS (one address, or several with commas) and ask for JetStream, or raise `Unreachable`."""
    import nats.errors  # noqa: PLC0415 - half a second, which no command line must wait for that asks no NATS
    import nats.js.errors  # noqa: PLC0415

    from services.nats_client import NatsClient  # noqa: PLC0415

    remedy = f"Start that server, correct {setting}, or unset it to use the embedded NATS."
    address = ",".join(_without_password(part) for part in url.split(","))
    reasons: list[str] = []

    async def note(error: Exception) -> None:
        reasons.append(_one_line(error))

    connection = NatsClient()
    try:
        await connection.connect(
            url.split(","),
            allow_reconnect=False,
            max_reconnect_attempts=1,  # without it the client tries the first connection for a minute
            reconnect_time_wait=0,
            connect_timeout=CONNECT_TIMEOUT_S,
            error_cb=note,
        )
        await connection.jetstream(timeout=CONNECT_TIMEOUT_S).account_info()
    except nats.js.errors.ServiceUnavailableError:
        raise Unreachable(setting, address, "JetStream is switched off there", "Start it with -js.") from None
    except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise Unreachable(setting, address, (reasons or [_one_line(error)])[-1], remedy) from None
    finally:
        with suppress(AssertionError):  # so it answers where it never began to connect
            await connection.close()


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "this value"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
