"""How far the calls of a plan are: which can be made now, and what became of the others."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from cadence.chat.offline import wording
from cadence.chat.offline.arithmetic import Reference
from cadence.chat.offline.exchange import AI, TOOL, Call, Message
from cadence.chat.offline.naming import NOTHING
from cadence.chat.offline.passages import is_deep
from cadence.chat.offline.planning import Job
from cadence.chat.offline.schema import ARRAY, INTEGER, NUMBER, STRING, Parameter, fits
from cadence.chat.offline.tokens import number


class Outcome(Struct, frozen=True):
    """What came of a call: a value, or an error in words."""

    value: Any = None
    error: str | None = None


class Progress(Struct, frozen=True):
    """Calls that can be made now, and sentences about what did not work."""

    calls: tuple[Call, ...] = ()
    troubles: tuple[str, ...] = ()


def outcomes(messages: Sequence[Message]) -> dict[str, list[Outcome]]:
    """What came of the calls that were made, by :func:`key`, in the order in which they were made."""
    answers = {message.answers: message for message in messages if message.role == TOOL}
    made: dict[str, list[Outcome]] = {}
    for message in messages:
        for call in message.calls if message.role == AI else ():
            made.setdefault(key(call.name, call.args), []).append(_outcome(answers.get(call.id)))
    return made


def key(name: str, args: Mapping[str, Any]) -> str:
    """What is the same for the same call."""
    return f"{name} {json.dumps(args, sort_keys=True, default=str)}"


def progress(jobs: Iterable[Job], made: Mapping[str, Sequence[Outcome]], before: Any = NOTHING) -> Progress:
    """Go through the jobs as far as their results are there.

    Each job takes one outcome, so that the same call is made as often as it is asked for and not once more.

    :param before: the result before the first job.
    """
    results: list[Outcome | None] = []
    calls: list[Call] = []
    left = {known: list(outcomes) for known, outcomes in made.items()}
    troubles: list[str] = []
    for job in jobs:
        needed = [results[number] for number in _needed(job.args) if number is not None]
        if None in needed or None in results[: job.after]:
            results.append(None)
            continue
        outcome = _blocked(job, needed) or _called(job, results, before, left, calls)
        if outcome is not None and outcome.error is not None:
            troubles.append(outcome.error)
        results.append(outcome)
    return Progress(tuple(calls), tuple(dict.fromkeys(troubles)))


def plain(value: Any) -> Any:
    """A result as a person would write it down: 84 rather than 84.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _called(
    job: Job, results: Sequence[Outcome | None], before: Any, left: Mapping[str, list[Outcome]], calls: list[Call]
) -> Outcome | None:
    kinds = {parameter.name: parameter for parameter in job.tool.parameters}
    args: dict[str, Any] = {}
    for name, value in job.args.items():
        args[name] = _resolved(value, results, before, kinds.get(name) or Parameter(name))
        if args[name] is NOTHING:
            return Outcome(error=wording.unfit(job.tool.name, kinds[name]))
    there = left.get(key(job.tool.name, args))
    if not there:
        calls.append(Call(job.tool.name, args))
        return None
    outcome = there.pop(0)
    return outcome if outcome.error is None else Outcome(error=wording.failed(job.tool.name, outcome.error))


def _blocked(job: Job, needed: Sequence[Outcome | None]) -> Outcome | None:
    failed = any(one is not None and one.error is not None for one in needed)
    return Outcome(error=wording.blocked(job.tool.name)) if failed else None


def _needed(value: Any) -> set[int | None]:
    if isinstance(value, Reference):
        return {value.job}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {number for part in parts if isinstance(part, (Reference, list)) for number in _needed(part)}


def _resolved(value: Any, results: Sequence[Outcome | None], before: Any, parameter: Parameter) -> Any:
    """A value without references; NOTHING where a result is not of the kind that is taken."""
    if isinstance(value, list):
        items = [_resolved(part, results, before, Parameter("", parameter.item)) for part in value]
        return NOTHING if NOTHING in items else items
    if not isinstance(value, Reference):
        return value
    outcome = None if value.job is None else results[value.job]
    return fitted(before if outcome is None else outcome.value, parameter)


def fitted(value: Any, parameter: Parameter) -> Any:
    """A result as a parameter takes it, NOTHING where it cannot."""
    value = plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return NOTHING
    if value is NOTHING or fits(value, parameter) or parameter.choices:
        return value
    if parameter.kind in (NUMBER, INTEGER):
        found = _number(value)
        return found if found is not None and fits(found, parameter) else NOTHING
    if parameter.kind == STRING:
        return json.dumps(value, ensure_ascii=False)
    return [value] if parameter.kind == ARRAY else NOTHING


def _number(value: Any) -> int | float | None:
    """The number that a result says: a text of figures, or the only number in an object or a list."""
    if isinstance(value, str):
        text = value.strip()
        sign, figures = (-1, text[1:]) if text.startswith("-") else (1, text)
        found = number(figures) if figures.replace(".", "", 1).isdecimal() and figures[0] != "." else None
        return None if found is None else sign * found
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    numbers = [one for one in held if isinstance(one, (int, float)) and not isinstance(one, bool)]
    return plain(numbers[0]) if len(numbers) == 1 else None


def _outcome(message: Message | None) -> Outcome:
    if message is None:
        return Outcome(error="It gave no answer.")
    if message.failed:
        return Outcome(error=" ".join(message.text.split()) or "It gave no reason.")
    return Outcome(value=parsed(message.text))


def parsed(text: str) -> Any:
    """The value that JSON says, or else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if is_deep(value) else value
