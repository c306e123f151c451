"""Does a host name mean this machine, so that what is sent there leaves it for nobody to see?"""

from __future__ import annotations

import ipaddress


def is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
