"""What comes in and goes out of the routes of access; nothing goes out that its reader does not need."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from commands.fields import Body, Text
from domain.permissions import PLATFORM
from domain.streams import merchant_stream
from services.access.parts import WantedParts
from services.web.access import Allowed, Grant, Principal
from services.web.problems import Problem, unknown_merchant

Address = Annotated[Text, Field(min_length=1, max_length=254, examples=["ana@example.com"])]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=256)]
Code = Annotated[Text, Field(min_length=1, max_length=40, examples=["123456"])]
UserId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{32}$", description="the user", examples=["0190c3f2a1b47c3d8e9f001122334455"]),
]


async def user_of(asked: Allowed) -> Principal:
    """Who asks, if it is a user: an API key has neither password nor sessions."""
    if asked.principal.kind != "user":
        raise Problem(403, "users-only", "this is for users, who sign in; an API key has no such thing")
    return asked.principal


Me = Annotated[Principal, Depends(user_of)]
"""The type of a route's parameter that wants the user who asks."""


async def merchant_of(asked: Allowed, access: WantedParts) -> str:
    """The merchant whose members and keys these are; a 400 problem for one that nobody registered."""
    name = asked.merchant
    (state,) = await access.executor.states.load([merchant_stream(name)]) if name else (None,)
    if state is None or not state.state.registered or name == PLATFORM:
        raise unknown_merchant(name)
    return name


AtMerchant = Annotated[str, Depends(merchant_of)]
"""The type of a route's parameter that wants the merchant that it is about."""


async def never_kept(response: Response) -> None:
    """For routers whose answers hold secrets."""
    response.headers["Cache-Control"] = "no-store"


class SignInBody(Body):
    """`session` says by what it goes on: by tokens that a program keeps, or by a browser's cookie."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "ana@example.com", "password": "correct horse battery"}]}
    )

    email: Address
    password: Secret
    code: Code | None = Field(None, description="of the authenticator, or a recovery code")
    session: Literal["token", "cookie"] = "token"


class PublicKey(BaseModel):
    """An elliptic curve's point, as RFC 7517 and RFC 7518 write it."""

    kty: str = Field(examples=["EC"])
    crv: str = Field(examples=["P-256"])
    kid: str = Field(description="as in the header of a token that it verifies")
    x: str
    y: str
    use: str = Field(examples=["sig"])
    alg: str = Field(examples=["ES256"])


class PublicKeys(BaseModel):
    keys: list[PublicKey]


class SignedIn(BaseModel):
    """A session. Tokens are shown here and nowhere else."""

    session_id: str
    session: Literal["token", "cookie"]
    access_token: str | None = Field(None, description="for `Authorization: Bearer`; null with a cookie")
    expires_in: int | None = Field(
        None, description="seconds that the access token is good for", examples=[300]
    )
    refresh_token: str | None = Field(None, description="good for once; its answer brings the next")
    csrf_token: str | None = Field(
        None, description="with a cookie: for the header `Tillroll-CSRF` of all that changes something"
    )


class RefreshBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": "tlr_rt_…"}]})

    refresh_token: Secret


class Ended(BaseModel):
    """How many sessions were ended."""

    ended: int = Field(examples=[1])


class GrantAnswer(BaseModel):
    """A role and what it allows."""

    merchant: str | None = Field(description="null: on the platform", examples=["m1"])
    role: str = Field(examples=["owner"])
    permissions: list[str] = Field(examples=[["orders:read"]])
    subject: str | None = Field(None, description="a customer's: the one person of whose data it sees")

    @classmethod
    def of(cls, merchant: str | None, grant: Grant) -> GrantAnswer:
        return cls(
            merchant=merchant,
            role=grant.role,
            permissions=sorted(grant.permissions),
            subject=grant.subject or None,
        )


class MeAnswer(BaseModel):
    """Who asks, and what it may do."""

    id: str
    kind: Literal["user", "key"]
    email: str | None = Field(description="a user's", examples=["ana@example.com"])
    second_factor: bool
    grants: list[GrantAnswer]
    csrf_token: str | None = Field(None, description="where a cookie was sent")


class SessionAnswer(BaseModel):
    """A way in that is open."""

    session_id: str
    session: Literal["token", "cookie"] = Field(validation_alias="kind")
    client: str = Field(description="what it says of itself", examples=["Mozilla/5.0"])
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool = Field(description="the one that asks")


class ChangePasswordBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"password": "the one so far", "new_password": "a longer one than that"}]
        }
    )

    password: Secret
    new_password: Secret
    code: Code | None = Field(None, description="where there is a second factor")


class ResetBody(Body):
    email: Address


class Accepted(BaseModel):
    """The same for every address, known or not."""

    detail: str = Field(examples=["if somebody has this address, a message is on its way"])


class ConfirmResetBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"token": "tlr_su_…", "password": "correct horse battery"}]}
    )

    token: Secret
    password: Secret


class PasswordSet(BaseModel):
    """Sign in with it: every session is over."""

    user_id: str


class ProveBody(Body):
    """Who changes how one gets in shows the password again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "correct horse battery"}]})

    password: Secret
    code: Code | None = Field(None, description="where there is a second factor")


class ProposedSeed(BaseModel):
    """For an authenticator; it counts once a code of it was shown."""

    seed: str = Field(examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(description="what authenticators scan as a QR code")


class ConfirmCodeBody(Body):
    code: Code


class RecoveryCodes(BaseModel):
    """Each is good for once, in place of a code. Shown here and nowhere else."""

    recovery_codes: list[str]


class SecondFactorState(BaseModel):
    second_factor: bool = Field(examples=[False])
