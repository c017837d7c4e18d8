"""The plugins that a conversation had to do with, and those of them that are not there any more."""

from collections.abc import Container, Iterable, Sequence

from cadence.chat.values import TurnRecord


def used(turns: Iterable[TurnRecord]) -> tuple[str, ...]:
    """The plugins that answered in these turns, or were asked to, in that order."""
    names = (name for turn in turns for name in (*(step.agent for step in turn.steps), *(turn.plugins or ())))
    return tuple(dict.fromkeys(names))


def gone(turns: Iterable[TurnRecord], asked: Sequence[str] | None, there: Container[str]) -> tuple[str, ...]:
    """Those of them, and of the ``asked``, that are not ``there``."""
    return tuple(name for name in dict.fromkeys((*used(turns), *(asked or ()))) if name not in there)


def notices(turns: Iterable[TurnRecord], missing: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each plugin that is missing, unless the conversation was told since it last answered."""
    told: set[str] = set()
    for turn in turns:
        told -= {_words(step.agent) for step in turn.steps if step.plugin_version}
        told |= set(turn.notices)
    return tuple(words for name in missing if (words := _words(name)) not in told)


def _words(name: str) -> str:
    return f"{name} is not there any more to answer. The conversation goes on without it."
