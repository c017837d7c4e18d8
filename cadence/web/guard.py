"""Who may speak to a server that has no access control yet: this machine, and no other site's pages in its browsers.

A page on any site can have a visitor's browser send requests to ``localhost``. It cannot hide where it comes from:
browsers add ``Origin`` and ``Sec-Fetch-Site`` themselves (Fetch Standard; W3C Fetch Metadata). With a name of its own
that it points at 127.0.0.1 later (DNS rebinding) it would pass for the same site, but not without that name in
``Host``.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from flask import request

from cadence.errors import Forbidden


def refuse_foreign() -> None:
    """Check the current request before anything is done for it.

    :raises Forbidden: when it comes from another machine, or from a page of another site.
    """
    if not is_loopback(request.remote_addr or ""):
        raise Forbidden("This server answers only to its own machine.")
    host = request.headers.get("Host", "")
    if not is_loopback(_hostname(host)):
        raise Forbidden(f"This server is not {host!r}. Ask for it as localhost or 127.0.0.1.")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{host}":
        raise Forbidden(f"Requests from pages of {origin} are not taken.")
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise Forbidden("Requests from pages of other sites are not taken. Type this server's address instead.")


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # half an IPv6 address
        return ""


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine itself, whatever any name server says."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
