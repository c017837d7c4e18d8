"""What somebody might ask first, made from the tools that are there."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cadence.model import ToolSpec
from cadence.web.present import PluginView

MOST_SUGGESTIONS = 4

ANSWERING = frozenset({"live", "degraded", "asleep", "starting"})
"""The status of a plugin that can answer, perhaps after a while."""

_NUMBERS = (2, 3, 5, 7, 11, 13)
_LONGEST = 80


def suggestions(plugins: Sequence[PluginView]) -> list[str]:
    """Messages that a plugin can deal with, of each plugin in turn.

    :param plugins: those that may answer.
    """
    of_each = [list(_of(plugin)) for plugin in plugins if plugin.status in ANSWERING]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*of_each))
    found = dict.fromkeys(words for words in in_turn if words and len(words) <= _LONGEST)
    return list(itertools.islice(found, MOST_SUGGESTIONS))


def _of(plugin: PluginView) -> Iterator[str]:
    for tool in plugin.tools:
        words = suggestion(tool)
        if words is not None:
            yield words


def suggestion(tool: ToolSpec) -> str | None:
    """A message for one tool, such as ``add 2 and 3``; None where its arguments are none that can be made up.

    Its schema comes from a plugin and may be anything.
    """
    properties, required = tool.parameters.get("properties", {}), tool.parameters.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list) or len(required) > len(_NUMBERS):
        return None
    schemas = [properties.get(name) if isinstance(name, str) else None for name in required]
    values = [_value(schema, number) for schema, number in zip(schemas, _NUMBERS, strict=False)]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return " ".join(filter(None, [tool.name.replace("_", " "), _listed(known)]))


def _value(schema: Any, number: int) -> str | None:
    if not isinstance(schema, Mapping):
        return None
    choices = schema.get("enum")
    if isinstance(choices, list) and choices and isinstance(choices[0], str):
        return choices[0]
    kind = schema.get("type")
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return "[3, 1, 2]" if schema["items"].get("type") in ("number", "integer") else None
    return str(number) if kind in ("number", "integer") else '"hello"' if kind == "string" else None


def _listed(values: Sequence[str]) -> str:
    *most, last = values or [""]
    return f"{', '.join(most)} and {last}" if most else last
