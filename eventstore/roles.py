"""As whom does a process work in the database? A role for each kind of work, each with a password of its own.

    write    appends through the one function; keeps what agents, gateways and the scheduler keep
    project  reads the log, owns the read models
    query    reads read models, of one merchant at a time
    audit    reads the log and the read models, of one merchant or, said explicitly, of all
    access   keeps who may come in: digests, sessions, counts of rates; of the log it sees users and keys only

None may change what is in the log. The roles and their rights are in `migrations/0010_roles.sql`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Literal, get_args

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

Role = Literal["write", "project", "query", "audit", "access"]
ALL_MERCHANTS = "-c tillroll.reach=all"
"""An option of a connection that reads across merchants; only `query` and `audit` need it."""
ROLES: tuple[Role, ...] = get_args(Role)


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
    """Give the roles these passwords and let them log in; `database_url` is of who may.

    The server gets verifiers only, so that no log of its statements can hold a password.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role, password in passwords.items():
            name = user_of(role)
            verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(verifier.decode())
                )
            )
