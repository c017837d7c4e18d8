"""What differs between the versions of LangChain and Pydantic that the SDK runs with.

Workers that are forked have the newest. An isolated plugin brings its own, from langchain-core 0.2.0 on, with Pydantic
2 or 1.10: its tools may then be described by models of ``pydantic.v1``, and LangChain itself calls them.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from langchain_core import tools
from langchain_core.tools import BaseTool
from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic.v1 import BaseModel as BaseModelV1
    from pydantic.v1 import ValidationError as ValidationErrorV1
else:
    try:
        from pydantic.v1 import BaseModel as BaseModelV1
        from pydantic.v1 import ValidationError as ValidationErrorV1
    except ImportError:  # before Pydantic 1.10.17 they have one name only
        from pydantic import BaseModel as BaseModelV1
        from pydantic import ValidationError as ValidationErrorV1

__all__ = [
    "BaseModelV1",
    "InjectedToolArg",
    "InjectedToolCallId",
    "ValidationErrorV1",
    "call_schema",
    "is_any_model",
    "is_model",
    "model_of_function",
    "schema_of_class",
    "schema_of_typed_dict",
]


class _Unknown:
    """Marks no argument: stands for a mark that this LangChain does not have yet."""


InjectedToolArg: Any = getattr(tools, "InjectedToolArg", _Unknown)
InjectedToolCallId: Any = getattr(tools, "InjectedToolCallId", _Unknown)


def is_model(schema: Any) -> bool:
    """Whether it is a model class of Pydantic 2."""
    return isinstance(schema, type) and issubclass(schema, BaseModel) and not issubclass(schema, BaseModelV1)


def is_any_model(schema: type) -> bool:
    """Whether it is a model class of Pydantic, of version 1 or 2."""
    return issubclass(schema, BaseModel | BaseModelV1)


def call_schema(tool: BaseTool) -> Any:
    """The model of a tool's arguments without those that are injected, which in the oldest versions nothing is."""
    return getattr(tool, "tool_call_schema", tool.args_schema)


def model_of_function(name: str, function: Callable[..., Any], hidden: list[str]) -> Any:
    """The model that LangChain makes of a function's parameters, without those that are hidden or injected."""
    try:
        return tools.create_schema_from_function(name, function, filter_args=hidden, include_injected=False)
    except TypeError:  # the oldest versions leave out what they inject, and nothing else
        return tools.create_schema_from_function(name, function)


def schema_of_class(shape: type) -> dict[str, Any]:
    """The JSON schema of a dataclass or of a model class."""
    if issubclass(shape, BaseModelV1):
        return shape.schema()
    pydantic: Any = import_module("pydantic")
    if hasattr(pydantic, "TypeAdapter"):
        return pydantic.TypeAdapter(shape).json_schema()  # type: ignore[no-any-return]
    made: Any = import_module("pydantic.dataclasses").dataclass(shape)
    return made.__pydantic_model__.schema()  # type: ignore[no-any-return]


def schema_of_typed_dict(shape: type) -> dict[str, Any]:
    """The JSON schema of a ``TypedDict``, as LangChain reads it.

    :raises TypeError: where this LangChain reads none.
    """
    functions: Any = import_module("langchain_core.utils.function_calling")
    if hasattr(functions, "convert_to_json_schema"):
        return functions.convert_to_json_schema(shape)  # type: ignore[no-any-return]
    try:
        function = functions.convert_to_openai_function(shape)
    except (TypeError, ValueError):
        words = f"langchain-core {version('langchain-core')} has no JSON schema for the TypedDict {shape.__name__}"
        raise TypeError(words) from None
    described = {key: function[key] for key in ("description",) if function.get(key)}
    return {"title": function["name"], **described, **function["parameters"]}
