"""Texts for the parameters of a tool: quoted, dates, or the words that are left."""

from collections.abc import Sequence

from cadence.chat.offline import texts
from cadence.chat.offline.arithmetic import Operation, Reference
from cadence.chat.offline.filling import MOST_VALUES, Filling
from cadence.chat.offline.schema import ANY, ARRAY, OBJECT, Parameter
from cadence.chat.offline.slots import aligned, before, pattern
from cadence.chat.offline.tokens import DATE, QUOTED, Token
from cadence.chat.offline.words import concept, parts, stem


def strings(filling: Filling) -> None:
    """Give the texts of the clause to the parameters that want some."""
    _dates(filling)
    _records(filling)
    wanted = [one for one in filling.left() if one.is_text]
    quoted = filling.free(QUOTED)
    if wanted and len(quoted) >= len(wanted):
        _quoted(filling, wanted, quoted)
    elif len(wanted) == 1:
        _lone(filling, wanted[0])
    elif wanted:
        _several(filling, wanted)
    elif quoted:
        optional = [one for one in filling.left(optional=True) if one.is_text]
        _quoted(filling, optional, quoted[: len(optional)])


def _dates(filling: Filling) -> None:
    takers = [one for one in filling.takers() if one.is_text and _takes_dates(one)]
    for parameter, at in zip(takers, filling.free(DATE), strict=False):
        filling.args[parameter.name] = filling.clause.tokens[at].value
        filling.used.add(at)


def _quoted(filling: Filling, wanted: Sequence[Parameter], quoted: Sequence[int]) -> None:
    tokens = filling.clause.tokens
    if len(wanted) == 1 and len(quoted) > 1 and len(filling.left()) == 1:
        filling.spread = [{wanted[0].name: tokens[at].value} for at in quoted[:MOST_VALUES]]
        filling.args[wanted[0].name] = tokens[quoted[0]].value
        return
    optional = [one for one in filling.left(optional=True) if one.is_text and one not in wanted]
    takers = [*wanted, *optional[: len(quoted) - len(wanted)]]
    for number, place in aligned(pattern(filling.tool, takers), [filling.before(at) for at in quoted]).items():
        filling.args[takers[number].name] = tokens[quoted[place]].value
        filling.used.add(quoted[place])


def _records(filling: Filling) -> None:
    """An object whose fields are quoted: "replace 'a' with 'b' in 'abc'"."""
    taker = next((one for one in filling.left() if one.fields and one.kind in (ARRAY, OBJECT)), None)
    if taker is None or not all(field.is_text for field in taker.fields):
        return
    others = [one for one in filling.left() if one.is_text]
    quoted = filling.free(QUOTED)
    if len(quoted) != len(others) + len(taker.fields):
        return
    wanted = [*others, *taker.fields]
    if len({one.name for one in wanted}) < len(wanted):
        return
    found = aligned(pattern(filling.tool, wanted), [filling.before(at) for at in quoted])
    values = {wanted[number].name: filling.clause.tokens[quoted[place]].value for number, place in found.items()}
    record = {field.name: values.pop(field.name) for field in taker.fields}
    filling.args |= {**values, taker.name: [record] if taker.kind == ARRAY else record}
    filling.used |= set(quoted)


def _lone(filling: Filling, parameter: Parameter) -> None:
    found = _expression(filling, parameter) or texts.rest(filling.clause, filling.hits, filling.used)
    if texts.is_reference(found):
        if filling.refers:
            filling.args[parameter.name] = Reference()
    elif len(found) == 1 and parameter.kind == ANY and found[0].value is not None:
        filling.args[parameter.name] = found[0].value
    elif words := texts.wording(filling.clause, found):
        filling.args[parameter.name] = words


def _expression(filling: Filling, parameter: Parameter) -> Sequence[Token]:
    """The expression in the clause, for a parameter that takes one as it is written."""
    written = [one for one in filling.open_figures() if isinstance(one.value, Operation)]
    if len(written) != 1 or concept(parameter.name.lower()) != stem("calculate"):
        return ()
    return filling.clause.tokens[written[0].first : written[0].last]


def _several(filling: Filling, wanted: Sequence[Parameter]) -> None:
    """Texts for several parameters: "translate hello to French"."""
    used = {token.start for at, token in enumerate(filling.clause.tokens) if at in filling.used}
    found = texts.chunks(_tail(filling), used)[:MOST_VALUES]
    if len(found) < len(wanted):
        return
    for number, place in aligned(pattern(filling.tool, wanted), [before(words) for words, _ in found]).items():
        tokens = found[place][1]
        if not texts.is_reference(tokens):
            filling.args[wanted[number].name] = texts.wording(filling.clause, tokens)
        elif filling.refers:
            filling.args[wanted[number].name] = Reference()


def _tail(filling: Filling) -> Sequence[Token]:
    first = min(filling.hits, default=-1)
    tail = filling.clause.tokens[first + 1 :]
    return [token for token in tail if token.text not in ("?", "!", "please", ":", ",")]


def _takes_dates(parameter: Parameter) -> bool:
    return parameter.format.startswith(("date", "time")) or bool(
        {"date", "day", "time", "when"} & {*parts(parameter.name)}
    )
