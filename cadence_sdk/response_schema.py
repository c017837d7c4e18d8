"""The shape of a plugin's structured answers: from a class or a mapping to a JSON schema."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, is_typeddict, overload

_Shape = TypeVar("_Shape", bound=type)
_KIND = "__response_kind__"


@overload
def object_schema(shape: _Shape) -> _Shape: ...


@overload
def object_schema(shape: Mapping[str, Any]) -> dict[str, Any]: ...


def object_schema(shape: Any) -> Any:
    """Say that answers are one object of this shape.

    As a decorator it marks a ``TypedDict``, dataclass or Pydantic model and returns the class itself, which goes
    into ``PluginMetadata.response_schema``. Called with a mapping of property names to JSON schemas (or with a
    JSON schema) it returns the JSON schema of the object, all properties required.
    """
    return _marked(shape, "object") if isinstance(shape, type) else _schema_of_mapping(shape)


@overload
def list_schema(shape: _Shape) -> _Shape: ...


@overload
def list_schema(shape: Mapping[str, Any]) -> dict[str, Any]: ...


def list_schema(shape: Any) -> Any:
    """Say that answers are a list of objects of this shape; takes and returns what :func:`object_schema` does."""
    if isinstance(shape, type):
        return _marked(shape, "list")
    return _list_of(_schema_of_mapping(shape))


def json_schema(shape: Any) -> dict[str, Any]:
    """The JSON schema of a response schema: a JSON schema, or a class, marked by a decorator or not.

    :raises TypeError: when it is neither.
    """
    if isinstance(shape, Mapping):
        return dict(shape)
    if not isinstance(shape, type):
        raise TypeError(f"a response schema is a JSON schema or a class, not {type(shape).__name__}")
    schema = _schema_of_class(shape)
    return _list_of(schema) if getattr(shape, _KIND, "object") == "list" else schema


def _marked(shape: type, kind: str) -> type:
    setattr(shape, _KIND, kind)
    return shape


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _schema_of_mapping(shape: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(shape.get("type"), str):
        return dict(shape)
    return {"type": "object", "properties": dict(shape), "required": list(shape)}


def _schema_of_class(shape: type) -> dict[str, Any]:
    # Imported here: a plugin whose schema is a mapping, and the server, need none of it.
    from cadence_sdk._runtime import compatibility

    if is_typeddict(shape):
        # LangChain's reading of ``Annotated[type, default, "description"]`` is the one the 1.x SDK had.
        return compatibility.schema_of_typed_dict(shape)
    if dataclasses.is_dataclass(shape) or compatibility.is_any_model(shape):
        return compatibility.schema_of_class(shape)
    raise TypeError(f"{shape.__name__} is no TypedDict, dataclass or Pydantic model")
