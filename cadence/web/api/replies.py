"""From a value to the JSON response, and from a request's body to a value."""

from typing import Any

from flask import Response, request
from msgspec import MsgspecError, Struct, json

from cadence.errors import InvalidRequest


def reply(value: Struct | dict[str, Any], status: int = 200) -> Response:
    """The response for a value of :mod:`cadence.web.api.answers`."""
    return Response(json.encode(value), status=status, mimetype="application/json")


_decode_object = json.Decoder(dict[str, Any]).decode


def arguments() -> dict[str, Any]:
    """The request's body as the arguments of a tool call; an empty body means none.

    :raises InvalidRequest: when it is not a JSON object.
    """
    return _decoded(body, "the tool's arguments") if (body := request.get_data(cache=False)) else {}


def json_object(of: str) -> dict[str, Any]:
    """The request's body, which must be a JSON object.

    :param of: what is in it, in words.
    :raises InvalidRequest: when it is anything else.
    """
    return _decoded(request.get_data(cache=False), of)


def _decoded(body: bytes, of: str) -> dict[str, Any]:
    try:
        return _decode_object(body)
    except (MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body must be a JSON object with {of}: {error}.") from None


def flag(name: str) -> bool | None:
    """A form field that is ``true`` or ``false``; None when it is not there.

    :raises InvalidRequest: when it is anything else.
    """
    text = request.form.get(name)
    if text is None or not text.strip():
        return None
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise InvalidRequest(f"{name} must be true or false, not {text!r}.") from None
