"""The arguments of a tool: their JSON schema, and the way from a JSON object to what the function is called with.

The rules are LangChain's (``BaseTool._parse_input`` and ``_to_args_and_kwargs`` of langchain-core 1.7), worked out once
for each tool instead of at each call.
"""

from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, Tool, ToolException
from pydantic import BaseModel, ValidationError

from cadence_sdk._runtime.compatibility import (
    InjectedToolArg,
    InjectedToolCallId,
    ValidationErrorV1,
    call_schema,
    is_any_model,
    is_model,
    model_of_function,
)
from cadence_sdk._runtime.plain_schema import plain_schema

Arguments = dict[str, Any]
Prepare = Callable[[Arguments], tuple[tuple[Any, ...], dict[str, Any]]]

VALIDATION_ERRORS = (ValidationError, ValidationErrorV1)

# What LangChain itself gives to ``_run`` (``FILTERED_ARGS`` of langchain_core.tools.base).
_RUN_ARGUMENTS = ("run_manager", "callbacks")

# Pydantic's names for what ``*args`` and ``**kwargs`` take; LangChain passes them on only when they were given.
_VARIADIC = frozenset({"args", "kwargs"})


class ArgumentsInvalid(Exception):
    """The arguments do not fit the tool; ``sentences`` name each that does not, and why."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences
        super().__init__("; ".join(sentences))


def sentences_of(error: ValidationError | ValidationErrorV1) -> tuple[str, ...]:
    """Pydantic's complaints, one sentence for each argument: ```a`: Input should be a valid integer``."""
    if isinstance(error, ValidationErrorV1):
        details: Any = error.errors()
    else:
        details = error.errors(include_url=False, include_context=False)
    return tuple(_sentence(detail["loc"], detail["msg"]) for detail in details)


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    return f"`{'.'.join(map(str, place))}`: {message}" if place and place != ("__root__",) else message


def parameters_of(tool: BaseTool) -> dict[str, Any]:
    """The JSON schema of a tool's arguments object, without those that are injected.

    :raises Exception: whatever Pydantic raises for a type that has no JSON schema.
    """
    schema = _json_schema(tool)
    # They repeat what the tool's own name and description say.
    rest = {key: value for key, value in schema.items() if key not in ("title", "description")}
    return {"type": "object", "properties": {}, **rest}


def _json_schema(tool: BaseTool) -> dict[str, Any]:
    declared: Any = tool.args_schema
    if isinstance(declared, dict):
        return declared
    if declared is None and isinstance(tool, Tool):
        return {"properties": {"tool_input": {"type": "string"}}, "required": ["tool_input"]}
    if is_model(declared) and not injected_names(tool):
        # tool_call_schema would build a second model only to leave nothing out.
        return plain_schema(declared) or declared.model_json_schema()
    exposed: Any = _model_of_run(tool) if declared is None else call_schema(tool)
    return exposed.model_json_schema() if is_model(exposed) else exposed.schema()  # type: ignore[no-any-return]


def _model_of_run(tool: BaseTool) -> Any:
    """The arguments of ``_run``, where a tool declares none: what LangChain infers, without the configuration."""
    hidden = [*_RUN_ARGUMENTS, config_parameter(tool._run)]
    return model_of_function(tool.name, tool._run, [name for name in hidden if name])


def config_parameter(function: Callable[..., Any] | None) -> str | None:
    """The parameter that LangChain gives its ``RunnableConfig``, where there is one."""
    try:
        hints = get_type_hints(getattr(function, "func", function))
    except Exception:  # noqa: BLE001  (annotations can be any expression; LangChain then injects nothing)
        return None
    return next((name for name, hint in hints.items() if hint is RunnableConfig), None)


def injected_names(tool: BaseTool) -> frozenset[str]:
    """The arguments that LangChain injects: they may be given but are not asked of a model."""
    names: frozenset[str] = getattr(tool, "_injected_args_keys", frozenset())
    declared: Any = tool.args_schema
    if not is_model(declared):
        return names
    fields = declared.model_fields.items()
    return names | {name for name, field in fields if _is_marked(field.metadata, InjectedToolArg)}


