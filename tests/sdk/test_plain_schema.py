"""The quick way to a JSON schema makes what Pydantic makes, or leaves it to Pydantic."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel, ConfigDict, Field, computed_field, create_model, field_validator

from cadence_sdk._runtime.plain_schema import plain_schema


def nothing() -> str:
    """No arguments."""
    return ""


def plain(a: int, b: float, c: str, d: bool) -> str:
    """All types."""
    return ""


def with_defaults(a: int = 1, b: float = 1.5, c: str = "é\n", d: bool = False) -> str:
    """A default each."""
    return ""


def described(first_name: str, x2y: int, HTTPServer: bool, trailing_: float = -0.0) -> str:  # noqa: N803
    """Odd names.

    Args:
        first_name: what it is called
        x2y: a number,
            in two lines
        HTTPServer: whether
        trailing_: nothing
    """
    return ""


def optional(a: int | None = None) -> str:
    """Not plain."""
    return ""


def integer_for_float(a: float = 1) -> str:
    """The default is of another type."""
    return ""


def infinite(a: float = float("inf")) -> str:
    """The default has no JSON form."""
    return ""


def bounded(a: Annotated[int, Field(ge=1)]) -> str:
    """Not plain."""
    return ""


def literal(a: Literal["x"]) -> str:
    """Not plain."""
    return ""


def listed(a: list[int]) -> str:
    """Not plain."""
    return ""


class Validated(BaseModel):
    a: int

    @field_validator("a", mode="before", json_schema_input_type=str)
    @classmethod
    def read(cls, value: Any) -> Any:
        return value


class Computed(BaseModel):
    a: int

    @computed_field
    def b(self) -> int:
        return 1


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


class Derived(Strict):
    b: int


class Own(BaseModel):
    a: int

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {}}


def model_of(function: Callable[..., str], *, parse: bool = False) -> type[BaseModel]:
    made = tool(parse_docstring=parse)(function)
    assert isinstance(made.args_schema, type)
    assert issubclass(made.args_schema, BaseModel)
    return made.args_schema


def by_pydantic(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    return {key: schema[key] for key in ("properties", "required") if key in schema}


@pytest.mark.parametrize("function", [nothing, plain, with_defaults, described])
def test_plain_arguments_have_pydantics_schema(function: Callable[..., str]) -> None:
    model = model_of(function, parse=function is described)
    made = plain_schema(model)
    assert made == by_pydantic(model)
    assert repr(made) == repr(by_pydantic(model))  # the order too, and True is not 1


@pytest.mark.parametrize("name", ["a", "aB", "a_b", "a1b", "A", "x_", "naïve", "a__b", "ab_1c"])
def test_titles_are_pydantics(name: str) -> None:
    model = create_model("Model", **{name: (int, ...)})  # type: ignore[call-overload]
    assert plain_schema(model) == by_pydantic(model)


@pytest.mark.parametrize("function", [optional, integer_for_float, infinite, bounded, literal, listed])
def test_arguments_that_are_not_plain_are_left_to_pydantic(function: Callable[..., str]) -> None:
    assert plain_schema(model_of(function)) is None


@pytest.mark.parametrize("model", [Validated, Computed, Strict, Derived, Own])
def test_models_with_ways_of_their_own_are_left_to_pydantic(model: type[BaseModel]) -> None:
    assert plain_schema(model) is None


@pytest.mark.parametrize(
    "field",
    [
        Field(alias="b"),
        Field(title="B"),
        Field(examples=[1]),
        Field(json_schema_extra={"x": 1}),
        Field(deprecated=True),
        Field(default_factory=int),
        Field(gt=1),
    ],
)
def test_a_field_with_more_than_a_default_and_a_description_is_left_to_pydantic(field: Any) -> None:
    assert plain_schema(create_model("Model", a=(int, field))) is None
