"""Is an ID token what the provider signed, for us, now, and for this very sign-in?"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry, Token

from services.access.oidc_http import OidcRefused

ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
"""Signed with a key that only the provider has; never `none`, never a secret that we share (HS…)."""
LEEWAY_S = 60
KEYS_MAX = 50
RSA_BITS_MIN = 2048
SUBJECT_LENGTH_MAX = 255
_HASHES = {"256": sha256, "384": sha384, "512": sha512}


class UnknownKey(Exception):
    """The token names a key that is not in the set: it may be newer than the set."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Collection[str]


def allowed_algorithms(announced: Any) -> frozenset[str]:
    """Of the algorithms that discovery names, those that we accept; raises OidcRefused if none is left."""
    names = announced if isinstance(announced, list) else ["RS256"]
    allowed = ASYMMETRIC.intersection(name for name in names if isinstance(name, str))
    if not allowed:  # an empty collection would mean "the recommended ones" to the library: HS256 too
        raise OidcRefused("algorithm", "the provider signs with no algorithm that is accepted here")
    return allowed


def key_set(document: Mapping[str, Any]) -> KeySet:
    """The public keys of a JWKS that can sign; others in it are passed over."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise OidcRefused("malformed", "the provider's keys are no key set")
    keys = [key for entry in entries[:KEYS_MAX] if (key := _key(entry)) is not None]
    return KeySet(keys)


def _key(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or entry.get("kty") not in {"RSA", "EC"}:
        return None
    try:
        key = JWKRegistry.import_key(entry)
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, OverflowError):
        return None
    strong = key.key_type != "RSA" or key.public_key.key_size >= RSA_BITS_MIN  # type: ignore[union-attr]
    return key if strong else None


def verified_claims(
    token: str, keys: KeySet, expected: Expected, access_token: str, now: int
) -> dict[str, Any]:
    """The claims. Raises UnknownKey, or OidcRefused with the first thing that is wrong."""
    read = _read(token, keys, expected.algorithms)
    _check_claims(read.claims, expected, now)
    _check_audience(read.claims, expected.client_id)
    _check_nonce(read.claims, expected.nonce)
    _check_access_token(read, access_token)
    return read.claims


def _read(token: str, keys: KeySet, algorithms: Collection[str]) -> Token:
    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    try:
        return jwt.decode(token, keys, registry=registry)
    except InvalidKeyIdError:
        raise UnknownKey from None
    except (JoseError, ValueError, TypeError, RecursionError):
        raise OidcRefused("signature", "the ID token is not signed as the provider signs") from None


def _check_claims(claims: dict[str, Any], expected: Expected, now: int) -> None:
    registry = JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": expected.issuer},
        sub={"essential": True},
        aud={"essential": True, "value": expected.client_id},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except ExpiredTokenError:
        raise OidcRefused("expired", "the ID token has expired; sign in again") from None
    except (JoseError, ValueError, TypeError):
        raise OidcRefused("claims", "the ID token is not from this provider, for us and for now") from None
    if not (0 < len(claims["sub"]) <= SUBJECT_LENGTH_MAX and claims["sub"].isprintable()):
        raise OidcRefused("claims", "the ID token names nobody")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """For several parties, or issued to one: that one must be us."""
    audience, party = claims["aud"], claims.get("azp")
    several = isinstance(audience, list) and len(audience) > 1
    if (several or party is not None) and party != client_id:
        raise OidcRefused("audience", "the ID token was issued to somebody else")


def _check_nonce(claims: Mapping[str, Any], nonce: str) -> None:
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(_ascii(said), nonce.encode()):
        raise OidcRefused("nonce", "the ID token belongs to another sign-in")


def _check_access_token(read: Token, access_token: str) -> None:
    """`at_hash`: the first half of the access token's hash, which ties the two together."""
    said = read.claims.get("at_hash")
    if said is None:
        return
    digest = _HASHES[read.header["alg"][2:]](access_token.encode()).digest()
    half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not isinstance(said, str) or not hmac.compare_digest(_ascii(said), half):
        raise OidcRefused("at-hash", "the ID token and the access token do not belong together")


def _ascii(said: str) -> bytes:
    """For a comparison: whatever else stands in it can't be equal to what we made."""
    return said.encode("ascii", errors="replace")
