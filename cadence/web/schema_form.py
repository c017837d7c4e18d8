"""A form for the arguments of a tool, made from the JSON schema of its parameters (JSON Schema 2020-12).

The schema comes from a plugin and may be anything: deep, endless, or no schema at all. Whatever a field cannot be made
for is written as JSON, and the tool itself says what does not fit. What a form is filled with comes back the same.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, structs

MOST_FIELDS = 60
"""So many fields are made; a tool with more is called with its arguments as JSON."""

MOST_CHOICES = 200
"""Of an enumeration with more values than these the value is typed."""

#: Of what a schema says in words, so many characters are shown.
_WORDS = 400
#: So long a schema is shown beside the field that is written as JSON.
_SCHEMA_CHARACTERS = 2000
#: So many references are followed to find out what one field is.
_MOST_REFERENCES = 8
_LONG_STRING = 200
_MOST_DIGITS = 300
#: A longer name gets no field: it stands in the page several times.
_LONGEST_NAME = 200
#: All values of an enumeration together; references let many fields share one.
_CHOICE_CHARACTERS = 5000
#: What lets a tool take arguments that its schema has no properties for.
_OPEN = ("$ref", "anyOf", "oneOf", "allOf", "patternProperties", "additionalProperties")

FieldKind = Literal["text", "long", "number", "integer", "boolean", "choice", "list", "json"]
Scalar = Literal["string", "number", "integer", "boolean"]

_SCALARS: Mapping[str, Scalar] = {one: one for one in ("string", "number", "integer", "boolean")}
_KINDS: Mapping[Scalar, FieldKind] = {
    "string": "text",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


class Choice(Struct, frozen=True):
    """A value that can be chosen: as JSON, and as it is shown."""

    text: str
    label: str


class Field(Struct, frozen=True):
    """One argument. ``items`` is what each line of a list is; ``choices`` are the values that can be chosen.

    An argument that is not ``required`` and left empty is not sent; one that is ``nullable`` is sent as null where it
    has to be. ``default`` is what the tool takes where nothing is sent, as text; None where it has none. ``lowest`` and
    ``highest`` are bounds of a number. ``schema`` is what a field that is written as JSON has to fit.
    """

    name: str
    label: str
    kind: FieldKind
    required: bool
    description: str = ""
    nullable: bool = False
    default: str | None = None
    items: Scalar = "string"
    choices: tuple[Choice, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    schema: str = ""


class ToolForm(Struct, frozen=True):
    """The fields of a tool. Where not ``complete`` the schema has what no field was made for: only JSON can say all."""

    fields: tuple[Field, ...]
    complete: bool = True


class Arguments(Struct, frozen=True):
    """What was written, as JSON, and a sentence for each field that cannot be read."""

    values: dict[str, Any]
    faults: dict[str, str]


def form_of(schema: Any) -> ToolForm:
    """The form for a tool's parameters; of one without properties, a form without fields."""
    if not isinstance(schema, Mapping):
        return ToolForm(())
    properties = schema.get("properties")
    named: Mapping[Any, Any] = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    names = frozenset(one for one in required if isinstance(one, str)) if isinstance(required, list) else frozenset()
    known = [(name, part) for name, part in named.items() if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME]
    fields = tuple(_field(name, part, name in names, schema) for name, part in known[:MOST_FIELDS])
    is_open = not fields and any(schema.get(key) for key in _OPEN)
    return ToolForm(fields, complete=len(fields) == len(named) and not is_open)


def _field(name: str, part: Any, required: bool, root: Mapping[str, Any]) -> Field:
    found, nullable = _resolved(part, root)
    default = found.get("default", part.get("default") if isinstance(part, Mapping) else None)
    field = Field(
        name=name,
        label=_words(found.get("title")) or name,
        kind="json",
        required=required,
        description=_words(found.get("description") or (part.get("description") if isinstance(part, Mapping) else "")),
        nullable=nullable,
        schema=_short_json(part),
    )
    return _filled(_shaped(field, found), default)


