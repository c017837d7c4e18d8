"""What is known of a call while its arguments are taken out of a clause."""

from collections.abc import Set
from typing import Any

from cadence.chat.offline.arithmetic import Figure, figures, mentions
from cadence.chat.offline.clauses import Clause
from cadence.chat.offline.exchange import Tool
from cadence.chat.offline.naming import Names
from cadence.chat.offline.schema import Parameter
from cadence.chat.offline.slots import before
from cadence.chat.offline.tokens import WORD, Token
from cadence.chat.offline.words import heard

#: Values that are spread over calls of their own, or over parameters, at most.
MOST_VALUES = 50
_MOST_BEFORE = 6


class Filling:
    """A tool, a clause, and the arguments as far as they were found; begun with those that the clause names.

    :param words: the concepts that speak for the tool.
    :param refers: whether there is a result before, that "it" can stand for.
    :param implies: whether that may also stand for a value that is not mentioned at all.
    :ivar hits: places of tokens that speak for the tool, ``used`` of those that are values.
    :ivar further: numbers that were left over.
    :ivar spread: arguments that go to a call each, where the clause asks for several.
    """

    def __init__(self, tool: Tool, clause: Clause, words: Set[str], *, refers: bool, implies: bool) -> None:
        self.tool = tool
        self.clause = clause
        self.refers = refers
        self.implies = implies and refers
        self.heard = heard(clause.tokens)
        self.hits = {at for at, known in self.heard.items() if known in words}
        self.hits |= {at for at, token in enumerate(clause.tokens) if _spells(token, tool.name)}
        self.figures = [one for one in figures(clause.tokens) if refers or not mentions(one.value)]
        self.args, self.used = Names(clause, tool.parameters, {one.first: one for one in self.figures}).values()
        self.further: tuple[Any, ...] = ()
        self.spread: list[dict[str, Any]] = []
        self._places = {at for one in self.figures for at in range(one.first, one.last)}

    def left(self, *, optional: bool = False) -> list[Parameter]:
        """The parameters without a value: those that need one, or the optional ones."""
        return [one for one in self.tool.parameters if one.required != optional and one.name not in self.args]

    def takers(self) -> list[Parameter]:
        """All parameters without a value, those first that need one."""
        return [*self.left(), *self.left(optional=True)]

    def free(self, kind: str) -> list[int]:
        """The places of tokens of a kind that are no value yet."""
        return [at for at, token in enumerate(self.clause.tokens) if token.kind == kind and at not in self.used]

    def open_figures(self) -> list[Figure]:
        """The numbers, references and expressions that are no value yet."""
        return [one for one in self.figures if one.value is not None and one.first not in self.used]

    def before(self, at: int) -> tuple[str, ...]:
        """The words between the value that begins there and the one before it."""
        words: list[str] = []
        while at > 0 and self.clause.tokens[at - 1].kind == WORD and len(words) < _MOST_BEFORE:
            at -= 1
            if at in self._places:
                break
            words.append(self.clause.tokens[at].text)
        return before(reversed(words))


def _spells(token: Token, name: str) -> bool:
    return token.kind == WORD and "_" in token.text and token.text == name.lower()
