"""Which tools calculate: for each operation of arithmetic, the tool that does it and where its operands go."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from cadence.chat.offline.exchange import Tool
from cadence.chat.offline.schema import ARRAY, INTEGER, NUMBER, Parameter
from cadence.chat.offline.slots import aligned, before, pattern
from cadence.chat.offline.words import SIGNS, concept, concepts_of, parts, stem

#: How a person would say it with the left operand, and with the right one.
_SAID = {
    "add": ("add", "to"),
    "multiply": ("multiply", "by"),
    "subtract": ("from", "subtract"),
    "divide": ("divide", "by"),
    "power": ("raise", "to the power of"),
    "modulo": ("modulo", "by"),
}
#: Operations that go on over any number of operands.
REPEATED = frozenset(("add", "multiply"))


class Operator(Struct, frozen=True):
    """A tool that does an operation: with its operands in ``left`` and ``right``, or all in the list ``listed``."""

    name: str
    tool: Tool
    left: str = ""
    right: str = ""
    listed: str = ""
    fixed: tuple[tuple[str, Any], ...] = ()

    def arguments(self, left: Any, right: Any) -> dict[str, Any]:
        """The arguments of a call."""
        operands = {self.listed: [left, right]} if self.listed else {self.left: left, self.right: right}
        return dict(self.fixed) | operands


def operators_of(tools: Iterable[Tool]) -> dict[str, Operator]:
    """The operations that some of the tools do; of several tools the one with the shortest name."""
    found: dict[str, Operator] = {}
    for tool in sorted(tools, key=lambda tool: len(parts(tool.name))):
        for name in dict.fromkeys(SIGNS.values()):
            if name not in found and (operator := _operator(name, tool)) is not None:
                found[name] = operator
    return found


def _operator(name: str, tool: Tool) -> Operator | None:
    required = [parameter for parameter in tool.parameters if parameter.required]
    numbers = [parameter for parameter in required if parameter.is_number]
    others = [parameter for parameter in required if not parameter.is_number]
    named = stem(name) in concepts_of(tool.name)
    if named and len(numbers) == 2 and not others:
        return _of_two(name, tool, numbers)
    if len(others) != 1:
        return None
    if named and not numbers and others[0].kind == ARRAY and others[0].item in (NUMBER, INTEGER) and name in REPEATED:
        return Operator(name, tool, listed=others[0].name)
    choice = next((one for one in others[0].choices if isinstance(one, str) and _means(one, name)), None)
    return _of_two(name, tool, numbers, ((others[0].name, choice),)) if choice and len(numbers) == 2 else None


def _of_two(name: str, tool: Tool, numbers: Sequence[Parameter], fixed: tuple[tuple[str, Any], ...] = ()) -> Operator:
    said = [before(words.split()) for words in _SAID[name]]
    found = aligned(pattern(tool, numbers), said) if name not in REPEATED else {0: 0, 1: 1}
    first, second = numbers[0].name, numbers[1].name
    left, right = (first, second) if found[0] == 0 else (second, first)
    return Operator(name, tool, left, right, fixed=fixed)


def _means(choice: str, name: str) -> bool:
    return SIGNS.get(choice) == name or (len(choice) < 40 and concept(choice.lower()) == stem(name))
