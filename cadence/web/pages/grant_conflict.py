"""Two operators change the same permissions: what the second is told, and what stands in the form then.

The form carries what stood in its fields before anybody typed. So it is known of each field who changed it: what only
the other changed is taken over, what both changed stays as it was typed, and both are told in words.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from cadence.web.pages.limits import LIMITS

_MAX_SHOWN = 200
"""What stood in a field is repeated up to so many characters."""

_UNITS = {limit.name: limit.unit for limit in LIMITS}
_LABELS = {"network": "Network"} | {limit.name: limit.label for limit in LIMITS}


class Conflict(Struct, frozen=True):
    """What is said, and what stands in the fields: ``texts`` by field, ``removed`` names of the environment."""

    sentences: tuple[str, ...]
    texts: dict[str, str]
    removed: tuple[str, ...] = ()


class Environment(Struct, frozen=True):
    """Names of the environment: what was ``seen`` as set, is ``set`` now, was typed anew and to be ``removed``."""

    seen: Sequence[str]
    set: Sequence[str]
    typed: Sequence[str]
    removed: Sequence[str]


def conflict(
    typed: Mapping[str, str], seen: Mapping[str, str], present: Mapping[str, str], environment: Environment
) -> Conflict:
    """Bring together what two operators want.

    :param typed: what the second sent, by field.
    :param seen: what stood in the fields when the page was made; a field that is missing counts as typed into.
    :param present: what would stand there now.
    """
    sentences: list[str] = []
    texts: dict[str, str] = {}
    for field, now in present.items():
        mine, before = typed.get(field, ""), seen.get(field)
        untouched = before is not None and _same(mine, before)
        texts[field] = now if untouched or _same(mine, now) else mine
        if before is not None and _same(now, before):
            continue
        if untouched:
            sentences.append(f"{_LABELS[field]} is {_shown(field, now)} now. That stands in the form below.")
        elif not _same(mine, now):
            sentences.append(
                f"{_LABELS[field]} is {_shown(field, now)} now; you typed {_shown(field, mine)}, which stands below."
            )
    sentences += _environment(environment)
    if not sentences:
        sentences.append("What can be shown is as you saw it. A value of the environment may be another.")
    removed = tuple(name for name in environment.removed if name in environment.set)
    return Conflict(tuple(sentences), texts, removed)


def _environment(names: Environment) -> Iterator[str]:
    if added := _listed(names.set, names.seen):
        yield f"In the environment, {added} {_is(names.set, names.seen)} set now."
    if gone := _listed(names.seen, names.set):
        yield f"In the environment, {gone} {_is(names.seen, names.set)} not set any more."
    if again := _listed(names.typed, ()):
        yield f"What you typed as a value of {again} is not sent back to you, so type it once more."


def _listed(names: Sequence[str], without: Collection[str]) -> str:
    return _cut(", ".join(name for name in names if name not in without))


def _is(names: Sequence[str], without: Collection[str]) -> str:
    return "is" if sum(name not in without for name in names) == 1 else "are"


def _shown(field: str, text: str) -> str:
    words = ", ".join(_lines(text))
    if not words:
        return "closed" if field == "network" else "the server's default"
    return _cut(f"{words} {_UNITS.get(field, '')}".rstrip())


def _cut(words: str) -> str:
    return words if len(words) <= _MAX_SHOWN else f"{words[: _MAX_SHOWN - 1]}…"


def _same(one: str, other: str) -> bool:
    """Browsers end lines in another way than we do."""
    return _lines(one) == _lines(other)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
