"""Examples of a tool: calls, and what they bring. The server tries them before it takes a plugin.

::

    @example(a=2, b=3, returns=5)
    @tool
    def add(a: float, b: float) -> float: ...
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

MAX_EXAMPLES_PER_TOOL = 20
#: The JSON of one example's arguments, and of the value it is expected to return, may have so many bytes.
MAX_ARGUMENTS_BYTES = 4 * 1024
MAX_EXPECTED_BYTES = 64 * 1024
#: How deep either may be nested.
MAX_DEPTH = 64

# Both sides in underscores: models of Pydantic leave such a name alone, as an attribute of a class and in an instance.
_ATTRIBUTE = "__cadence_examples__"
_NOT_GIVEN: Any = object()


@dataclass(frozen=True, slots=True)
class Example:
    """One call and what is expected of it; at most one of the expectations is there.

    :ivar arguments: the JSON of the arguments object.
    :ivar returns: the JSON of the result.
    :ivar raises: words in the exception, its type's name included.
    :ivar contains: words in the result, which is a text.
    :ivar within: how far numbers in the result may be from those in ``returns``.
    """

    arguments: bytes
    returns: bytes | None = None
    raises: str | None = None
    contains: str | None = None
    within: float = 0.0


def example(
    arguments: Mapping[str, Any] | None = None,
    /,
    *,
    returns: Any = _NOT_GIVEN,
    raises: str | None = None,
    contains: str | None = None,
    approximately: float | None = None,
    **named: Any,
) -> Callable[[T], T]:
    """Give a tool an example: a call that the server makes at the trial of the plugin, and what has to come of it.

    It stands above or below ``@tool``, above a subclass of ``BaseTool``, or is called with a tool that was made
    otherwise: ``example(a=1)(Tool(…))``. A tool may have several; how it answers is not changed by them. Without an
    expectation the call only has to return.

    :param arguments: the arguments as a mapping; so they can have names that are parameters here, such as ``returns``.
    :param named: the arguments by name, where there is no mapping.
    :param returns: what the tool returns, as JSON data: numbers, texts, booleans, None, lists, and dicts by texts.
    :param raises: words in the exception that it raises: ``"no such unit"``, ``"ValueError"``, ``"KeyError: 'x'"``.
    :param contains: words in the text that it returns.
    :param approximately: how far each number in the result may be from the one in ``returns``.
    :returns: what puts the example on a tool, and returns that tool.
    :raises TypeError: when it is no example: two expectations, or something that is not JSON.
    :raises ValueError: when it is too large, or words or a distance are empty.
    """
    if arguments is not None and named:
        raise TypeError("An example's arguments are given as a mapping or by name, not both")
    if (returns is not _NOT_GIVEN) + (raises is not None) + (contains is not None) > 1:
        raise TypeError("An example expects one thing: returns, raises or contains")
    given = named if arguments is None else arguments
    if not isinstance(given, Mapping):
        raise TypeError(f"An example's arguments are a mapping, not {type(given).__name__}")
    made = Example(
        arguments=_json(dict(given), "arguments", MAX_ARGUMENTS_BYTES),
        returns=None if returns is _NOT_GIVEN else _json(returns, "expected value", MAX_EXPECTED_BYTES),
        raises=_words(raises, "raises"),
        contains=_words(contains, "contains"),
        within=_distance(approximately, applies=returns is not _NOT_GIVEN),
    )
    return lambda target: _given(target, made)


def examples_of(*holders: object) -> tuple[Example, ...]:
    """The examples that a tool, its class and its functions were given, in the order in which they are read.

    :raises ValueError: when there are too many.
    """
    found = [one for holder in holders for one in _own(holder)]
    if len(found) > MAX_EXAMPLES_PER_TOOL:
        raise ValueError(f"A tool has at most {MAX_EXAMPLES_PER_TOOL} examples, not {len(found)}")
    return tuple(found)


def _own(holder: object) -> tuple[Example, ...]:
    # A class passes its examples on to those that inherit from it; an instance has its own.
    is_class = isinstance(holder, type)
    found = getattr(holder, _ATTRIBUTE, ()) if is_class else getattr(holder, "__dict__", {}).get(_ATTRIBUTE, ())
    return tuple(one for one in found if isinstance(one, Example)) if isinstance(found, tuple) else ()


def _given(target: T, made: Example) -> T:
    is_function = callable(target) and not isinstance(target, type)
    if not is_function and not hasattr(target, "invoke"):  # as a tool, and a class of tools, has
        name = target.__name__ if isinstance(target, type) else type(target).__name__
        raise TypeError(f"example() stands above a tool, not above {name}")
    examples = (made, *_own(target))  # of several decorators the lowest comes first
    if len(examples) > MAX_EXAMPLES_PER_TOOL:
        raise ValueError(f"A tool has at most {MAX_EXAMPLES_PER_TOOL} examples")
    if isinstance(target, type):
        setattr(target, _ATTRIBUTE, examples)
    else:
        _set(target, examples)
    return target


def _set(target: object, examples: tuple[Example, ...]) -> None:
    try:
        # Models refuse attributes that are no fields; this one is none, and nothing of theirs asks for it.
        object.__setattr__(target, _ATTRIBUTE, examples)
    except AttributeError:
        words = f"A {type(target).__name__} cannot be given an example; give it to the tool that is made of it"
        raise TypeError(words) from None


def _json(value: Any, what: str, most: int) -> bytes:
    """The JSON (RFC 8259) of a value that is made of what JSON is made of, and of nothing else."""
    for place, reason in _foreign(value, (), 0):
        where = f"`{'.'.join(place)}` " if place else "it "
        raise TypeError(f"The {what} of an example must be JSON: {where}{reason}")
    text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    if len(text) > most:
        raise ValueError(f"There are {len(text)} bytes in the {what} of an example; at most {most} are allowed")
    return text


def _foreign(value: Any, place: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where there is what JSON does not have, and what it is."""
    if depth > MAX_DEPTH:
        yield (), f"is nested more than {MAX_DEPTH} levels deep"
    elif isinstance(value, dict):
        yield from ((place, f"has the key {key!r}, which is no text") for key in value if not isinstance(key, str))
        for key, item in value.items():
            yield from _foreign(item, (*place, str(key)), depth + 1)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _foreign(item, (*place, str(number)), depth + 1)
    elif reason := _no_scalar(value):
        yield place, reason


def _no_scalar(value: Any) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else f"is {value}"
    if isinstance(value, str):
        halves = any("\ud800" <= character <= "\udfff" for character in value)
        return "holds half of a character" if halves else None
    return None if value is None or isinstance(value, int) else f"is a {type(value).__name__}"  # a bool is an int


def _words(words: Any, what: str) -> str | None:
    if words is None:
        return None
    if not isinstance(words, str):
        raise TypeError(f"{what} of an example is a text, not {type(words).__name__}")
    if not words.strip():
        raise ValueError(f"{what} of an example must not be empty")
    if len(words.encode("utf-8", "replace")) > MAX_ARGUMENTS_BYTES:
        raise ValueError(f"{what} of an example has at most {MAX_ARGUMENTS_BYTES} bytes")
    return words


def _distance(distance: Any, *, applies: bool) -> float:
    if distance is None:
        return 0.0
    if not applies:
        raise TypeError("approximately says how near the result has to be to what returns says, which is not given")
    if isinstance(distance, bool) or not isinstance(distance, int | float):
        raise TypeError(f"approximately is a number, not {type(distance).__name__}")
    if not (math.isfinite(distance) and distance > 0):
        raise ValueError(f"approximately is a number above 0, not {distance}")
    return float(distance)
