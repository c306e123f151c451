"""As whom does a process work in the database? A role for each kind of work, each with a password of its own.

    write    appends through the one function; keeps what agents, gateways and the scheduler keep
    project  reads the log, owns the read models
    query    reads read models, of one merchant at a time
    audit    reads the log and the read models, of one merchant or, said explicitly, of all
    access   keeps who may come in: digests, sessions, counts of rates; of the log it sees users and keys only
    seal     sums the log up in a Merkle tree, and of the log sees no more than leaf hashes and times

None may change what is in the log. The roles and their rights are in `migrations/0010_roles.sql`
and `0019_seals.sql`.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import Literal, get_args

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

Role = Literal["write", "project", "query", "audit", "access", "seal"]
ALL_MERCHANTS = "-c tillroll.reach=all"
"""An option of a connection that reads across merchants; only `query` and `audit` need it."""
ROLES: tuple[Role, ...] = get_args(Role)
CONNECT_SECONDS = 5
PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Between tries to change a role that somebody else changes too, in seconds."""


class NotPermitted(Exception):
    """Who owns the schema may not do something that it must; the message says who else shall do what."""

    expected = True


def user_of(role: Role) -> str:
    """The name that it has in the database."""
    return f"tillroll_{role}"


def password_of(role: Role, key: bytes) -> str:
    """The role's password, from the installation's key: the same in every process, and in no other place."""
    return hmac.digest(key, f"tillroll database role {role}".encode(), "sha256").hex()


def url_as(database_url: str, role: Role, password: str) -> str:
    """The same database, for the role."""
    return make_conninfo(database_url, user=user_of(role), password=password)


def let_in(database_url: str, passwords: Mapping[Role, str]) -> None:
    """Give the roles these passwords and let them log in, if they can't yet; `database_url` is of who may.

    The server gets verifiers only, so that no log of its statements can hold a password. Raises NotPermitted.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        can = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin")}
        for role, password in passwords.items():
            if user_of(role) not in can or not _gets_in(url_as(database_url, role, password)):
                _set_password(connection, role, password)


def _gets_in(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def _set_password(connection: psycopg.Connection[TupleRow], role: Role, password: str) -> None:
    name = user_of(role)
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    change = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
        sql.Identifier(name), sql.Literal(verifier.decode())
    )
    for pause in PAUSES:
        try:
            connection.execute(change)
        except psycopg.errors.InternalError_:
            # "tuple concurrently updated": roles are the whole server's, and somebody else changes it too
            time.sleep(pause)
        except psycopg.errors.InsufficientPrivilege:
            raise NotPermitted(
                f"{connection.info.user} may not let {name} log in: let who may run ALTER ROLE {name} LOGIN"
                f" PASSWORD '…', and set TILLROLL_{role.upper()}_URL to its address"
            ) from None
        else:
            return
    connection.execute(change)
