"""Holds answers against the OpenAPI document: as much of JSON Schema 2020-12 as the document uses, and no more."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: Mapping[str, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_NOTES = {"title", "description", "default", "example", "contentMediaType"}
_KNOWN = _NOTES | {"$ref", "type", "enum", "anyOf", "properties", "required", "items", "additionalProperties"}


class Document:
    """The OpenAPI document as a judge of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.raw = document

    def references(self) -> Iterator[str]:
        """Every ``$ref`` in it."""
        return _references(self.raw)

    def resolve(self, reference: str) -> Any:
        """What a ``$ref`` points at."""
        target: Any = self.raw
        assert reference.startswith("#/"), reference
        for step in reference[2:].split("/"):
            target = target[step]
        return target

    def operation(self, method: str, rule: str) -> dict[str, Any] | None:
        """The operation of a Flask rule, such as ``/api/v1/plugins/<name>``."""
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
        found: dict[str, Any] | None = self.raw["paths"].get(path, {}).get(method.lower())
        return found

    def faults(self, operation: Mapping[str, Any], status: int, body: object) -> list[str]:
        """What of an answer is not as the document has it."""
        declared = operation["responses"].get(str(status))
        if declared is None:
            return [f"the status {status} is not in the document"]
        return list(self._faults(body, declared["content"]["application/json"]["schema"], "$"))

    def _faults(self, value: Any, schema: Schema, at: str) -> Iterator[str]:
        unknown = schema.keys() - _KNOWN
        assert not unknown, f"this checker does not know {unknown}"
        if "$ref" in schema:
            yield from self._faults(value, self.resolve(schema["$ref"]), at)
        if "anyOf" in schema and all(list(self._faults(value, one, at)) for one in schema["anyOf"]):
            yield f"{at}: {value!r} is none of {schema['anyOf']}"
        if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
            yield f"{at}: {value!r} is not one of {schema['enum']}"
        if "type" in schema and not _TYPES[schema["type"]](value):
            yield f"{at}: {value!r} is no {schema['type']}"
        elif isinstance(value, dict):
            yield from self._object_faults(value, schema, at)
        elif isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value):
                yield from self._faults(item, schema["items"], f"{at}[{number}]")

    def _object_faults(self, value: dict[str, Any], schema: Schema, at: str) -> Iterator[str]:
        for name in set(schema.get("required", ())) - value.keys():
            yield f"{at}: {name} is missing"
        properties = schema.get("properties")
        for name, item in value.items():
            if properties is not None and name in properties:
                yield from self._faults(item, properties[name], f"{at}.{name}")
            elif properties is not None and "additionalProperties" not in schema:
                yield f"{at}: {name} is not in the document"


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)
