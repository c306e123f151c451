"""Sign-in by somebody else: how is a person sent to an OpenID provider, and who is it that comes back?

The authorization code flow with PKCE. `begin` makes what the browser is sent with; `finish` takes what it
comes back with, exchanges the code and checks the ID token. What is begun must be kept by the caller, bound
to the browser: `services/access/oidc_routes.py` keeps it in a sealed cookie.
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

import aiohttp
from yarl import URL

from eventstore.seams import Clock
from services.access.oidc_http import OidcRefused, fetch_object, is_safe, open_oidc_http
from services.access.oidc_refreshed import Refreshed
from services.access.oidc_token import (
    Expected,
    UnknownKey,
    allowed_algorithms,
    key_set,
    verified_claims,
)
from services.loopback import is_loopback
from services.settings import Settings

__all__ = ["Begun", "Client", "Identity", "OidcProvider", "OidcRefused", "open_oidc"]

TEXT_LENGTH_MAX = 320
TOKEN_LENGTH_MAX = 16 * 1024
_ERRORS = frozenset(
    {"access_denied", "interaction_required", "login_required", "consent_required", "temporarily_unavailable"}
)
"""Errors of a provider that are named to the person; the others are our mistake, or its own."""


@dataclass(frozen=True, slots=True)
class Client:
    """How a provider knows us, and whether we take its word for an address.

    Without a `secret` we are a public client: PKCE alone ties the code to us.
    """

    issuer: str
    client_id: str
    secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    trust_email: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that waits for its person: where to send them, and what must fit when they come back."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who came back. Only issuer and subject together name a person; an address may change hands.

    `email_verified` is true only if the provider says so and the setting `trust_email` believes it.
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str


@dataclass(frozen=True, slots=True)
class _Metadata:
    """What discovery told."""

    authorization: URL
    token: URL
    keys: URL
    userinfo: URL | None
    algorithms: frozenset[str]
    announces_issuer: bool
    posts_secret: bool


class OidcProvider:
    """One provider. Raises ValueError for an issuer that can't be asked safely."""

    def __init__(
        self,
        client: Client,
        http: aiohttp.ClientSession,
        clock: Clock,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        issuer = URL(client.issuer)
        self._on_loopback = is_loopback(issuer.host)
        if not is_safe(issuer, loopback=self._on_loopback) or issuer.query_string:
            raise ValueError(f"an issuer is an https address, or http on loopback: {client.issuer}")
        self._client = client
        self._http = http
        self._clock = clock
        self._metadata = Refreshed(self._discover, now)
        self._keys = Refreshed(self._fetch_keys, now)

    async def begin(self, redirect_uri: str) -> Begun:
        """A new sign-in, which comes back to `redirect_uri`."""
        metadata = await self._metadata.get()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = metadata.authorization.update_query(
            response_type="code",
            client_id=self._client.client_id,
            redirect_uri=redirect_uri,
            scope=" ".join(dict.fromkeys(("openid", *self._client.scopes))),
            state=state,
            nonce=nonce,
            code_challenge=_unpadded(sha256(verifier.encode()).digest()),
            code_challenge_method="S256",
        )
        return Begun(str(url), state, nonce, verifier)

    async def finish(self, begun: Begun, redirect_uri: str, parameters: Mapping[str, str]) -> Identity:
        """Who it is, by the parameters that the browser came back with."""
        if not hmac.compare_digest(parameters.get("state", "").encode(), begun.state.encode()):
            raise OidcRefused("state", "this answer belongs to another sign-in; begin again")
        metadata = await self._metadata.get()
        self._check_issuer(metadata, parameters.get("iss"))
        code = _code(parameters)
        tokens = await self._exchange(metadata, begun, redirect_uri, code)
        access_token = _text(tokens, "access_token", TOKEN_LENGTH_MAX)
        claims = await self._claims(
            metadata, begun, _text(tokens, "id_token", TOKEN_LENGTH_MAX), access_token
        )
        if not claims.get("email"):
            claims = claims | await self._userinfo(metadata, access_token, claims["sub"])
        return self._identity(claims)

    def _check_issuer(self, metadata: _Metadata, said: str | None) -> None:
        """RFC 9207: the answer says whose it is, so that one provider's code is not taken to another."""
        if said is None and not metadata.announces_issuer:
            return
        if said != self._client.issuer:
            raise OidcRefused("issuer", "this answer does not come from the provider that was asked")

    async def _discover(self) -> _Metadata:
        what = "discovery document"
        url = URL(self._client.issuer.rstrip("/") + "/.well-known/openid-configuration")
        document = await fetch_object(self._http, url, what)
        if document.get("issuer") != self._client.issuer:
            raise OidcRefused("discovery", f"the provider's {what} is for another issuer")
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Metadata(
            authorization=self._endpoint(document, "authorization_endpoint"),
            token=self._endpoint(document, "token_endpoint"),
            keys=self._endpoint(document, "jwks_uri"),
            userinfo=self._endpoint(document, "userinfo_endpoint")
            if "userinfo_endpoint" in document
            else None,
            algorithms=allowed_algorithms(document.get("id_token_signing_alg_values_supported")),
            announces_issuer=document.get("authorization_response_iss_parameter_supported") is True,
            posts_secret=isinstance(methods, list) and "client_secret_basic" not in methods,
        )

    def _endpoint(self, document: Mapping[str, Any], name: str) -> URL:
        try:
            url = URL(str(document.get(name) or ""))
        except ValueError:
            url = URL()
        if not is_safe(url, loopback=self._on_loopback):
            raise OidcRefused("discovery", f"the provider's discovery document has no safe {name}")
        return url

    async def _exchange(
        self, metadata: _Metadata, begun: Begun, redirect_uri: str, code: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": begun.verifier,
            "client_id": self._client.client_id,
        }
        headers = {}
        if self._client.secret and metadata.posts_secret:
            form["client_secret"] = self._client.secret
        elif self._client.secret:
            pair = f"{quote_plus(self._client.client_id)}:{quote_plus(self._client.secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        tokens = await fetch_object(self._http, metadata.token, "token endpoint", form=form, headers=headers)
        if str(tokens.get("token_type", "")).lower() != "bearer":
            raise OidcRefused("malformed", "the provider's token endpoint gave no bearer token")
        return tokens

    async def _claims(
        self, metadata: _Metadata, begun: Begun, token: str, access_token: str
    ) -> dict[str, Any]:
        """Checked with the keys that we know; with newer ones if it names one that we don't."""
        expected = Expected(self._client.issuer, self._client.client_id, begun.nonce, metadata.algorithms)
        now = int(self._clock.now().timestamp())
        keys = await self._keys.get()
        try:
            return verified_claims(token, keys, expected, access_token, now)
        except UnknownKey:
            keys = await self._keys.newer(keys)
        try:
            return verified_claims(token, keys, expected, access_token, now)
        except UnknownKey:
            raise OidcRefused(
                "key", "the ID token is signed with a key that the provider does not show"
            ) from None

    async def _fetch_keys(self) -> Any:
        metadata = await self._metadata.get()
        return key_set(await fetch_object(self._http, metadata.keys, "key set"))

    async def _userinfo(self, metadata: _Metadata, access_token: str, subject: str) -> dict[str, Any]:
        """What the ID token left out; it must be about the same person."""
        if metadata.userinfo is None:
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        claims = await fetch_object(self._http, metadata.userinfo, "userinfo", headers=headers)
        if claims.get("sub") != subject:
            raise OidcRefused("userinfo", "the provider's userinfo is about somebody else")
        return {name: claims[name] for name in ("email", "email_verified", "name") if name in claims}

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        return Identity(
            issuer=self._client.issuer,
            subject=claims["sub"],
            email=_shown(claims.get("email")),
            # some providers write booleans as text
            email_verified=self._client.trust_email and claims.get("email_verified") in (True, "true"),
            name=_shown(claims.get("name")),
        )


@asynccontextmanager
async def open_oidc(settings: Settings, clock: Clock) -> AsyncIterator[dict[str, OidcProvider]]:
    """The providers of the settings by name; none of them is asked for anything yet."""
    async with open_oidc_http() as http:
        yield {
            name: OidcProvider(
                Client(
                    issuer=each.issuer,
                    client_id=each.client_id,
                    secret=settings.oidc_client_secret(name),
                    scopes=each.scopes,
                    trust_email=each.trust_email,
                ),
                http,
                clock,
            )
            for name, each in settings.oidc_providers.items()
        }


def _code(parameters: Mapping[str, str]) -> str:
    error = parameters.get("error")
    if error is not None:
        named = f" ({error})" if error in _ERRORS else ""
        raise OidcRefused("provider-refused", f"the provider did not sign you in{named}")
    code = parameters.get("code", "")
    if not code:
        raise OidcRefused("malformed", "this answer holds no code; begin again")
    return code


def _text(tokens: Mapping[str, Any], name: str, length_max: int) -> str:
    value = tokens.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= length_max or not value.isascii():
        raise OidcRefused("malformed", f"the provider's token endpoint gave no {name}")
    return value


def _shown(value: Any) -> str:
    """A text to keep and show; what is too long or not printable counts as not said."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= TEXT_LENGTH_MAX else ""


def _unpadded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
