"""How much is too much? The settings of the limits, with defaults for one machine of two cores."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "TILLROLL_"


class LimitSettings(BaseSettings):
    """Part of `services.settings.Settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    rate_address: str = Field(
        default="12000 per minute", description="How many requests from one address, all clients behind it."
    )
    rate_principal: str = Field(
        default="6000 per minute", description="How many requests of one user or API key."
    )
    rate_sign_in_address: str = Field(
        default="60 per 15 minutes", description="How many attempts to sign in from one address."
    )
    rate_sign_in_account: str = Field(
        default="20 per 15 minutes", description="How many attempts to sign in to one account."
    )
    trusted_proxies: str | None = Field(
        default=None,
        description="Proxies whose X-Forwarded-For is believed: networks (10.0.0.0/8), with commas.",
    )
    working_max: int = Field(default=100, ge=1, description="How many requests are worked on at once.")
    waiting_max: int = Field(
        default=256, ge=0, description="How many more may wait for that; one too many is answered 503."
    )
    waiting_seconds: float = Field(
        default=2.0, gt=0, description="How long a request waits to be worked on before it is answered 503."
    )
    resting_max: int = Field(
        default=500, ge=0, description="How many requests may wait for news (`Prefer: wait`) at once."
    )
    request_seconds: float = Field(
        default=35.0,
        gt=5,
        description="How long a request is worked on before it is answered 503; a query has 5 s less.",
    )
    body_bytes_max: int = Field(default=512 * 1024, ge=1024, description="Bytes of a request's body.")
    bodies_bytes_max: int = Field(
        default=64 * 2**20, ge=1024, description="Bytes of all bodies that are in hand at once."
    )
    body_pause_seconds: float = Field(
        default=10.0, gt=0, description="How long a body may stand still before it is answered 408."
    )
    body_seconds: float = Field(default=30.0, gt=0, description="How long a whole body may take.")
    json_depth_max: int = Field(default=32, ge=8, description="How deep JSON may be nested.")
    head_bytes_max: int = Field(
        default=32 * 1024, ge=1024, description="Bytes of a request's line and headers together."
    )
    head_fields_max: int = Field(default=100, ge=8, description="How many headers a request may have.")
    head_seconds: float = Field(
        default=10.0, gt=0, description="How long the head of a request may take before it is answered 408."
    )
    stall_seconds: float = Field(
        default=10.0, gt=0, description="How long a client may take 16 KiB of an answer before it is cut off."
    )
    connections_max: int = Field(default=800, ge=1, description="How many connections are open at once.")
    connections_per_address_max: int = Field(
        default=256, ge=1, description="How many of them from one address that is no trusted proxy."
    )
    allowed_hosts: str | None = Field(
        default=None,
        description="Names that the header Host may hold, *.example.org for all below, with commas; any.",
    )
    cors_origins: str | None = Field(
        default=None,
        description="Origins whose pages may call the API: https://shop.example.org, with commas; none.",
    )
    behind_tls: bool = Field(
        default=False,
        description="Whether clients reach it by https only: then they are told so for good (HSTS).",
    )

    @property
    def query_seconds(self) -> float:
        """The database gives up first, so that the answer says which it was."""
        return self.request_seconds - 5.0


def listed(text: str | None) -> list[str]:
    """`a, b` as a list."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