def _shaped(field: Field, found: Mapping[str, Any]) -> Field:
    """The field with the kind that fits its schema."""
    choices = _choices(found)
    if choices:
        nullable = field.nullable or None in found.get("enum", ())
        return structs.replace(field, kind="choice", choices=choices, nullable=nullable)
    if any(key in found for key in ("anyOf", "oneOf", "allOf", "not", "if", "const")):
        return field
    kind = found.get("type")
    scalar = _SCALARS.get(kind) if isinstance(kind, str) else None
    if scalar == "string":
        longest = found.get("maxLength")
        is_long = found.get("format") in ("textarea", "markdown", "multiline") or (
            isinstance(longest, int) and longest > _LONG_STRING
        )
        return structs.replace(field, kind="long" if is_long or "\n" in str(found.get("default", "")) else "text")
    if scalar is not None:
        return structs.replace(
            field, kind=_KINDS[scalar], lowest=_bound(found, "minimum"), highest=_bound(found, "maximum")
        )
    if kind == "array":
        items = found.get("items")
        each = items.get("type") if isinstance(items, Mapping) and not items.keys() & _BRANCHES else None
        if isinstance(each, str) and each in _SCALARS:
            return structs.replace(field, kind="list", items=_SCALARS[each])
    return field


_BRANCHES = frozenset({"anyOf", "oneOf", "allOf", "not", "$ref", "enum", "const"})


