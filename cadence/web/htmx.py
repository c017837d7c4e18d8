"""The one place that knows htmx's headers.

``htmx_flask`` reads the request's headers; its ``make_response`` is not used because it refuses valid swap
styles (``beforebegin``, ``afterbegin`` and every style with a modifier). Header names: htmx.org/reference.
"""

import json
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, Response, request
from htmx_flask import Htmx
from htmx_flask.requests import HtmxAwareRequest


def init_app(app: Flask, request_class: type[HtmxAwareRequest] = HtmxAwareRequest) -> None:
    """Register the extension, which sets a request class of its own, and then ``request_class``."""
    Htmx().init_app(app)
    app.request_class = request_class


def is_htmx() -> bool:
    """Whether the request wants a fragment: it came from htmx, and not to restore a whole page."""
    headers = cast(HtmxAwareRequest, request).htmx
    return bool(headers) and not headers.boosted and not headers.history_restore_request


def current_path() -> str:
    """The path of the page that asks, empty where that is not known."""
    return urlsplit(cast(HtmxAwareRequest, request).htmx.current_url or "").path


def redirect_to(address: str) -> Response:
    """Have the page go to another (``HX-Redirect``)."""
    response = Response(status=204)
    response.headers["HX-Redirect"] = address
    return response


def respond(
    html: str,
    *,
    trigger: str | Mapping[str, object] | None = None,
    retarget: str | None = None,
    reswap: str | None = None,
    status: int = 200,
) -> Response:
    """Answer with a fragment.

    :param trigger: an event for the page, or several with what they carry (``HX-Trigger``).
    :param retarget: a CSS selector of the element to change instead of the one that asked (``HX-Retarget``).
    :param reswap: how to put the fragment there, with modifiers (``HX-Reswap``).
    """
    response = Response(html, status=status, mimetype="text/html")
    if trigger is not None:
        response.headers["HX-Trigger"] = trigger if isinstance(trigger, str) else json.dumps(trigger)
    if retarget is not None:
        response.headers["HX-Retarget"] = retarget
    if reswap is not None:
        response.headers["HX-Reswap"] = reswap
    return response
