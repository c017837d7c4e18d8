"""What stands in quotation marks, and what is JSON, in a message: it is data, and no words to choose by."""

import json
import re
from typing import Any

from msgspec import Struct

#: In a masked text, the first character of a quotation, of JSON, and every further one of either.
QUOTE, JSON, REST = "\ue000", "\ue001", "\ue002"
_OWN = str.maketrans(dict.fromkeys((QUOTE, JSON, REST), " "))
_OPENING = re.compile(r"""["“„«`\[{]|(?<!\w)['\u2018\u201a]""")
_CLOSING = {
    '"': re.compile('"'),
    "“": re.compile("[”“]"),
    "„": re.compile("[“”]"),
    "«": re.compile("»"),
    "`": re.compile("`"),
    "'": re.compile(r"'(?!\w)"),
    "\u2018": re.compile(r"\u2019(?!\w)"),
    "\u201a": re.compile(r"[\u2018\u2019]"),
}
#: Brackets that are tried as JSON; more of them that are none is no message of a person.
_MOST_ATTEMPTS = 20
_DEEPEST = 40


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_number)


class Passage(Struct, frozen=True):
    """A part of a text, from ``start`` to before ``end``: a quotation, or JSON with brackets, and what it says."""

    start: int
    end: int
    value: Any
    quoted: bool


def cleaned(text: str) -> str:
    """The text without the characters that mark passages; as long as before."""
    return text.translate(_OWN)


def passages(text: str) -> list[Passage]:
    """The quotations and the JSON of a text, in order; none is within another."""
    found: list[Passage] = []
    unclosed: set[str] = set()
    attempts, at = 0, 0
    while opening := _OPENING.search(text, at):
        sign = opening[0]
        at = opening.end()
        passage = None
        if sign in "[{":
            if attempts < _MOST_ATTEMPTS:
                passage = _json(text, opening.start())
                attempts += passage is None
        elif sign not in unclosed:
            passage = _quotation(text, opening.start())
            if passage is None:
                unclosed.add(sign)
        if passage is not None:
            found.append(passage)
            at = passage.end
    return found


def masked(text: str, found: list[Passage]) -> str:
    """The text with its passages made unreadable; as long as before."""
    pieces: list[str] = []
    at = 0
    for passage in found:
        first = QUOTE if passage.quoted else JSON
        pieces += [text[at : passage.start], first, REST * (passage.end - passage.start - 1)]
        at = passage.end
    return "".join([*pieces, text[at:]])


def _quotation(text: str, start: int) -> Passage | None:
    closing = _CLOSING[text[start]].search(text, start + 1)
    return Passage(start, closing.end(), text[start + 1 : closing.start()], True) if closing else None


def _json(text: str, start: int) -> Passage | None:
    try:
        value, end = _decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return None if is_deep(value) else Passage(start, end, value, False)


def is_deep(value: Any) -> bool:
    """Whether objects and lists are so deep within each other that nothing can be done with them."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _held(outer)]
        if not level:
            return False
    return True


def _held(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
