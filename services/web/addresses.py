"""From which address does a request come? The socket's peer, unless that is a proxy of ours.

`X-Forwarded-For` can be written by anybody, so it counts only where the peer is trusted, and of its entries
the last one that no trusted proxy stands behind: what is left of it was said by the client.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from services.web.asgi import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
CLIENT_PREFIX_V6 = 64
"""Whoever has one IPv6 address has the 2**64 of its network: they count as one client."""


def networks(text: str | None) -> tuple[Network, ...]:
    """`10.0.0.0/8, 2001:db8::1`. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in (text or "").split(",") if part.strip())


class Addresses:
    """Knows which proxies are ours, by their networks."""

    def __init__(self, trusted: tuple[Network, ...] = ()) -> None:
        self._trusted = trusted

    def client(self, scope: Scope) -> str:
        """The client's address, or its network for IPv6; empty on a Unix socket, which has none."""
        peer: str = scope["client"][0] if scope.get("client") else ""
        if not self._trusted:
            return _client_named(peer)
        address = parsed(peer)
        if self.trusts(address):
            for hop in _forwarded(scope):
                behind = parsed(hop)
                if behind is None:
                    break  # no proxy of ours wrote that: stay with the nearest that we know
                address = behind
                if not self.trusts(behind):
                    break
        return client_of(address) if address else peer

    def trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


@lru_cache(maxsize=4096)
def parsed(text: str) -> Address | None:
    """Of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


@lru_cache(maxsize=4096)
def client_of(address: Address) -> str:
    """What counts as one client."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), CLIENT_PREFIX_V6), strict=False))


@lru_cache(maxsize=4096)
def _client_named(peer: str) -> str:
    address = parsed(peer)
    return client_of(address) if address else peer


def _forwarded(scope: Scope) -> Iterator[str]:
    """The hops that the proxies have written down, the nearest first."""
    for name, value in reversed(scope["headers"]):
        if name == b"x-forwarded-for":
            yield from reversed(value.decode("latin-1").split(","))