def wants_call_id(tool: BaseTool) -> bool:
    """Whether an argument is the id of the model's tool call."""
    declared: Any = tool.args_schema
    fields = declared.model_fields.values() if is_model(declared) else ()
    return "tool_call_id" in injected_names(tool) or any(
        _is_marked(field.metadata, InjectedToolCallId) for field in fields
    )


def unknown_names(tool: BaseTool, parameters: dict[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    """The names that are no argument of a tool, where it is sure that they are none.

    :param parameters: the JSON schema of its arguments.
    """
    declared: Any = tool.args_schema
    if not (isinstance(declared, type) and is_any_model(declared)) or parameters.get("additionalProperties"):
        return ()
    fields = getattr(declared, "model_fields" if is_model(declared) else "__fields__")
    if _reads_specially(declared, fields):
        return ()
    known = {*parameters.get("properties", ()), *fields, *injected_names(tool)}
    return tuple(name for name in names if name not in known)


def _reads_specially(model: Any, fields: dict[str, Any]) -> bool:
    """Whether a model may take names that neither it nor its schema has."""
    decorators = getattr(model, "__pydantic_decorators__", None)
    aliases = (getattr(field, "validation_alias", None) for field in fields.values())
    return bool(decorators and decorators.model_validators) or any(
        alias is not None and not isinstance(alias, str) for alias in aliases
    )


def preparation(tool: BaseTool) -> Prepare | None:
    """How to turn the arguments of a call into positional and named ones.

    The returned function raises Pydantic's ``ValidationError``, or ``ToolException`` where a :class:`Tool` got more
    than its one argument. ``None`` when only LangChain itself can do it.
    """
    declared: Any = tool.args_schema
    if declared is None or isinstance(declared, dict):
        prepare: Prepare = _as_given
    elif not is_model(declared) or _serializes_specially(declared):
        return None
    elif not declared.model_fields:
        prepare = _without
    else:
        prepare = _validated(declared, getattr(tool, "_injected_args_keys", frozenset()))
    return _single(prepare, tool.name) if isinstance(tool, Tool) else prepare


def _as_given(args: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (), dict(args)


def _without(args: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (), {}


def _validated(model: type[BaseModel], injected: frozenset[str]) -> Prepare:
    validate = model.model_validate
    names = tuple(name for name in model.model_fields if name not in _VARIADIC)
    variadic = tuple(name for name in model.model_fields if name in _VARIADIC)

    def prepare(args: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
        result = validate(args)
        values = result.__dict__
        named = {name: values[name] for name in names if name in values}
        for name in variadic:
            if name in args or name in result.model_fields_set:
                named[name] = values[name]
        if result.model_extra:
            named.update((name, value) for name, value in result.model_extra.items() if name in args)
        for name in injected:
            if name in args:
                named[name] = args[name]
        return (), named

    return prepare


def _single(prepare: Prepare, name: str) -> Prepare:
    def prepare_single(args: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
        positional, named = prepare(args)
        values = (*positional, *named.values())
        if len(values) != 1:
            raise ToolException(f"The tool {name} takes exactly one argument, not {len(values)}.")
        return values, {}

    return prepare_single


def _serializes_specially(model: type[BaseModel]) -> bool:
    """Whether ``model_dump()`` may name other fields than the model has: LangChain passes on those it names."""
    decorators = model.__pydantic_decorators__
    return bool(
        model.__pydantic_root_model__
        or decorators.model_serializers
        or decorators.computed_fields
        or any(field.exclude for field in model.model_fields.values())
        or model.model_dump is not BaseModel.model_dump
    )


def _is_marked(metadata: list[Any], marker: type) -> bool:
    return any(isinstance(item, marker) or (isinstance(item, type) and issubclass(item, marker)) for item in metadata)
