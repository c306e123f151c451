"""A provider of OpenID Connect that keeps the rules, unless a test has it break one.

It signs with joserfc and checks PKCE, the redirect address and that a code is used once, as a good one does.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import RSAKey
from yarl import URL

from eventstore.seams import Clock

CLIENT_ID = "tillroll"
ACCESS_TOKEN = "access-token-MARKER"
Change = Callable[[dict[str, Any]], Any]


@cache
def a_key(number: int) -> RSAKey:
    """Of each number one: making them takes a while."""
    return RSAKey.generate_key(2048, auto_kid=True)


@dataclass
class Liar:
    """What it shows and says; a test changes the parts."""

    clock: Clock
    url: str = ""
    shown_keys: list[RSAKey] = field(default_factory=list)
    signing_key: RSAKey = field(default_factory=lambda: a_key(0))
    algorithm: str = "RS256"
    checks_pkce: bool = True
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    make_token: Callable[[Liar, dict[str, Any]], str] | None = None
    answers: dict[str, Callable[[], Any]] = field(default_factory=dict)
    """By path: a response in place of the right one."""
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shown_keys = self.shown_keys or [self.signing_key]

    def authorize(self, url: str) -> dict[str, str]:
        """What a person who agrees is sent back with."""
        query = dict(URL(url).query)
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def asked_for(self, path: str) -> int:
        return self.asked.count(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path in self.answers:
            answer = self.answers[request.path]()
            return await answer(request) if asyncio.iscoroutinefunction(answer) else answer
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(self._discovery())
            case "/keys":
                keys = [key.as_dict(private=False, use="sig", alg="RS256") for key in self.shown_keys]
                return web.json_response({"keys": keys})
            case "/token":
                return self._token(dict(await request.post()))  # type: ignore[arg-type]
            case "/userinfo":
                assert request.headers["Authorization"] == f"Bearer {ACCESS_TOKEN}"
                return web.json_response({"sub": "u1"} | self.userinfo)
        raise web.HTTPNotFound

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        } | self.metadata

    def _token(self, form: dict[str, str]) -> web.Response:
        self.forms.append(form)
        begun = self.codes.pop(form["code"], None)
        challenge = _encoded(sha256(form["code_verifier"].encode()).digest())
        if (
            begun is None
            or begun["redirect_uri"] != form["redirect_uri"]
            or (self.checks_pkce and begun["code_challenge"] != challenge)
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = self._signed(self._claims(begun["nonce"]))
        answer = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": token}
        return web.json_response(answer)

    def _claims(self, nonce: str) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        said = {
            "iss": self.url,
            "sub": "u1",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "email": "ana@example.com",
            "email_verified": True,
            "name": "Ana",
        }
        return {name: value for name, value in (said | self.claims).items() if value is not None}

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.make_token is not None:
            return self.make_token(self, claims)
        header = {"alg": self.algorithm, "kid": self.signing_key.kid}
        return jws.serialize_compact(
            header, json.dumps(claims), self.signing_key, algorithms=[self.algorithm]
        )


def unsigned(_: Liar, claims: dict[str, Any]) -> str:
    """A token of the algorithm `none`."""
    return _signed_part({"alg": "none"}, claims) + "."


def signed_with_the_public_key(liar: Liar, claims: dict[str, Any]) -> str:
    """A token of HS256 whose secret is the key that everybody knows."""
    text = _signed_part({"alg": "HS256", "kid": liar.signing_key.kid}, claims)
    return f"{text}.{_encoded(hmac.digest(liar.signing_key.as_pem(private=False), text.encode(), sha256))}"


def with_its_own_key(liar: Liar, claims: dict[str, Any]) -> str:
    """A token that brings the key along which it is signed with."""
    header = {"alg": "RS256", "kid": liar.signing_key.kid, "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}
    text = _signed_part(header, claims)
    signature = a_key(7).get_op_key("sign").sign(text.encode(), PKCS1v15(), SHA256())
    return f"{text}.{_encoded(signature)}"


def _signed_part(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@asynccontextmanager
async def liar_running(clock: Clock) -> AsyncIterator[Liar]:
    """On loopback, on a free port."""
    liar = Liar(clock)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", liar.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    liar.url = f"http://{host}:{port}"
    try:
        yield liar
    finally:
        await runner.cleanup()
