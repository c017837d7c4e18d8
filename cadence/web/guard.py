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
    environ = request.environ
    refusal = _refusal(
        environ.get("REMOTE_ADDR", ""),
        environ.get("HTTP_HOST", ""),
        environ["wsgi.url_scheme"],
        environ.get("HTTP_ORIGIN"),
        environ.get("HTTP_SEC_FETCH_SITE"),
    )
    if refusal is not None:
        raise Forbidden(refusal)


@lru_cache(maxsize=256)
def _refusal(remote: str, host: str, scheme: str, origin: str | None, site: str | None) -> str | None:
    """Why a request is not taken, in words. Most requests are like the one before, so the answer is kept."""
    if not is_loopback(remote):
        return "This server answers only to its own machine."
    if not is_loopback(_hostname(host)):
        return f"This server is not {host!r}. Ask for it as localhost or 127.0.0.1."
    if origin is not None and origin != f"{scheme}://{host}":
        return f"Requests from pages of {origin} are not taken."
    if site == "cross-site":
        return "Requests from pages of other sites are not taken. Type this server's address instead."
    return None


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # half an IPv6 address
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine itself, whatever any name server says."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
