"""Where is everything? Addresses, ports, directories and secrets: as the environment says, or as `up` chose.

Each field is an environment variable with the prefix TILLROLL_ (`TILLROLL_DATA_DIR`). A running `tillroll up`
leaves the addresses that it chose in `run.json`, so that a command in another terminal finds them; what the
environment says goes first.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, Self

from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eventstore.roles import ROLES, Role, password_of, url_as, user_of
from services.embedded.directory import sync_directory
from services.limit_settings import PREFIX, LimitSettings
from services.runfile import read_run

SECRET_BYTES = 32


class NotRunning(Exception):
    """No system to work with: neither a running `up` nor addresses in the environment."""


class SecretDamaged(ValueError):
    """A file of ours does not hold a secret."""

    expected = True


class OidcSetting(BaseModel):
    """A provider of OpenID Connect that may sign people in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(description="As its discovery document says, letter by letter: https://…")
    client_id: str = Field(min_length=1, description="How the provider knows us.")
    client_secret_file: Path | None = Field(
        default=None, description="Holds the secret that the provider gave us. Relative to data_dir."
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "email", "profile"), description="What we ask to be told."
    )
    trust_email: bool = Field(
        default=False,
        description="Whether an address counts as proven when this provider says that it has verified it.",
    )


class Settings(LimitSettings):
    """Use `Settings.load()`: it also sees what a running `up` chose."""

    data_dir: Path = Field(
        default=Path("var"),
        description="Everything that must survive a restart: databases, journals, keys, logs.",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="A Postgres 18 to use in place of the embedded one, as who owns the schema: postgresql://…"
        " Only `up` and `migrate` need it where every role has an address of its own.",
    )
    write_url: str | None = Field(
        default=None, repr=False, description="The database for who appends, agents and gateways."
    )
    project_url: str | None = Field(
        default=None, repr=False, description="The database for the projector, `rebuild` and `verify`."
    )
    query_url: str | None = Field(
        default=None, repr=False, description="The database for the API's reads: one merchant at a time."
    )
    audit_url: str | None = Field(
        default=None, repr=False, description="The database for reads across merchants: the log, the oracles."
    )
    nats_url: str | None = Field(
        default=None,
        repr=False,
        description="NATS with JetStream in place of the embedded one: nats://…, several with commas.",
    )
    api_host: str = Field(default="127.0.0.1", description="The address that the HTTP API listens on.")
    api_port: int = Field(
        default=8460, ge=0, le=65535, description="The port of the HTTP API; 0: `up` picks a free one."
    )
    internal_host: str = Field(
        default="127.0.0.1",
        description="The address that the webhook listener and the worlds listen on: 0.0.0.0 in containers.",
    )
    webhook_port: int = Field(
        default=0, ge=0, le=65535, description="The port on which the gateways take webhooks; 0: a free one."
    )
    payment_world_port: int = Field(
        default=0, ge=0, le=65535, description="The port of the payment provider's world; 0: a free one."
    )
    carrier_world_port: int = Field(
        default=0, ge=0, le=65535, description="The port of the carrier's world; 0: a free one."
    )
    payment_url: str | None = Field(
        default=None, description="Where the payment provider answers: http://HOST:PORT, no path."
    )
    carrier_url: str | None = Field(
        default=None, description="Where the carrier answers: http://HOST:PORT, no path."
    )
    carrier_urls: dict[str, str] = Field(
        default_factory=dict,
        description="Where single carriers answer, by name, as JSON: {NAME: http://HOST:PORT}. Others are"
        " asked at carrier_url, under /carriers/NAME.",
    )
    webhook_url: str | None = Field(
        default=None, description="Where providers send webhooks: the gateways, http://HOST:PORT, no path."
    )
    projectors: int = Field(
        default=1, ge=1, le=64, description="How many projectors `up` starts: they share the read models."
    )
    agents: int = Field(
        default=1, ge=1, le=64, description="How many agents processes `up` starts: they share the orders."
    )
    ledger_days: int = Field(
        default=30, ge=1, description="How long a repeated Idempotency-Key gets its first answer, in days."
    )
    looks_days: int = Field(
        default=730,
        ge=30,
        description="How long it is kept who looked at whose data, in days.",
    )
    token_issuer: str = Field(
        default="tillroll",
        min_length=1,
        description="The name in access tokens of who made them (`iss`, `aud`).",
    )
    signing_key_days: int = Field(
        default=30, ge=1, description="How long one key signs access tokens, in days."
    )
    session_days: int = Field(
        default=30, ge=1, description="When one must sign in again at the latest, in days."
    )
    session_idle_hours: int = Field(
        default=168, ge=1, description="How long a session lasts that nobody uses, in hours."
    )
    access_url: str | None = Field(
        default=None, repr=False, description="The database for who may come in: sign-in and rates."
    )
    seal_url: str | None = Field(
        default=None,
        repr=False,
        description="The database for the sealer, which sums the log up and signs it.",
    )
    seal_key_file: Path = Field(
        default=Path("secrets/seal.key"),
        description="What the log's checkpoints are signed with. Relative to data_dir.",
    )
    seal_origin: str = Field(
        default="tillroll",
        pattern=r"^[^\s+]{1,200}$",
        description="Who keeps the log, as its checkpoints say it before its id and epoch: example.com/till.",
    )
    seal_directory: Path = Field(
        default=Path("seals"),
        description="Where checkpoints and tiles are copied to: on another machine. Relative to data_dir.",
    )
    seal_kv: bool = Field(
        default=True, description="Whether checkpoints are copied to a key-value bucket of NATS, too."
    )
    seal_webhook_url: str | None = Field(
        default=None, description="Where each checkpoint is posted to, as text/plain: https://…"
    )
    seal_witnesses: str = Field(
        default="",
        description="Whose cosignatures are taken: verifier keys (name+id+key), with spaces between.",
    )
    master_key_file: Path = Field(
        default=Path("secrets/master.key"),
        description="Wraps the keys of data subjects; without it their data is erased. Relative to data_dir.",
    )
    erasures_file: Path = Field(
        default=Path("secrets/erasures.jsonl"),
        description="Whoever was erased, so that no restore brings them back. Relative to data_dir.",
    )
    database_roles_file: Path = Field(
        default=Path("secrets/database_roles.key"),
        description="What the passwords of the database's roles are made from. Relative to data_dir.",
    )
    payment_api_key_file: Path = Field(
        default=Path("secrets/payment_api.key"),
        description="Our key to the payment provider's API, Stripe's sk_…. Relative to data_dir.",
    )
    payment_webhook_secret_file: Path = Field(
        default=Path("secrets/payment_webhook.key"),
        description="What the payment provider signs its webhooks with: whsec_…. Relative to data_dir.",
    )
    carrier_webhook_secret_file: Path = Field(
        default=Path("secrets/carrier_webhook.key"),
        description="What the carrier signs its webhooks with. Relative to data_dir.",
    )
    public_url: str = Field(
        default="",
        description="Where browsers find the API, https://HOST: providers of sign-in send them back there.",
    )
    smtp_url: str | None = Field(
        default=None,
        repr=False,
        description="The mail server: smtps://user:password@host:port, or smtp:// to upgrade to TLS;"
        " without it mails are files in data_dir/mail.",
    )
    mail_from: str = Field(default="tillroll@localhost", description="The sender of our mails.")
    oidc_providers: dict[str, OidcSetting] = Field(
        default={},
        description="Who else may sign people in, as JSON: name -> issuer, client_id, client_secret_file,"
        " scopes, trust_email.",
    )

    @classmethod
    def load(cls, **given: Any) -> Self:
        """What is `given`, else the environment, else what runs in that data_dir, else the defaults."""
        # a directory of files named like the variables, in small letters: how containers are handed secrets
        if directory := os.environ.get(f"{PREFIX}SECRETS_DIR"):
            given["_secrets_dir"] = directory
        settings = cls(**given)
        run = read_run(settings.data_dir)
        if run is None:
            return settings
        chosen = {
            name: value
            for name, value in run.settings.items()
            if name in cls.model_fields and name not in settings.model_fields_set
        }
        return cls(**given | chosen)

    def environment(self) -> dict[str, str]:
        """As variables for a child process, whose working directory may be another."""
        values = self.model_dump(mode="json", exclude_none=True)
        values["data_dir"] = str(self.data_dir.absolute())
        return {
            f"{PREFIX}{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
            for name, value in values.items()
        }

    def url(self, role: Role) -> str:
        """The database, as that role sees it: the address that was given for it, else its password is ours.

        Raises NotRunning where there is neither.
        """
        given: str | None = getattr(self, f"{role}_url")
        if given:
            return given
        if not self.database_url:
            raise NotRunning(
                f"nothing runs in {self.data_dir}: start it with `tillroll up`, or set TILLROLL_DATA_DIR to"
                f" where it runs, or TILLROLL_{role.upper()}_URL or TILLROLL_DATABASE_URL, and"
                " TILLROLL_NATS_URL"
            )
        return url_as(self.database_url, role, password_of(role, self._roles_key()))

    def role_passwords(self) -> dict[Role, str]:
        """What the roles' passwords must be for these settings to work; of users with our names only."""
        if self.database_url:
            # made up here, and nowhere else, where it is missing
            secret(self.data_dir / self.database_roles_file)
        passwords: dict[Role, str] = {}
        for role in ROLES:
            parts = conninfo_to_dict(self.url(role))
            if parts.get("user") == user_of(role) and parts.get("password"):
                passwords[role] = str(parts["password"])
        return passwords

    def of_owner(self, database_url: str) -> Self:
        """The same, with the address of who owns the schema."""
        return self.model_copy(update={"database_url": database_url})

    def of_roles(self, *roles: Role) -> Self:
        """The same for a process that works as these roles: it gets their addresses, and nobody else's."""
        addresses = {f"{role}_url": self.url(role) if role in roles else None for role in ROLES}
        return self.model_copy(update={**addresses, "database_url": None})

    def _roles_key(self) -> bytes:
        file = self.data_dir / self.database_roles_file
        if not file.exists():
            raise NotRunning(
                f"{file} is not there, by which the database knows our roles: set TILLROLL_DATA_DIR or"
                " TILLROLL_DATABASE_ROLES_FILE, or make it with `tillroll migrate`"
            )
        return secret(file)

    def master_key(self) -> bytes:
        """Made up if it is missing: `services.master_key` knows whether it may be."""
        return secret(self.data_dir / self.master_key_file)

    def seal_key(self) -> bytes:
        """The private key (Ed25519), made up if it is missing: the sealer knows whether it may be."""
        return secret(self.data_dir / self.seal_key_file)

    def erasures(self) -> Path:
        return self.data_dir / self.erasures_file

    def provider_url(self, provider: str) -> str:
        """Where the provider of that gateway answers (`payment_url`, …)."""
        return str(getattr(self, f"{provider}_url"))

    def webhook_secret(self, provider: str) -> str:
        """What that provider's webhooks are signed with, as text."""
        return secret_text(self.data_dir / getattr(self, f"{provider}_webhook_secret_file"))

    def payment_api_key(self) -> str:
        return secret_text(self.data_dir / self.payment_api_key_file)

    def oidc_client_secret(self, name: str) -> str:
        """What the provider `name` gave us; empty if it gave us none."""
        file = self.oidc_providers[name].client_secret_file
        return "" if file is None else (self.data_dir / file).read_text().strip()


