"""What may be asked of carriers and parcels from outside."""

from commands.carrier import carriers, quotes

ROUTERS = (carriers.router, quotes.router)
