"""The fast way to make tools makes the same tools."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Optional

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg, tool
from pydantic import BaseModel, Field

from cadence_sdk._runtime import tool_models


@pytest.fixture(autouse=True)
def _taken_out_again() -> Iterator[None]:
    yield
    tool_models.uninstall()


class Point(BaseModel):
    x: int


def plain(a: int, b: float = 1.5, *, c: str | None = None) -> None:
    """Plain."""


def annotated(
    a: Annotated[int, Field(ge=1, description="An a")],
    b: Annotated[str, "A b"],
    c: Annotated[int, Field(le=9)] = 3,
    d: int = Field(default=4, gt=0, description="A d"),
    e: list[Point] = Field(default_factory=list),  # noqa: B008  (pydantic's own way to say it)
) -> None:
    """Annotated."""


def special(a, b: "Point", c: Optional[int], d: Literal["x", "y"] = "x") -> None:  # type: ignore[no-untyped-def]  # noqa: UP045
    """Special."""


def supplied(a: int, config: RunnableConfig, user: Annotated[str, InjectedToolArg] = "") -> None:
    """Supplied."""


def variadic(a: int, *args: int, **kwargs: str) -> None:
    """Variadic."""


def oddly_named(args: int, kwargs: str = "", v: int = 1) -> None:
    """Odd."""


def nothing() -> None:
    """Nothing."""


def described(schema: type[BaseModel]) -> Any:
    fields = {
        name: (field.annotation, field.default, field.default_factory, field.description, field.metadata)
        for name, field in schema.model_fields.items()
    }
    return fields, schema.model_config, schema.__doc__, schema.__name__, schema.model_json_schema()


@pytest.mark.parametrize(
    "function", [plain, annotated, special, supplied, variadic, oddly_named, nothing], ids=lambda f: f.__name__
)
def test_the_schema_is_the_one_langchain_makes(function: Callable[..., Any]) -> None:
    expected = described(tool(function).args_schema)  # type: ignore[arg-type]  # a model here
    tool_models.install()
    assert described(tool(function).args_schema) == expected  # type: ignore[arg-type]  # a model here


def test_an_annotation_that_means_nothing_fails_alike() -> None:
    def unknown(a: "Missing") -> None:  # type: ignore[name-defined]  # noqa: F821
        """Unknown."""

    with pytest.raises(NameError):
        tool(unknown)
    tool_models.install()
    with pytest.raises(NameError):
        tool(unknown)


def test_a_tool_made_fast_is_invoked_as_ever() -> None:
    tool_models.install()

    @tool
    def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    assert add.invoke({"a": "2"}) == 3


def test_only_one_validator_is_built_for_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    original = BaseModel.__pydantic_init_subclass__.__func__  # type: ignore[attr-defined]  # a class method

    def noticed(cls: type[BaseModel], /, **kwargs: Any) -> None:
        built.append(cls.__pydantic_complete__)
        original(cls, **kwargs)

    monkeypatch.setattr(BaseModel, "__pydantic_init_subclass__", classmethod(noticed))
    tool_models.install()
    tool(plain)
    assert built == [False, True]
