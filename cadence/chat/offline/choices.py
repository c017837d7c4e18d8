"""Values that a schema knows beforehand: JSON, the choices of an enumeration, yes and no; and lists."""

from typing import Any

from cadence.chat.offline import texts
from cadence.chat.offline.filling import MOST_VALUES, Filling
from cadence.chat.offline.naming import NOTHING, TRUTH, chosen, spelled
from cadence.chat.offline.schema import ANY, ARRAY, BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, Parameter, fits
from cadence.chat.offline.tokens import DATA, QUOTED, Token
from cadence.chat.offline.vocabulary import wordset
from cadence.chat.offline.words import STOP, concept, concepts_of, parts

_NEGATIONS = wordset("no not without don't skip omit never")


def data(filling: Filling) -> None:
    """JSON: an object that holds arguments, or the value of one."""
    names = {parameter.name: parameter for parameter in filling.tool.parameters}
    for at in filling.free(DATA):
        value = filling.clause.tokens[at].value
        if isinstance(value, dict) and value and names.keys() >= value.keys():
            filling.args = {**value, **filling.args}
            filling.used.add(at)
            continue
        taker = next((one for one in filling.takers() if one.kind in (ARRAY, OBJECT) and fits(value, one)), None)
        if taker:
            filling.args[taker.name] = value
            filling.used.add(at)


def choices(filling: Filling) -> None:
    """Give each enumeration the choice that occurs in the clause, or that a word of it means."""
    for parameter in [one for one in filling.takers() if one.choices]:
        begins = {words[0] for choice in parameter.choices for words in spelled(choice)}
        for at, token in enumerate(filling.clause.tokens):
            if at in filling.used or (token.text not in begins and token.kind != QUOTED):
                continue
            if not parameter.required and token.text in STOP:
                continue
            value, end = chosen(parameter, filling.clause.tokens, at)
            if value is not NOTHING:
                filling.args[parameter.name] = value
                filling.used |= set(range(at, end))
                break
        else:
            _meant(filling, parameter)


def _meant(filling: Filling, parameter: Parameter) -> None:
    """A choice by what it means: "times" for ``multiply``."""
    known = set(filling.heard.values())
    for choice in parameter.choices:
        if isinstance(choice, str) and concept(choice.lower()) in known and parameter.name not in filling.args:
            filling.args[parameter.name] = choice


def truth(filling: Filling) -> None:
    """Say yes or no where the clause does, or where it mentions what can be so."""
    for parameter in [one for one in filling.takers() if one.kind == BOOLEAN and not one.choices]:
        wanted = set(concepts_of(parameter.name)) or set(parts(parameter.name))
        places = [at for at, known in filling.heard.items() if known in wanted]
        said = [at for at, token in enumerate(filling.clause.tokens) if token.text in TRUTH and at not in filling.used]
        if places and wanted <= {filling.heard[at] for at in places}:
            near = filling.clause.tokens[max(0, places[0] - 2) : places[0]]
            filling.args[parameter.name] = not any(token.text in _NEGATIONS for token in near)
            filling.hits |= set(places)
        elif said and parameter.required:
            filling.args[parameter.name] = TRUTH[filling.clause.tokens[said[0]].text]
            filling.used.add(said[0])


def lists(filling: Filling) -> None:
    """Gather what is listed: numbers, or texts."""
    for parameter in [one for one in filling.left() if one.kind == ARRAY]:
        if parameter.item in (NUMBER, INTEGER):
            found = filling.open_figures()
            values = [one.value for one in found]
            used = {at for one in found for at in range(one.first, one.last)}
        elif parameter.item in (STRING, ANY):
            values, used = _listed_texts(filling)
        else:
            continue
        if values:
            filling.args[parameter.name] = values[: MOST_VALUES * 20]
            filling.used |= used


def _listed_texts(filling: Filling) -> tuple[list[Any], set[int]]:
    quoted = filling.free(QUOTED)
    if quoted:
        return [filling.clause.tokens[at].value for at in quoted], set(quoted)
    if any(one.is_text for one in filling.left()):
        return [], set()
    found = texts.rest(filling.clause, filling.hits, filling.used)
    pieces: list[list[Token]] = [[]]
    for token in found:
        if token.text in (",", "and", "&", ";"):
            pieces.append([])
        else:
            pieces[-1].append(token)
    return [texts.wording(filling.clause, piece) for piece in pieces if piece], set()
