"""Who answers each gateway, and by which wire?"""

from __future__ import annotations

import aiohttp

from services.gateways.carrier_routes import over_http
from services.gateways.gateway import Gateway
from services.gateways.provider import HttpExchange, Provider
from services.gateways.stripe_provider import StripeProvider
from services.settings import Settings


def provider_of(
    gateway: Gateway, settings: Settings, http: aiohttp.ClientSession, *, timeout_s: float
) -> Provider:
    """Over HTTP, at the address that the settings have."""
    url = settings.provider_url(gateway.name)
    if gateway.wire == "stripe":
        exchange = HttpExchange(url, http, timeout_s=timeout_s)
        return StripeProvider(exchange, settings.payment_api_key())
    return over_http(url, settings.carrier_urls, http, timeout_s=timeout_s)
