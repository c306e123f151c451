"""Does a secret stand anywhere but where it may? Each kind is planted, and searched for everywhere.

What is kept of a secret is a digest, a hash or sealed, so no table may hold one as it is: none is left out.
"""

from __future__ import annotations

import hashlib
import logging
from base64 import b32decode, b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import structlog

from domain.permissions import PLATFORM
from services.access.second_factor import code_at
from services.logs import configure_logs
from tests.integration.access_client import PASSWORD, Doors, doors

NEW_PASSWORD = "marker of a password 71"
WRONG = "marker of a wrong password 72"
EMAIL = "marker-73@example.com"


@pytest.fixture
def logs(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Everything that is said, at the most talkative level."""
    configure_logs()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield capfd
    structlog.reset_defaults()


async def live(door: Doors) -> tuple[dict[str, str], list[str]]:
    """A user's whole life; its secrets by kind, and the bodies of answers that must not show one."""
    await door.user(EMAIL, "m1", "owner")
    await door.user("root@example.com", PLATFORM, "admin")
    bodies: list[str] = []
    await door.post("/v1/auth/password-reset", body={"email": EMAIL})
    await door.access.later.settle()
    secrets = {"password": NEW_PASSWORD, "wrong": WRONG, "reset token": door.letters.token(EMAIL)}
    for password in ("short", NEW_PASSWORD, NEW_PASSWORD):
        body = {"token": secrets["reset token"], "password": password, "surprise": password}
        bodies.append((await door.post("/v1/auth/password-reset/confirm", body=body)).text)
        del body["surprise"]
        bodies.append((await door.post("/v1/auth/password-reset/confirm", body=body)).text)
    signed_in = await door.sign_in(EMAIL, password=NEW_PASSWORD)
    access = secrets["access token"] = signed_in["access_token"]
    secrets["refresh token"] = signed_in["refresh_token"]
    cookie = await door.try_sign_in(EMAIL, NEW_PASSWORD, session="cookie")
    secrets["cookie"] = cookie.cookies["__Host-tillroll"]
    secrets["csrf"] = cookie.json()["csrf_token"]
    proposed = await door.post("/v1/auth/second-factor", access, {"password": NEW_PASSWORD})
    secrets["seed"] = proposed.json()["seed"]
    code = code_at(secrets["seed"], door.clock.now())
    codes = await door.post("/v1/auth/second-factor/confirm", access, {"code": code})
    secrets["recovery code"], secrets["used recovery code"], *_ = codes.json()["recovery_codes"]
    await door.try_sign_in(EMAIL, NEW_PASSWORD, code=secrets["used recovery code"])
    issued = {"name": "till", "permissions": ["orders:read"]}
    secrets["api key"] = (await door.post("/v1/api-keys", access, issued)).json()["key"]
    again = {"refresh_token": secrets["refresh token"]}
    successor = (await door.post("/v1/auth/refresh", body=again)).json()
    secrets["successor"] = successor["refresh_token"]
    for secret in secrets.values():
        bodies.append((await door.get("/v1/auth/me", secret)).text)
        bodies.append((await door.get("/v1/work/orders", "tlr_key_" + secret)).text)
        bodies.append((await door.post("/v1/auth/refresh", body={"refresh_token": secret})).text)
        bodies.append((await door.try_sign_in(EMAIL, secret, code=secret, extra=secret)).text)
        bodies.append((await door.try_sign_in(EMAIL, secret[:200], code=secret[:30])).text)
        bodies.append((await door.get("/v1/api-keys", access, Cookie=f"__Host-tillroll={secret}")).text)
    root = await door.token("root@example.com")
    paths = ("/v1/users", "/v1/api-keys", "/v1/auth/sessions", "/v1/auth/me", "/v1/platform/users")
    bodies.extend([(await door.get(path, root, merchant="m1")).text for path in paths])
    return secrets, bodies


def forms(secret: str) -> list[bytes]:
    """The ways in which a secret may be written down: as it is, in hex, in base64 (one of its shifts)."""
    raw = secret.encode()
    found = [raw, raw.hex().encode(), b64encode(raw)[:-4], urlsafe_b64encode(raw)[:-4]]
    if secret.isupper() and len(secret) % 8 == 0:
        seed = b32decode(secret)
        found += [seed.hex().encode(), seed]
    return found


def shown(secrets: dict[str, str], text: bytes) -> list[str]:
    return [kind for kind, secret in secrets.items() if any(form in text for form in forms(secret))]


def everything(database: str) -> Iterator[tuple[str, bytes]]:
    """Each table with all its rows as text, and what stands in its bytes."""
    with psycopg.connect(database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT t::text, t.* FROM {table} AS t".encode()).fetchall()
            text = repr(rows).encode()
            raw = b"".join(
                bytes(each) for row in rows for each in row if isinstance(each, bytes | memoryview)
            )
            yield table, text + raw


async def test_a_secret_stands_nowhere(
    database: str, tmp_path: Path, logs: pytest.CaptureFixture[str]
) -> None:
    async with doors(database, tmp_path) as door:
        secrets, bodies = await live(door)
        openapi = str(door.app.openapi())
        events = str(await door.facts())
    assert len(secrets) == 12
    kept = dict(everything(database))
    assert {"credentials", "sessions", "refresh_tokens", "events", "commands", "single_use_tokens"} <= set(
        kept
    )
    for table, text in kept.items():
        assert shown(secrets, text) == [], table
        assert shown({"address": EMAIL, "first password": PASSWORD}, text) == [], table
    said = "".join(logs.readouterr())
    for where, words in (("logs", said), ("openapi", openapi), ("events", events)):
        assert shown(secrets | {"address": EMAIL}, words.encode()) == [], where
    for body in bodies:
        assert shown(secrets, body.encode()) == [], body


async def test_the_search_finds_what_is_planted(database: str, tmp_path: Path) -> None:
    async with doors(database, tmp_path) as door:
        secrets, _ = await live(door)
    with psycopg.connect(database, autocommit=True) as connection:
        for kind, secret in secrets.items():
            connection.execute("UPDATE credentials SET totp_pending = %s", (secret.encode(),))
            assert kind in shown(secrets, dict(everything(database))["credentials"])
            connection.execute("UPDATE sessions SET client = %s", (secret,))
            assert kind in shown(secrets, dict(everything(database))["sessions"])


async def test_what_is_kept_is_a_digest(database: str, tmp_path: Path) -> None:
    async with doors(database, tmp_path) as door:
        secrets, _ = await live(door)
    kept = dict(everything(database))
    for kind, table in (("refresh token", "refresh_tokens"), ("api key", "api_key_secrets")):
        assert hashlib.sha256(secrets[kind].encode()).hexdigest().encode() in kept[table]
    assert b"$argon2id$" in kept["credentials"]
