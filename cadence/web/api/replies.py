"""From a value to the JSON response, and from a request's body to a value."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from flask import Response, request
from msgspec import NODEFAULT, MsgspecError, Struct, ValidationError, convert, json
from msgspec.structs import fields

from cadence.errors import InvalidRequest
from cadence.intake.faults import printable

S = TypeVar("S", bound=Struct)

#: More than any body of a few fields takes, in bytes.
_MAX_BODY_BYTES = 64 * 1024
#: So many names that are not known are repeated to whoever sent them.
_SHOWN_NAMES = 3


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


def body_of(type_: type[S], of: str, max_bytes: int = _MAX_BODY_BYTES) -> S:
    """The request's body as a value; an empty body is one without fields.

    :param of: what is in it, in words.
    :param max_bytes: the largest that is read.
    :raises InvalidRequest: with every fault, when it is not an object of these fields.
    """
    request.max_content_length = max_bytes
    body = request.get_data(cache=False)
    raw = _decoded(body, of) if body else {}
    if faults := [*_faults(type_, raw)]:
        raise InvalidRequest(*faults)
    return convert(raw, type_)


def _faults(type_: type[Struct], raw: Mapping[str, object]) -> Iterator[str]:
    known = {field.name: field for field in fields(type_)}
    if unknown := sorted(raw.keys() - known.keys()):
        shown = ", ".join(printable(repr(name[:40])) for name in unknown[:_SHOWN_NAMES])
        more = f" and {len(unknown) - _SHOWN_NAMES} more" if len(unknown) > _SHOWN_NAMES else ""
        yield f"{shown}{more} cannot be said here; what can is: {', '.join(known)}."
    for name, field in known.items():
        if name not in raw and field.default is NODEFAULT:
            yield f"{name} is missing."
        elif name in raw:
            try:
                convert(raw[name], field.type)
            except ValidationError as error:
                yield f"{name} is of the wrong kind: {error}."


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


def number(name: str, default: int, most: int, *, least: int = 1) -> int:
    """A number from ``least`` on in the query string.

    :raises InvalidRequest: when it is anything else, or more than ``most``.
    """
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise InvalidRequest(f"{name} must be a number from {least} to {most}, not {printable(repr(text[:40]))}.")
    return int(text)
