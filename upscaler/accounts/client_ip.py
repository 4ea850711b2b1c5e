"""The address that a request came from."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The address of whoever sent the request; None where it is not known, as over a Unix socket.

    ``X-Forwarded-For`` is read only as far as TRUSTED_PROXIES says: each of those proxies adds the address that it
    saw, on the right. What stands left of them anybody can write.
    """
    if proxies := settings.TRUSTED_PROXIES:
        seen = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(seen) >= proxies and (address := _clean(seen[-proxies])):
            return address
    return _clean(request.META.get("REMOTE_ADDR", ""))


def origin(request: HttpRequest) -> str | None:
    """Like `client_address`, with the same answer for all of one IPv6 network, in which a client picks at will."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address}/64", strict=False).network_address)


def _clean(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
