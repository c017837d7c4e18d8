"""The parameters of a tool, read from its JSON schema, whatever that says."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

NUMBER, INTEGER, STRING, BOOLEAN, ARRAY, OBJECT, ANY = (
    "number",
    "integer",
    "string",
    "boolean",
    "array",
    "object",
    "any",
)
_KINDS = frozenset((NUMBER, INTEGER, STRING, BOOLEAN, ARRAY, OBJECT))
#: As deep as references and alternatives are followed, and as many parameters and values as are looked at.
_DEEPEST = 8
_MOST = 100
_LARGEST = 1e15


class Parameter(Struct, frozen=True):
    """A parameter: what ``kind`` of value it takes (a type of JSON schema, or ``any``).

    ``item`` is the kind of the items of an array; ``fields`` are what an object needs, or each object in an array.
    """

    name: str
    kind: str = ANY
    required: bool = False
    description: str = ""
    choices: tuple[Any, ...] = ()
    format: str = ""
    item: str = ANY
    fields: tuple["Parameter", ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def is_number(self) -> bool:
        """Whether it takes a number."""
        return self.kind in (NUMBER, INTEGER) and not self.choices

    @property
    def is_text(self) -> bool:
        """Whether it takes any text."""
        return self.kind in (STRING, ANY) and not self.choices


def parameters_of(schema: object) -> tuple[Parameter, ...]:
    """The parameters of an object's schema, in its order. What is no schema has none."""
    if not isinstance(schema, Mapping):
        return ()
    whole = _resolved(schema, schema)
    properties = whole.get("properties")
    required = whole.get("required")
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    if not isinstance(properties, Mapping):
        return ()
    named = [(name, part) for name, part in properties.items() if isinstance(name, str)][:_MOST]
    return tuple(_parameter(name, _resolved(part, schema), schema, name in needed) for name, part in named)


def _fields(part: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """What an object needs, without what its own objects need."""
    properties, required = part.get("properties"), part.get("required")
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return ()
    named = [name for name in required if isinstance(name, str) and name in properties][:_DEEPEST]
    return tuple(Parameter(name, _kind(_resolved(properties[name], root)), required=True) for name in named)


def fits(value: object, parameter: Parameter) -> bool:
    """Whether a value is of the kind that a parameter takes."""
    if parameter.choices:
        return any(value == choice and type(value) is type(choice) for choice in parameter.choices)
    return _is(value, parameter.kind)


def _is(value: object, kind: str) -> bool:
    if kind == ANY:
        return True
    if kind in (NUMBER, INTEGER):
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return not isinstance(value, bool) and (whole or (kind == NUMBER and isinstance(value, float)))
    types: dict[str, type] = {STRING: str, BOOLEAN: bool, ARRAY: list, OBJECT: dict}
    return isinstance(value, types[kind])


def _parameter(name: str, part: Mapping[str, Any], root: Mapping[str, Any], required: bool) -> Parameter:
    items = _resolved(part.get("items"), root)
    return Parameter(
        name=name,
        kind=_kind(part),
        required=required and "default" not in part,
        description=_text(part.get("description")),
        choices=_choices(part),
        format=_text(part.get("format")),
        item=_kind(items),
        fields=_fields(items if _kind(part) == ARRAY else part, root),
        least=_bound(part, "minimum", "exclusiveMinimum"),
        most=_bound(part, "maximum", "exclusiveMaximum"),
    )


def _kind(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if isinstance(one, str) and one != "null"), None)
    if isinstance(kind, str) and kind in _KINDS:
        return kind
    return OBJECT if isinstance(part.get("properties"), Mapping) else ANY


def _choices(part: Mapping[str, Any]) -> tuple[Any, ...]:
    if "const" in part:
        return (part["const"],) if _is_plain(part["const"]) else ()
    choices = part.get("enum")
    if not isinstance(choices, list):
        return ()
    return tuple(choice for choice in choices if _is_plain(choice))[:_MOST]


def _is_plain(value: object) -> bool:
    """Whether a value can be written down as a word or a number."""
    return isinstance(value, str) or (isinstance(value, (int, float)) and abs(value) < _LARGEST)


def _bound(part: Mapping[str, Any], *names: str) -> float | None:
    values = (part.get(name) for name in names)
    return next((value for value in values if _is_plain(value) and not isinstance(value, (str, bool))), None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _resolved(part: object, root: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """A schema without ``$ref`` (to the same document) and with one of its alternatives, the first that is not null."""
    if not isinstance(part, Mapping):
        return {}
    if depth > _DEEPEST:
        return part
    merged: dict[str, Any] = {
        key: value for key, value in part.items() if key not in ("$ref", "anyOf", "oneOf", "allOf")
    }
    for other in _others(part, root):
        merged = {**_resolved(other, root, depth + 1), **merged}
    return merged


def _others(part: Mapping[str, Any], root: Mapping[str, Any]) -> list[object]:
    others: list[object] = [_referred(part["$ref"], root)] if isinstance(part.get("$ref"), str) else []
    for key in ("anyOf", "oneOf"):
        if isinstance(part.get(key), list):
            others += _alternative(part[key])
    return others + (part["allOf"][:_DEEPEST] if isinstance(part.get("allOf"), list) else [])


def _alternative(alternatives: list[object]) -> list[object]:
    """The first that is not null; of constants, all as an enumeration."""
    schemas = [one for one in alternatives if isinstance(one, Mapping) and one.get("type") != "null"][:_MOST]
    if len(schemas) > 1 and all("const" in one for one in schemas):
        return [{"enum": [one["const"] for one in schemas]}]
    return list(schemas[:1])


def _referred(reference: str, root: Mapping[str, Any]) -> object:
    found: object = root
    for step in reference.removeprefix("#").split("/")[1 : _DEEPEST + 1]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
