"""Who may come in to a demo? An admin, an owner of the merchant `demo`, and a key: made up once, and kept.

What they come in with is in a file of the data directory that only its owner reads, so that the next start
can tell it again; it is written for a shell to read.
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path

from commands.merchant import register_merchant
from domain.merchant import RegisterMerchant
from domain.permissions import at_merchant
from services.access.composition import Access
from services.access.console import ACTOR, add, new_password, opened
from services.embedded.directory import write_private
from services.play.catalogue import TRIAL
from services.settings import Settings
from services.web.access import Asked, Grant, Principal

FILE = Path("secrets/demo.env")
KEY_VALID = timedelta(days=365)
PEOPLE = (
    ("DEMO_ADMIN", "admin@example.com", "admin", ""),
    ("DEMO_OWNER", "owner@example.com", "owner", TRIAL),
)
"""The variable, the address, the role, and the merchant where it is held."""


async def let_people_in(settings: Settings) -> dict[str, str]:
    """Make those who are not there yet; the variables of all, by name."""
    file = settings.data_dir / FILE
    known = _read(file) | _addresses(settings)
    async with opened(settings) as access:
        await _register(access)
        for variable, email, role, merchant in PEOPLE:
            secret = f"{variable}_PASSWORD"
            before, password = secret in known, known.get(secret) or new_password()
            known |= {variable: email, secret: password}
            # kept before it is set: whatever happens between, nobody has a password that is not known
            write_private(file, _written(known))
            added = await add(access, email, role, merchant, generate_password=True, password=password)
            if not (before or added.password):
                del known[secret]  # somebody has this address already, with a password of its own
        if not await _opens(access, known.get("DEMO_KEY", "")):
            known["DEMO_KEY"] = await _issue(access)
    write_private(file, _written(known))
    return known


def keep_addresses(settings: Settings) -> None:
    """True again, where a demo's directory is started by other means: its ports may have changed."""
    file = settings.data_dir / FILE
    if known := _read(file):
        write_private(file, _written(known | _addresses(settings)))


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "API": f"http://{settings.api_host}:{settings.api_port}",
        "PAYMENT": str(settings.payment_url),
        "CARRIER": str(settings.carrier_url),
    }


async def _register(access: Access) -> None:
    """Once; a merchant that is registered stays as it is."""
    command = RegisterMerchant(merchant_id=TRIAL, city="São Paulo", state="SP")
    await register_merchant(access.executor, command, access.facts.context(TRIAL, ACTOR))


async def _opens(access: Access, key: str) -> bool:
    """Whether the key that is known is still good for something."""
    if not key:
        return False
    after: str | None = ""
    while after is not None:
        page, after = await access.api_keys.list(TRIAL, after, 200)
        for each in page:
            if each.issued.key_id in key.split("_"):
                return not each.revoked and access.clock.now() < each.issued.expires_at
    return False


async def _issue(access: Access) -> str:
    everything = Grant("console", at_merchant())
    asked = Asked(Principal(ACTOR, "user", ACTOR), TRIAL, everything)
    return (await access.api_keys.issue(asked, TRIAL, "demo", at_merchant(), KEY_VALID)).secret


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    words = shlex.split(file.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words)


def _written(known: dict[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in known.items())
