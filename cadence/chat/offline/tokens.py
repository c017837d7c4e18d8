"""A message as tokens: words, numbers (in figures or in words), quotations, JSON, dates and signs."""

import math
import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cadence.chat.offline.passages import JSON, QUOTE, REST, cleaned, masked, passages
from cadence.chat.offline.vocabulary import wordset

WORD, NUMBER, QUOTED, DATA, DATE, SIGN, LINE = "word", "number", "quoted", "data", "date", "sign", "line"

#: More digits than this are no number that anybody calculates with.
_MOST_DIGITS = 300
# Every alternative begins where no other could have begun before, and takes what it takes for good: linear in time.
_TOKEN = re.compile(
    rf"(?P<quoted>{QUOTE}{REST}*+)|(?P<data>{JSON}{REST}*+)|(?P<line>\n)"
    r"|(?P<date>\d{4}-\d\d-\d\d(?:T[\d:.+Z-]{1,40})?(?!\w)|\d{1,2}[./]\d{1,2}[./]\d{4}(?!\w)|\d{1,2}:\d\d(?::\d\d)?(?!\w)"
    r"|\d++(?:\.\d++){2,})"
    r"|(?P<number>(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?(?:[eE][-+]?\d++)?|\.\d++)"
    r"|(?P<sign>(?<=\d)x(?=\d)|\*\*|[^\w\s])|(?P<word>[^\W\d]\w*+(?:['\u2019]\w++)*+)",
)
_ONES = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: number for number, word in enumerate(_ONES.split())} | {
    word: 10 * number for number, word in enumerate(_TENS.split(), 2)
}
_LARGE = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
#: Before or after these, ``one`` is a thing and no number.
_ONE_AFTER = wordset("which this that the another each every any no")


class Token(Struct, frozen=True):
    """A token and where it stands in the message. ``text`` is in lower case, ``value`` that of all but words."""

    kind: str
    text: str
    start: int
    end: int
    value: Any = None


def read(text: str) -> list[Token]:
    """The tokens of a text, in order."""
    text = cleaned(text)
    found = passages(text)
    values = {passage.start: passage.value for passage in found}
    tokens = [
        token for match in _TOKEN.finditer(masked(text, found)) if (token := _token(match, text, values)) is not None
    ]
    return list(_with_number_words(tokens))


def _token(match: re.Match[str], text: str, values: dict[int, Any]) -> Token | None:
    kind = match.lastgroup or WORD
    start, end = match.span()
    token = Token(kind, text[start:end].lower(), start, end)
    if kind in (QUOTED, DATA):
        return replace(token, value=values[start])
    if kind == DATE:
        return replace(token, value=text[start:end])
    if kind == NUMBER:
        value = number(token.text)
        return replace(token, kind=SIGN) if value is None else replace(token, value=value)
    return token


def number(text: str) -> int | float | None:
    """What figures say: ``12``, ``3.5``, ``1,000``, ``1e3``; None where that is no finite number."""
    plain = text.replace(",", "")
    if len(plain) > _MOST_DIGITS:
        return None
    if plain.isdecimal():
        return int(plain)
    value = float(plain)
    if not math.isfinite(value):
        return None
    return int(value) if "." not in plain and value.is_integer() and abs(value) < 1e15 else value


def _with_number_words(tokens: list[Token]) -> Iterator[Token]:
    at = 0
    while at < len(tokens):
        value, end = _worded(tokens, at)
        if value is None:
            yield tokens[at]
            at += 1
        else:
            first, last = tokens[at], tokens[end - 1]
            yield Token(NUMBER, first.text, first.start, last.end, value)
            at = end


def _worded(tokens: list[Token], at: int) -> tuple[int | None, int]:
    """The number in words that begins there, and where it ends: ``twelve``, ``twenty-one``, ``a dozen``."""
    if tokens[at].text in ("a", "an"):
        large = _LARGE.get(tokens[at + 1].text) if at + 1 < len(tokens) else None
        return (large, at + 2) if large else (None, at)
    value, end = _small(tokens, at)
    if value is None or (tokens[at].text == "one" and _is_thing(tokens, at)):
        return None, at
    while end < len(tokens) and (large := _LARGE.get(tokens[end].text)):
        value, end = value * large, end + 1
        rest, after = _small(tokens, end)
        if rest is not None and rest < large:
            value, end = value + rest, after
        if value > 10**18:
            break
    if end == at + 1 and tokens[at].kind == NUMBER:
        return None, at
    return value, end


def _small(tokens: list[Token], at: int) -> tuple[int | None, int]:
    if at >= len(tokens):
        return None, at
    if tokens[at].kind == NUMBER and isinstance(tokens[at].value, int):
        followed = at + 1 < len(tokens) and tokens[at + 1].text in _LARGE
        return (tokens[at].value, at + 1) if followed else (None, at)
    value = _SMALL.get(tokens[at].text)
    if value is None or value < 20:
        return value, at + 1
    after = at + 2 if at + 1 < len(tokens) and tokens[at + 1].text == "-" else at + 1
    ones = _SMALL.get(tokens[after].text, 0) if after < len(tokens) else 0
    return (value + ones, after + 1) if 0 < ones < 10 else (value, at + 1)


def _is_thing(tokens: list[Token], at: int) -> bool:
    before = tokens[at - 1].text if at else ""
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    return before in _ONE_AFTER or after == "of"
