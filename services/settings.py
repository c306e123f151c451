"""Where is everything? Addresses, ports, directories and secrets: as the environment says, or as `up` chose.

Each field is an environment variable with the prefix TILLROLL_ (`TILLROLL_DATA_DIR`). A running `tillroll up`
leaves the addresses that it chose in `run.json`, so that a command in another terminal finds them; what the
environment says goes first.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.embedded.directory import sync_directory
from services.runfile import read_run

PREFIX = "TILLROLL_"
SECRET_BYTES = 32


class SecretDamaged(ValueError):
    """A file of ours does not hold a secret."""

    expected = True


class Settings(BaseSettings):
    """Use `Settings.load()`: it also sees what a running `up` chose."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(
        default=Path("var"),
        description="Everything that must survive a restart: databases, journals, keys, logs.",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="A Postgres 18 to use in place of the embedded one: postgresql://…",
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
    webhook_url: str | None = Field(
        default=None, description="Where providers send webhooks: the gateways, http://HOST:PORT, no path."
    )
    ledger_days: int = Field(
        default=30, ge=1, description="How long a repeated Idempotency-Key gets its first answer, in days."
    )
    master_key_file: Path = Field(
        default=Path("secrets/master.key"),
        description="Wraps the keys of data subjects; without it their data is erased. Relative to data_dir.",
    )
    payment_webhook_secret_file: Path = Field(
        default=Path("secrets/payment_webhook.key"),
        description="What the payment provider signs its webhooks with. Relative to data_dir.",
    )
    carrier_webhook_secret_file: Path = Field(
        default=Path("secrets/carrier_webhook.key"),
        description="What the carrier signs its webhooks with. Relative to data_dir.",
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
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}

    def master_key(self) -> bytes:
        """Made up if it is missing: `services.master_key` knows whether it may be."""
        return secret(self.data_dir / self.master_key_file)

    def payment_webhook_secret(self) -> bytes:
        return secret(self.data_dir / self.payment_webhook_secret_file)

    def carrier_webhook_secret(self) -> bytes:
        return secret(self.data_dir / self.carrier_webhook_secret_file)


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


def _decoded(path: Path) -> bytes:
    try:
        value = base64.b64decode(path.read_bytes().strip(), validate=True)
    except ValueError:
        value = b""
    if len(value) != SECRET_BYTES:
        raise SecretDamaged(f"{path} does not hold {SECRET_BYTES} bytes in base64: put the right file back")
    return value
