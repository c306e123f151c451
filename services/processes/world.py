"""The payment provider's or the carrier's world."""

from __future__ import annotations

from services.settings import Settings
from services.worlds.server import run


def run_world(kind: str, settings: Settings) -> None:
    payment = kind == "payment"
    run(
        "payment" if payment else "carrier",
        data_dir=settings.data_dir / "worlds",
        host=settings.internal_host,
        port=settings.payment_world_port if payment else settings.carrier_world_port,
        webhook_url=f"{settings.webhook_url}/webhooks/{kind}",
        webhook_secret=settings.webhook_secret("payment" if payment else "carrier"),
        api_key=settings.payment_api_key() if payment else "",
    )