def wrong_settings(error: ValidationError) -> str:
    """Which variables are wrong, and how: `TILLROLL_API_PORT: …`, without what they hold."""
    return "; ".join(
        f"{PREFIX}{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )


def secret(path: Path) -> bytes:
    """The secret (32 bytes) in a file, which is made up if it is missing: by one process, whoever else tries.

    The file holds base64, so that it can be handed around as text; its mode is 0600.
    """
    with contextlib.suppress(FileNotFoundError):
        return _decoded(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(SECRET_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(
                partial, path
            )  # never replaces: the first of several processes wins, and its file is whole
            sync_directory(path.parent)
    finally:
        Path(partial).unlink()
    return _decoded(path)


def secret_text(path: Path) -> str:
    """A secret that another party has made up, or else a new one of ours: whatever text is in the file."""
    if not path.exists():
        secret(path)
    if not (text := path.read_text().strip()):
        raise SecretDamaged(f"{path} is empty: put the right file back")
    return text


def _decoded(path: Path) -> bytes:
    try:
        value = base64.b64decode(path.read_bytes().strip(), validate=True)
    except ValueError:
        value = b""
    if len(value) != SECRET_BYTES:
        raise SecretDamaged(f"{path} does not hold {SECRET_BYTES} bytes in base64: put the right file back")
    return value
