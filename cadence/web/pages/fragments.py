"""Fragments that are asked for again and again: only sent when they changed."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response, request
from markupsafe import Markup

from cadence.web.htmx import respond

STOP_POLLING = 286
"""The status with which htmx takes a fragment and asks for no other (htmx.org/docs, "Polling")."""


def tag_of(value: Any) -> str:
    """Return the entity tag, without quotes, of what a fragment shows.

    It is made from the value and not from the HTML, in which words like "5 minutes ago" change by themselves.
    """
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]


def unless_changed(tag: str) -> Markup:
    """The ``hx-headers`` attribute with which an element asks for itself only if it changed."""
    return Markup('hx-headers=\'{{"If-None-Match": "\\"{}\\""}}\'').format(tag)


def conditional(html: str | Callable[[], str], tag: str, *, trigger: str | None = None) -> Response:
    """Answer with a fragment, or with 304 and nothing when the page has it already (RFC 9110, section 13).

    :param html: the fragment, or what makes it where it is needed.
    """
    if not isinstance(html, str):
        html = "" if request.if_none_match.contains_weak(tag) else html()
    response = respond(html, trigger=trigger)
    response.set_etag(tag)
    response.make_conditional(request)  # changes the response in place
    return response
