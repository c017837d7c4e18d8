"""What a tool returned, as JSON: every value has a form, and none can raise."""

import json
from typing import Any

import msgspec
from pydantic import BaseModel

from cadence_sdk._runtime.compatibility import BaseModelV1
from cadence_sdk._runtime.failure import text_of


def to_json(value: Any) -> msgspec.Raw:
    """The value as JSON, to be put into a message as it is; never raises.

    What ``msgspec`` can encode stays structured: numbers, strings, lists, dicts, dataclasses, dates, Pydantic models …
    Anything else becomes the text LangChain would show a model: ``json.dumps`` where that works, else ``str``.
    So does a value that holds NaN or an infinity, for JSON has neither (RFC 8259, section 6).
    """
    try:
        encoded = _encode(value)
        # msgspec writes NaN as null; only where there is a null is a second look worth its time.
        if b"null" in encoded:
            json.dumps(msgspec.to_builtins(value, str_keys=True, enc_hook=_plain), allow_nan=False)
    except BaseException:  # noqa: BLE001  (a plugin's objects run their own code here)
        encoded = _encode(_text(value))
    return msgspec.Raw(encoded)


def _plain(value: Any) -> Any:
    """Values of types that ``msgspec`` does not know, in those it knows."""
    if isinstance(value, BaseModelV1):  # with Pydantic 1 there is no other
        return json.loads(value.json())
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    # Subclasses of the JSON types, among them numpy.float64; the base class's method, not the subclass's own.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        return int.__index__(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else _shown(value)
    # Lone surrogates have no UTF-8 form. The method is that of str itself: a subclass may have its own.
    return str.encode(text, "utf-8", "backslashreplace").decode()


def _shown(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except BaseException:  # noqa: BLE001  (see to_json)
        return text_of(value)
