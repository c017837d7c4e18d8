"""Numbers for the parameters of a tool: in which order, how many, and for how many calls."""

from collections.abc import Sequence
from typing import Any

from cadence.chat.offline.arithmetic import Figure, Reference, mentions
from cadence.chat.offline.filling import MOST_VALUES, Filling
from cadence.chat.offline.naming import suits
from cadence.chat.offline.schema import ANY, Parameter
from cadence.chat.offline.slots import aligned, pattern


def numbers(filling: Filling) -> None:
    """Give the numbers of the clause to the parameters that want some."""
    wanted = [one for one in filling.left() if one.is_number]
    found = filling.open_figures()
    if not wanted and not any(one.is_text or one.kind == ANY for one in filling.left()):
        wanted = [one for one in filling.left(optional=True) if one.is_number]
        _place(filling, wanted, [one for one in found if not mentions(one.value)])
        return
    if not wanted:
        return
    if _is_spread(filling, wanted, found):
        filling.spread = [{wanted[0].name: one.value} for one in found[:MOST_VALUES]]
        filling.args[wanted[0].name] = found[0].value
        return
    optional = [one for one in filling.left(optional=True) if one.is_number]
    _place(filling, wanted + optional[: max(0, len(found) - len(wanted))], found)


def _is_spread(filling: Filling, wanted: Sequence[Parameter], found: Sequence[Figure]) -> bool:
    lone = len(wanted) == 1 and not [one for one in filling.tool.parameters if one.is_number and one != wanted[0]]
    plain = all(suits(one, wanted[0]) and not mentions(one.value) for one in found) if lone else False
    return plain and len(found) > 1 and len(filling.left()) == 1


def _place(filling: Filling, wanted: Sequence[Parameter], found: Sequence[Figure]) -> None:
    """Give numbers to the parameters that want them."""
    values: list[tuple[Any, tuple[str, ...]]] = [
        (one.value, filling.before(one.first)) for one in found if any(suits(one, taker) for taker in wanted)
    ]
    values.sort(key=lambda value: not isinstance(value[0], Reference))
    required = [one for one in wanted if one.required]
    if filling.implies and len(values) == len(required) - 1 and not any(mentions(value) for value, _ in values):
        values.insert(0, (Reference(), ()))
    places = aligned(pattern(filling.tool, wanted), [words for _, words in values])
    if _repeats([words for _, words in values], len(wanted)):
        groups = range(0, min(len(values), MOST_VALUES), len(wanted))
        filling.spread = [
            {wanted[number].name: values[group + place][0] for number, place in places.items()} for group in groups
        ]
    for number, place in places.items():
        filling.args[wanted[number].name] = values[place][0]
    placed = set(places.values())
    filling.further = tuple(value for at, (value, _) in enumerate(values) if at not in placed)[:MOST_VALUES]
    filling.used |= {at for one in found for at in range(one.first, one.last)}


def _repeats(words: Sequence[tuple[str, ...]], size: int) -> bool:
    """Whether values come in groups that are said alike: "10 by 2 and 20 by 4"."""
    if size < 2 or len(words) <= size or len(words) % size or not all(words[1:size]):
        return False
    return all(words[at][-1:] == words[at % size][-1:] for at in range(size, len(words)) if at % size)
