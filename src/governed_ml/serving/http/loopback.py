"""`authentication: loopback`: nobody needs a token, and only programs on this machine may ask."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from governed_ml.core.config.production.serve import is_loopback
from governed_ml.serving.http.problems import RequestRefused

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

FORWARDED = {"forwarded", "x-forwarded-for", "x-real-ip", "via"}
"""Headers of proxies: behind one, every client seems to be on this machine."""


def check_loopback(request: HTTPConnection) -> None:
    """Raise `RequestRefused` if a request may come from another machine, or from a web page.

    A page can have a browser ask this machine under the page's own host name (DNS rebinding). The
    header `Host` then has that name.
    """
    address = peer(request)
    if (
        address is None
        or not address.is_loopback
        or any(one in request.headers for one in FORWARDED)
    ):
        raise RequestRefused(403, "not-loopback", "only this machine may ask, and by no proxy")
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not is_loopback(_host(hosts[0])):
        raise RequestRefused(421, "not-loopback", "the host is no name of this machine")


def peer(request: HTTPConnection) -> IPv4Address | IPv6Address | None:
    """Return the address of the other end of the connection."""
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _host(given: str) -> str | None:
    try:
        parts = urlsplit(f"//{given}")
        plain = parts.netloc == given and "@" not in given and parts.port != 0
        return parts.hostname if plain else None
    except ValueError:
        return None
