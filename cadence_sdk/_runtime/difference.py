"""Where two JSON values differ, in words."""

import json
from collections.abc import Iterator
from typing import Any

_MAX_CHARS = 200


def difference(got: Any, expected: Any, within: float = 0.0) -> str | None:
    """What was got and where it first differs, to stand after "returned"; None where it does not.

    Such as ``6, where 5 is expected``, or ``{"prices": [5]}: `prices.0` is 5, where 6 is expected``. Numbers are
    compared as numbers, so that 5 is 5.0 (JSON has one kind of them), and are no booleans.

    :param got: JSON data, and so is ``expected``.
    :param within: how far numbers may be apart.
    """
    found = next(_differences(got, expected, within, ()), None)
    if found is None:
        return None
    if isinstance(expected, dict | list) and type(got) is type(expected):
        return f"{shown(got)}: {found}"
    return f"{shown(got)}, where {shown(expected)} is expected"


def shown(value: Any) -> str:
    """JSON data as it can stand in a sentence."""
    return shortened(json.dumps(value, ensure_ascii=False))


def shortened(text: str, most: int = _MAX_CHARS) -> str:
    """A text, cut where it is long."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _differences(got: Any, expected: Any, within: float, place: tuple[str, ...]) -> Iterator[str]:
    if isinstance(got, dict) and isinstance(expected, dict):
        yield from _in_objects(got, expected, within, place)
    elif isinstance(got, list) and isinstance(expected, list):
        for number, (one, other) in enumerate(zip(got, expected, strict=False)):
            yield from _differences(one, other, within, (*place, str(number)))
        if len(got) != len(expected):
            yield f"{_subject(place)} has {len(got)} items, where {len(expected)} are expected"
    elif not _equal(got, expected, within):
        yield f"{_subject(place)} is {shown(got)}, where {shown(expected)} is expected"


def _in_objects(got: Any, expected: Any, within: float, place: tuple[str, ...]) -> Iterator[str]:
    for key, value in expected.items():
        if key in got:
            yield from _differences(got[key], value, within, (*place, key))
        else:
            yield f"{_subject((*place, key))} is missing"
    for key in got:
        if key not in expected:
            yield f"{_subject((*place, key))} is there and not expected"


def _equal(got: Any, expected: Any, within: float) -> bool:
    if _is_number(got) and _is_number(expected):
        return bool(got == expected) or _is_near(got, expected, within)
    return type(got) is type(expected) and bool(got == expected)


def _is_near(got: float, expected: float, within: float) -> bool:
    try:
        return within > 0 and abs(got - expected) <= within
    except OverflowError:  # one of them is a whole number that is larger than any with a fraction
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _subject(place: tuple[str, ...]) -> str:
    return shortened(f"`{'.'.join(place)}`") if place else "it"
