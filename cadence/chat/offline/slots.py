"""Which of several values goes to which parameter, by the words before it: "subtract 3 from 10", "10 minus 3".

The pattern is a tool's own description, where that names its parameters ("Subtract b from a."), and else what the names
themselves suggest: what follows "with" is the ``new`` rather than the ``old``.
"""

from collections.abc import Iterable, Sequence

from cadence.chat.offline.exchange import Tool
from cadence.chat.offline.schema import Parameter
from cadence.chat.offline.tokens import WORD, Token, read
from cadence.chat.offline.words import concept

_ARTICLES = frozenset(("a", "an", "the", "and", "number", "numbers", "value"))
_IN = frozenset(("in", "of", "within"))
_WITH = frozenset(("with", "by", "to", "into", "for"))
_FROM = frozenset(("from", "of"))
_HINTS: dict[str, frozenset[str]] = (
    dict.fromkeys(("text", "string", "content", "sentence", "phrase", "document", "body"), _IN)
    | dict.fromkeys(("new", "replacement", "target", "to", "destination", "end", "stop"), _WITH | {"until"})
    | dict.fromkeys(("old", "source", "from", "origin", "start"), _FROM - {"of"})
    | dict.fromkeys(("language", "unit", "format"), frozenset(("to", "into", "in")))
    | dict.fromkeys(("divisor", "by", "separator", "delimiter", "factor", "sep"), frozenset(("by", "with")))
    | dict.fromkeys(("city", "location", "place", "country"), frozenset(("in", "for", "at")))
    | dict.fromkeys(("date", "day"), frozenset(("on", "at")))
    | dict.fromkeys(("recipient", "receiver", "email"), frozenset(("to",)))
    | dict.fromkeys(("subject", "topic"), frozenset(("about",)))
    | dict.fromkeys(("message", "body"), frozenset(("saying", "says", "with")))
)
_BETWEEN = frozenset(("by", "from", "to", "with", "into", "and", "over", "in", "of", "for", "than", "is"))
#: More values than this are in no order that a description tells.
_MOST = 20


def before(words: Iterable[str]) -> tuple[str, ...]:
    """The words before a value, as they are compared."""
    return tuple(concept(word) if len(word) > 4 else word for word in words if word not in _ARTICLES)


def pattern(tool: Tool, parameters: Sequence[Parameter]) -> list[frozenset[str]]:
    """For each parameter, the words that stand before its value."""
    described = _described(tool, [parameter.name for parameter in parameters])
    return [frozenset(described.get(one.name, ())) or _HINTS.get(one.name.lower(), frozenset()) for one in parameters]


def aligned(places: Sequence[frozenset[str]], values: Sequence[tuple[str, ...]]) -> dict[int, int]:
    """Which value (by its number) goes to which parameter (by its).

    Those that share words go together, the most first, the others in their order. The word right before a value counts
    twice.
    """
    few_places, few_values = places[:_MOST], values[:_MOST]
    shared = [
        (-len(place.intersection(words)) - (words[-1] in place), value, number)
        for value, words in enumerate(few_values)
        for number, place in enumerate(few_places)
        if place.intersection(words)
    ]
    found: dict[int, int] = {}
    for _, value, number in sorted(shared):
        if number not in found and value not in found.values():
            found[number] = value
    rest = iter([value for value in range(len(values)) if value not in found.values()])
    for number in range(len(places)):
        if number not in found and (value_left := next(rest, None)) is not None:
            found[number] = value_left
    return found


def _described(tool: Tool, names: list[str]) -> dict[str, tuple[str, ...]]:
    """What stands before each parameter in the description, where that names them all, each once."""
    tokens = read(tool.description.partition("\n")[0][:400])
    found: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    for at, token in enumerate(tokens):
        if token.text in names and not (token.text == "a" and _is_article(tokens, at)):
            if token.text in found:
                return {}
            found[token.text] = before(words)
            words = []
        elif token.kind == WORD:
            words.append(token.text)
        elif token.text == ".":
            break
    return found if len(found) == len(names) > 1 else {}


def _is_article(tokens: Sequence[Token], at: int) -> bool:
    """Whether an ``a`` stands before a noun, and so is no parameter."""
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    return following is not None and following.kind == WORD and following.text not in _BETWEEN
