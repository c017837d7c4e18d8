"""The arguments of a tool, taken out of a clause by its parameters."""

from collections.abc import Set
from typing import Any

from msgspec import Struct

from cadence.chat.offline.arithmetic import Reference, mentions
from cadence.chat.offline.choices import choices, data, lists, truth
from cadence.chat.offline.clauses import Clause
from cadence.chat.offline.exchange import Tool
from cadence.chat.offline.filling import Filling
from cadence.chat.offline.numerals import numbers
from cadence.chat.offline.schema import BOOLEAN, Parameter
from cadence.chat.offline.strings import strings


class Filled(Struct, frozen=True):
    """The arguments of a call as far as a clause has them, and the parameters that it needs besides.

    Values are JSON, or operands (:mod:`cadence.chat.offline.arithmetic`) that have to be calculated first.
    ``further`` are numbers that were left over.
    """

    args: dict[str, Any]
    missing: tuple[Parameter, ...] = ()
    further: tuple[Any, ...] = ()


def fill(tool: Tool, clause: Clause, vocabulary: Set[str], *, refers: bool, implies: bool) -> list[Filled]:
    """The calls of a tool that a clause asks for: mostly one, and several where it lists values for a lone parameter.

    :param vocabulary: the concepts that speak for the tool, whose words are no data.
    :param refers: whether there is a result before, that "it" can stand for.
    :param implies: whether that may also stand for a value that is not mentioned at all.
    """
    filling = Filling(tool, clause, vocabulary, refers=refers, implies=implies)
    for find in (data, choices, truth, lists, numbers, strings, _implied):
        find(filling)
    args = {one.name: filling.args[one.name] for one in tool.parameters if one.name in filling.args}
    if filling.spread:
        return [Filled(args | one) for one in filling.spread]
    return [Filled(args, tuple(filling.left()), filling.further)]


def _implied(filling: Filling) -> None:
    """Have the result before stand for the one value that is not mentioned."""
    missing = filling.left()
    if (
        not filling.implies
        or not filling.clause.joined
        or len(missing) != 1
        or missing[0].choices
        or missing[0].kind == BOOLEAN
    ):
        return
    if not any(mentions(value) for value in filling.args.values()):
        filling.args[missing[0].name] = Reference()
