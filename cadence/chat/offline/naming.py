"""Arguments that a clause names: ``base=2``, "separator: _", "with exponent 10", "level high"."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from cadence.chat.offline.arithmetic import Figure, Operation, Reference
from cadence.chat.offline.clauses import Clause
from cadence.chat.offline.schema import ARRAY, BOOLEAN, INTEGER, OBJECT, Parameter, fits
from cadence.chat.offline.tokens import DATA, DATE, QUOTED, Token, read
from cadence.chat.offline.words import parts

TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SIGNS = frozenset(("=", ":"))
_VERBS = frozenset(("is", "equals", "being"))
_INTRODUCING = frozenset(("with", "using"))
_AFTER_WORDS = frozenset((",", ";", "and", "with", "in", "of", "for", "to"))
_JOINTS = frozenset(("of", "as", "to"))
_TRAILING = frozenset((",", ";", "and", "with", ".", "?", "!"))
_LONGEST_NAME = 8
_LONGEST_CHOICE = 200
#: What no value is.
NOTHING: Any = object()


class Names:
    """Finds the names of parameters in a clause, and the values that belong to them."""

    def __init__(self, clause: Clause, parameters: Sequence[Parameter], figures: Mapping[int, Figure]) -> None:
        self._text = clause.text
        self._offset = clause.start
        self._tokens = clause.tokens
        self._figures = figures
        self._parameters: dict[tuple[str, ...], Parameter] = {}
        for parameter in reversed(parameters):
            self._parameters |= dict.fromkeys(_spellings(parameter.name), parameter)
        self._is_list = len(figures) > 1 and len([one for one in parameters if one.is_number]) == 1
        self._lengths = sorted({len(name) for name in self._parameters}, reverse=True)

    def values(self) -> tuple[dict[str, Any], set[int]]:
        """The values by name of parameter, and the places of the tokens that say so."""
        found: dict[str, Any] = {}
        used: set[int] = set()
        at = 0
        while at < len(self._tokens):
            if (counted := self._counted(at)) is not None and counted[0] not in found:
                name, value, after = counted
                found[name] = value
                used |= set(range(at, after))
                at = after
                continue
            parameter, end = self._name(at)
            introduced = at > 0 and self._tokens[at - 1].text in _INTRODUCING
            value, after = self._value(parameter, end, introduced=introduced) if parameter else (NOTHING, at)
            if parameter is None or value is NOTHING or parameter.name in found:
                at += 1
                continue
            found[parameter.name] = value
            used |= set(range(at, after))
            at = after
        return found, used

    def _counted(self, at: int) -> tuple[str, Any, int] | None:
        """A number with the name behind it: "3 days"."""
        figure = self._figures.get(at)
        if figure is None or self._is_list or not isinstance(figure.value, (int, float)):
            return None
        parameter, end = self._name(figure.last)
        if parameter is None or len(parameter.name) == 1 or not parameter.is_number or not suits(figure, parameter):
            return None
        following = self._tokens[end].text if end < len(self._tokens) else ""
        return None if following in _SIGNS or end in self._figures else (parameter.name, figure.value, end)

    def _name(self, at: int) -> tuple[Parameter | None, int]:
        for length in self._lengths:
            name = tuple(token.text for token in self._tokens[at : at + length])
            if len(name) == length and (parameter := self._parameters.get(name)):
                return parameter, at + length
        return None, at

    def _value(self, parameter: Parameter, at: int, *, introduced: bool) -> tuple[Any, int]:
        """The value behind a name; ``introduced`` is whether a "with" stands before that."""
        joint = self._tokens[at].text if at < len(self._tokens) else ""
        if joint in _SIGNS:
            return self._written(parameter, at + 1, plain=True)
        if joint in _VERBS:
            return self._written(parameter, at + 1, plain=False)
        if len(parameter.name) == 1:
            return NOTHING, at
        start = at + (joint in _JOINTS)
        value, end = self._written(parameter, start, plain=False)
        if value is NOTHING and parameter.is_text and introduced and start < len(self._tokens):
            return self._words(start, _AFTER_WORDS)
        return value, end

    def _written(self, parameter: Parameter, at: int, *, plain: bool) -> tuple[Any, int]:
        """The value that begins there; ``plain`` is whether bare words may be one."""
        if at >= len(self._tokens):
            return NOTHING, at
        token = self._tokens[at]
        if parameter.choices:
            return chosen(parameter, self._tokens, at)
        if parameter.kind == BOOLEAN:
            return (TRUTH[token.text], at + 1) if token.text in TRUTH else (NOTHING, at)
        if parameter.is_number:
            figure = self._figures.get(at)
            return (figure.value, figure.last) if figure and suits(figure, parameter) else (NOTHING, at)
        if token.kind in (QUOTED, DATA, DATE) and fits(token.value, parameter):
            return token.value, at + 1
        if parameter.kind in (ARRAY, OBJECT) or not plain:
            return NOTHING, at
        return self._words(at)

    def _words(self, at: int, ends: frozenset[str] = frozenset()) -> tuple[Any, int]:
        """All that stands before the next name, or before one of some words."""
        end = at
        while end < len(self._tokens) and not (end > at and (self._is_named(end) or self._tokens[end].text in ends)):
            end += 1
        last = end
        while last > at and self._tokens[last - 1].text in _TRAILING:
            last -= 1
        if last == at:
            return NOTHING, at
        return self._text[self._tokens[at].start - self._offset : self._tokens[last - 1].end - self._offset], end

    def _is_named(self, at: int) -> bool:
        parameter, end = self._name(at)
        return parameter is not None and end < len(self._tokens) and self._tokens[end].text in _SIGNS


def suits(figure: Figure, parameter: Parameter) -> bool:
    """Whether a figure can be the value of a parameter that takes numbers."""
    if figure.value is None:
        return False
    return (
        isinstance(figure.value, (Operation, Reference)) or fits(figure.value, parameter) or parameter.kind != INTEGER
    )


def chosen(parameter: Parameter, tokens: Sequence[Token], at: int) -> tuple[Any, int]:
    """The choice of an enumeration that stands there, the longest where several do."""
    found: tuple[Any, int] = (NOTHING, at)
    for choice in parameter.choices:
        if tokens[at].value is not None and tokens[at].kind != DATA and _same(tokens[at].value, choice):
            return choice, at + 1
        for words in spelled(choice):
            end = at + len(words)
            if end > found[1] and tuple(token.text for token in tokens[at:end]) == words:
                found = choice, end
    return found


def spelled(choice: object) -> frozenset[tuple[str, ...]]:
    """How a choice can be written, as tokens: ``light_blue``, "light blue"."""
    return _spelled(str(choice)[:_LONGEST_CHOICE])


@lru_cache(maxsize=1024)
def _spelled(choice: str) -> frozenset[tuple[str, ...]]:
    written = (tuple(token.text for token in read(choice)), parts(choice))
    return frozenset(one for one in written if one)


def _same(value: object, choice: object) -> bool:
    if isinstance(value, str):
        return value.lower() == str(choice).lower()
    return value == choice and not isinstance(choice, bool)


def _spellings(name: str) -> set[tuple[str, ...]]:
    return {one for one in ((name.lower(),), parts(name)) if 0 < len(one) <= _LONGEST_NAME}
