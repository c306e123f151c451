"""What comes in and goes out about members, users of the platform and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from commands.fields import Body, Text
from domain.permissions import on_platform
from domain.user import User
from services.access.api_keys import Shown
from services.access.models import Address
from services.access.users import Member

EXPIRY_DAYS_MAX = 366
_NAMES = sorted(on_platform())


def _known(name: str) -> str:
    if name not in on_platform():
        raise PydanticCustomError("permission", f"there is no such permission; there are {', '.join(_NAMES)}")
    return name


Permission = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"enum": _NAMES}, examples=["orders:read"])
]
Permissions = Annotated[tuple[Permission, ...], Field(max_length=50)]
MerchantRole = Literal["owner", "staff", "customer", "auditor"]
PlatformRole = Literal["admin", "auditor", "operator"]


class MemberRoleBody(Body):
    """A role at the merchant."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"role": "staff", "permissions": ["orders:read", "stock:read"]}]}
    )

    role: MerchantRole
    permissions: Annotated[Permissions, Field(description="for staff, who have no others")] = ()
    customer: Annotated[
        Text,
        Field(
            max_length=200,
            description="for a customer: whose orders it sees, by the `customer_unique_id` of"
            " these orders, or the `customer_id` where they have no other",
            examples=["c-4711"],
        ),
    ] = ""


class InviteMemberBody(MemberRoleBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "ana@example.com", "role": "owner"}]})

    email: Address


class PlatformRoleBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "operator"}]})

    role: PlatformRole


class InvitePlatformUserBody(PlatformRoleBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "ana@example.com", "role": "operator"}]}
    )

    email: Address


class UserAnswer(BaseModel):
    """The user that it was about."""

    user_id: str = Field(examples=["0190c3f2a1b47c3d8e9f001122334455"])


class MemberAnswer(BaseModel):
    """A member, as those of the same merchant see it: what it is elsewhere is not theirs to know."""

    user_id: str
    email: str | None = Field(description="null once the person is erased", examples=["ana@example.com"])
    role: str = Field(examples=["staff"])
    permissions: list[str]
    subject: str | None
    status: Literal["invited", "active", "disabled"]

    @classmethod
    def of(cls, member: Member, merchant: str) -> MemberAnswer:
        held = member.user.grants[merchant]
        return cls(
            user_id=member.user_id,
            email=member.email,
            role=held.role,
            permissions=sorted(held.permissions),
            subject=held.subject or None,
            status=_status(member.user),
        )


def _status(user: User) -> Literal["invited", "active", "disabled"]:
    if user.disabled:
        return "disabled"
    return "active" if user.joined else "invited"


class IssueKeyBody(Body):
    """No key has more permissions than who asks for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "web shop", "permissions": ["orders:write"], "expires_in_days": 90}]
        }
    )

    name: Annotated[Text, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    permissions: Annotated[Permissions, Field(min_length=1)]
    expires_in_days: Annotated[int, Field(ge=1, le=EXPIRY_DAYS_MAX, strict=True)] = 90


class KeyAnswer(BaseModel):
    """A key without its secret."""

    key_id: str
    name: str = Field(examples=["web shop"])
    permissions: list[str] = Field(examples=[["orders:write"]])
    issued_by: str = Field(examples=["user:0190c3f2a1b47c3d8e9f001122334455"])
    expires_at: datetime
    last_used_at: datetime | None = Field(description="to the minute")
    revoked: bool

    @classmethod
    def of(cls, shown: Shown) -> KeyAnswer:
        return cls(**_fields(shown))


class NewKey(KeyAnswer):
    """A key with its secret, which is shown here and nowhere else."""

    key: str = Field(examples=["tlr_key_…"])

    @classmethod
    def made(cls, shown: Shown) -> NewKey:
        return cls(**_fields(shown), key=shown.secret)


def _fields(shown: Shown) -> dict[str, object]:
    issued = shown.issued
    return {
        "key_id": issued.key_id,
        "name": issued.name,
        "permissions": list(issued.permissions),
        "issued_by": issued.issued_by,
        "expires_at": issued.expires_at,
        "last_used_at": shown.last_used_at,
        "revoked": shown.revoked,
    }


class KeyRevoked(BaseModel):
    key_id: str
    revoked: Literal[True] = True