def _resolved(part: Any, root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """What a schema comes to once its references are followed, and null as the other choice is left out."""
    nullable = False
    for _ in range(_MOST_REFERENCES):
        if not isinstance(part, Mapping):
            return {}, nullable
        target = _target(part.get("$ref"), root)
        some = part.get("anyOf", part.get("oneOf"))
        kinds = part.get("type")
        if target is not None:
            part = {**target, **{key: value for key, value in part.items() if key != "$ref"}}
        elif isinstance(some, list) and {"type": "null"} in some and len(some) == 2:
            nullable = True
            other: Any = next((one for one in some if one != {"type": "null"}), {})
            rest = {key: value for key, value in part.items() if key not in ("anyOf", "oneOf")}
            part = {**other, **rest} if isinstance(other, Mapping) else rest
        elif isinstance(kinds, list) and "null" in kinds and len(kinds) == 2:
            nullable = True
            part = {**part, "type": next((one for one in kinds if one != "null"), None)}
        else:
            return part, nullable
    return {}, nullable


def _target(reference: Any, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a reference within the schema leads to (``#/$defs/Name``); it is followed nowhere else."""
    if not isinstance(reference, str):
        return None
    match reference.split("/"):
        case ["#", ("$defs" | "definitions") as place, name]:
            places = root.get(place)
            found = places.get(name) if isinstance(places, Mapping) else None
            return found if isinstance(found, Mapping) else None
    return None


def _choices(found: Mapping[str, Any]) -> tuple[Choice, ...]:
    values = found.get("enum")
    if values is None and isinstance(found.get("const"), str | int | float | bool):
        values = [found["const"]]
    if not isinstance(values, list) or len(values) > MOST_CHOICES:
        return ()
    if not all(value is None or isinstance(value, str | int | float | bool) for value in values):
        return ()
    texts = [(_written(value), value) for value in values if value is not None]
    if sum(len(text) for text, _ in texts) > _CHOICE_CHARACTERS:
        return ()
    return tuple(Choice(text, value if isinstance(value, str) else text) for text, value in texts)


def _filled(field: Field, default: Any) -> Field:
    """The field with its default, where that comes back the same from the field."""
    if default is None:
        return field
    try:
        text = _text(field, default)
        read = arguments_of([field], {field.name: text}).values if len(text) <= _SCHEMA_CHARACTERS else {}
        is_same = field.name in read and _written(read[field.name]) == _written(default)
    except (RecursionError, ValueError):  # deeper than can be written, or a number longer than Python writes
        return field
    # Browsers make each end of a line CR LF.
    return structs.replace(field, default=text) if is_same and "\r" not in text else field


def texts_of(fields: Sequence[Field], values: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the fields of a form where it is filled with arguments that the fields can hold."""
    return {field.name: _text(field, values[field.name]) for field in fields if field.name in values}


def _text(field: Field, value: Any) -> str:
    if value is None and field.kind != "json":
        return ""
    match field.kind:
        case "text" | "long":
            return value if isinstance(value, str) else _written(value)
        case "number" | "integer" | "boolean":
            return json.dumps(value)
        case "choice":
            return _written(value)
        case "list" if isinstance(value, list):
            return _lines(one if isinstance(one, str) else json.dumps(one) for one in value)
    return json.dumps(value, ensure_ascii=False, indent=2)


def _lines(texts: Iterable[str]) -> str:
    lines = list(texts)
    # The end of the last line begins no other, so that one which is empty needs an end of its own.
    return "\n".join(lines) + ("\n" if lines and not lines[-1] else "")


def arguments_of(fields: Sequence[Field], texts: Mapping[str, str]) -> Arguments:
    """What the fields of a form say. A field that is left empty is an argument that is not sent.

    :param texts: by the name of the field; browsers send each end of a line as CR LF.
    """
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for field in fields:
        text = texts.get(field.name, "").replace("\r\n", "\n")
        try:
            for value in _read(field, text):
                values[field.name] = value
        except ValueError as error:
            faults[field.name] = str(error)
    return Arguments(values, faults)


def json_arguments(text: str) -> dict[str, Any]:
    """All arguments, written as one JSON object.

    :raises ValueError: in a sentence, when that is no JSON object.
    """
    value = _json(text or "{}")
    if not isinstance(value, dict):
        raise ValueError('Write an object, such as {"a": 2}.')
    return value


def _read(field: Field, text: str) -> Iterator[Any]:
    """The value, or nothing where the argument is not to be sent."""
    if text == "" and field.kind not in ("text", "long", "list"):
        if field.required and not field.nullable:
            raise ValueError("Fill this in.")
        if field.required:
            yield None
    elif text == "" and not field.required:
        return
    elif text == "" and field.nullable:
        yield None
    elif field.kind == "choice":
        yield _chosen(field, text)
    elif field.kind == "list":
        lines = text.removesuffix("\n").split("\n") if text else []
        yield [_scalar(field.items, line, number) for number, line in enumerate(lines, 1) if line or _counts(field)]
    elif field.kind == "json":
        yield _json(text)
    else:
        yield _scalar(_ONE[field.kind], text)


def _counts(field: Field) -> bool:
    """Whether an empty line of a list is a value."""
    return field.items == "string"


_ONE: Mapping[FieldKind, Scalar] = {
    "text": "string",
    "long": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}


def _scalar(kind: Scalar, text: str, line: int = 0) -> Any:
    where = f"Line {line}: " if line else ""
    if kind == "string":
        return text
    text = text.strip()
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"{where}Write true or false.")
        return text == "true"
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"{where}That is too long for a number.")
    if _INTEGER.fullmatch(text):
        return int(text)
    if kind == "integer":
        raise ValueError(f"{where}Write a whole number, such as 3.")
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"{where}Write a number, such as 2.5.")
    return float(text)


def _chosen(field: Field, text: str) -> Any:
    if all(text != choice.text for choice in field.choices):
        raise ValueError("Choose one of the values.")
    return _json(text)


def _json(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=_whole, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("That is nested too deeply.") from None
    except UnicodeEncodeError:
        raise ValueError("That holds half a character: a surrogate (\\ud800 to \\udfff) without its other.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"That is no JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"That is no JSON: {name} is no number there.")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("A number in it is too long.")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError("A number in it is too large.")
    return value


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _bound(found: Mapping[str, Any], name: str) -> float | None:
    value = found.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    # No infinity, no NaN, and no number longer than Python writes.
    return value if abs(value) < 10**_MOST_DIGITS else None


def _words(text: Any) -> str:
    if not isinstance(text, str):
        return ""
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _short_json(part: Any) -> str:
    try:
        text = json.dumps(part, ensure_ascii=False, indent=2)
    except (RecursionError, ValueError):
        return ""
    return text if len(text) <= _SCHEMA_CHARACTERS else f"{text[: _SCHEMA_CHARACTERS - 1]}…"
