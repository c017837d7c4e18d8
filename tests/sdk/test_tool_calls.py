"""A tool called directly answers as LangChain's ``invoke`` does, for every kind of tool."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackManagerForToolRun, BaseCallbackHandler, CallbackManagerForToolRun
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import (
    BaseTool,
    InjectedToolArg,
    InjectedToolCallId,
    StructuredTool,
    Tool,
    ToolException,
    tool,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field, field_validator
from pydantic.v1 import BaseModel as BaseModelV1
from pydantic.v1 import ValidationError as ValidationErrorV1

from cadence_sdk._runtime.tools import ArgumentsInvalid, ToolCall
from tests.awaiting import run_async

# What a call came to: ("answered", the value), ("refused",) or ("raised", type, text).
Outcome = tuple[Any, ...]


def outcome(call: Callable[[], Any]) -> Outcome:
    try:
        return "answered", call()
    except (ValidationError, ValidationErrorV1, ArgumentsInvalid):
        return ("refused",)
    except Exception as error:  # noqa: BLE001  (whatever it is, the other side has to raise it too)
        return "raised", type(error), str(error)


def direct(tool: BaseTool, args: dict[str, Any]) -> Outcome:
    return outcome(lambda: ToolCall(tool).call(args))


def direct_async(tool: BaseTool, args: dict[str, Any]) -> Outcome:
    return outcome(lambda: run_async(ToolCall(tool).acall(args)))


def invoked(tool: BaseTool, args: dict[str, Any]) -> Outcome:
    return outcome(lambda: tool.invoke(dict(args)))


def invoked_async(tool: BaseTool, args: dict[str, Any]) -> Outcome:
    return outcome(lambda: run_async(tool.ainvoke(dict(args))))


# The tools


@tool
def plain(a: int, b: float = 2.5, c: str | None = None) -> dict[str, Any]:
    """Say what came in."""
    return {"a": a, "b": b, "c": c}


class Point(BaseModel):
    x: int
    y: int = 0


@tool
def nested(point: Point, others: list[Point] = [], kind: Literal["a", "b"] = "a") -> str:  # noqa: B006
    """Say what models came in."""
    return f"{point!r} {others!r} {kind}"


@tool
def nothing() -> str:
    """Take nothing."""
    return "done"


@tool
def variadic(a: int, *args: int, **kwargs: int) -> str:
    """Take anything."""
    return f"{a} {args} {kwargs}"


@tool
def named_args(args: str = "x", kwargs: int = 1) -> str:
    """Take arguments with names Pydantic uses itself."""
    return f"{args} {kwargs}"


class Bounded(BaseModel):
    count: int = Field(ge=1, description="How many")
    label: str = Field(default_factory=lambda: "made", max_length=5)

    @field_validator("label")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()


@tool(args_schema=Bounded)
def bounded(count: int, label: str) -> str:
    """Count."""
    return f"{count} {label}"


class Aliased(BaseModel):
    count: int = Field(alias="howMany")


@tool(args_schema=Aliased)
def aliased(count: int) -> int:
    """Count."""
    return count


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


class Allowing(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Computing(BaseModel):
    a: int
    hidden: int = Field(default=3, exclude=True)

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented use
    @property
    def twice(self) -> int:
        return 2 * self.a


def show(**named: Any) -> str:
    return repr(named)


def taking(schema: Any) -> StructuredTool:
    return StructuredTool.from_function(show, name="show", description="Show.", args_schema=schema)


class OldBounded(BaseModelV1):
    count: int
    label: str = "old"


JSON_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@tool
def configured(a: int, config: RunnableConfig) -> str:
    """Show the configuration."""
    return f"{a} {sorted(config)}"


@tool
def injected(a: int, user: Annotated[str, InjectedToolArg] = "nobody") -> str:
    """Take an argument from the host."""
    return f"{a} {user}"


@tool
def with_callbacks(a: int, callbacks: Any = None) -> str:
    """Show what callbacks came."""
    return f"{a} {type(callbacks).__name__}"


@tool(response_format="content_and_artifact")
def with_artifact(a: int) -> Any:
    """Return a pair, or not."""
    return (f"content {a}", object()) if a > 0 else [a] if a < 0 else (1, 2, 3)


def complain(a: int) -> int:
    """Complain."""
    if a > 0:
        raise ToolException("no", a)
    if a == 0:
        raise ToolException
    return Point(x="no").x  # type: ignore[arg-type]  # raises a ValidationError from inside the tool


def handling(**flags: Any) -> StructuredTool:
    return StructuredTool.from_function(complain, **flags)


class Search(BaseTool):
    name: str = "search"
    description: str = "Search."
    args_schema: Any = Bounded

    def _run(self, count: int, label: str, run_manager: CallbackManagerForToolRun | None = None) -> str:
        return f"{count} {label} {type(run_manager).__name__}"


class Loose(BaseTool):
    name: str = "loose"
    description: str = "No schema."

    def _run(self, a: int, b: int = 1, *, config: RunnableConfig) -> str:
        return f"{a!r} {b!r} {sorted(config)}"


class BothWays(Search):
    async def _arun(self, count: int, label: str, run_manager: AsyncCallbackManagerForToolRun | None = None) -> str:
        return f"async {count} {label} {type(run_manager).__name__}"


class OnlyAsync(BothWays):
    def _run(self, *args: Any, **kwargs: Any) -> str:
        raise NotImplementedError("await me")


class OnlySync(Search):
    async def _arun(self, *args: Any, **kwargs: Any) -> str:
        raise NotImplementedError("do not await me")


class OwnParsing(Search):
    def _parse_input(self, tool_input: Any, tool_call_id: str | None) -> Any:
        return {"count": 7, "label": str(tool_input)}


def increment(given: Any) -> Any:
    return given["a"] * 2


@tool
async def waiting(a: int, b: str = "x") -> str:
    """Wait."""
    await asyncio.sleep(0)
    return f"{a} {b}"


SYNC_TOOLS: dict[str, BaseTool] = {
    "plain": plain,
    "nested": nested,
    "nothing": nothing,
    "variadic": variadic,
    "named_args": named_args,
    "bounded": bounded,
    "aliased": aliased,
    "forbidding": taking(Forbidding),
    "allowing": taking(Allowing),
    "computing": taking(Computing),
    "pydantic_v1": taking(OldBounded),
    "json_schema": taking(JSON_SCHEMA),
    "configured": configured,
    "injected": injected,
    "with_callbacks": with_callbacks,
    "with_artifact": with_artifact,
    "complaining": handling(),
    "handling": handling(handle_tool_error=True, handle_validation_error=True),
    "handling_with_words": handling(handle_tool_error="sorry", handle_validation_error="bad"),
    "handling_with_function": handling(handle_tool_error=repr, handle_validation_error=lambda error: error.title),
    "search": Search(),
    "loose": Loose(),
    "both_ways": BothWays(),
    "only_sync": OnlySync(),
    "own_parsing": OwnParsing(),
    "runnable": tool("increment", RunnableLambda(increment), description="Increment."),
}

ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"a": 1},
    {"a": 0},
    {"a": -1},
    {"a": "2", "b": "3.5", "c": "text"},
    {"a": "two"},
    {"a": None, "b": None},
    {"a": 1, "unknown": 2},
    {"a": 1, "args": [2], "kwargs": {"b": 3}},
    {"a": 1, "user": "me", "config": {}, "callbacks": 1, "run_manager": 2},
    {"a": 1, "twice": 5, "hidden": 4},
    {"point": {"x": 1}, "others": [{"x": 2, "y": 3}], "kind": "b"},
    {"point": {"x": "no"}, "others": [{}], "kind": "z"},
    {"count": 3},
    {"count": "3", "label": "abc"},
    {"count": 0, "label": "far too long"},
    {"howMany": 4},
]


def ignoring_type_errors(result: Outcome) -> Outcome:
    """LangChain lets Python complain about arguments of tools without a schema; here they are refused."""
    if result[:2] == ("raised", TypeError) and ("argument" in result[2]):
        return ("refused",)
    return result


@pytest.mark.parametrize("args", ARGUMENTS, ids=repr)
@pytest.mark.parametrize("name", SYNC_TOOLS)
def test_a_direct_call_comes_to_what_invoke_comes_to(name: str, args: dict[str, Any]) -> None:
    assert direct(SYNC_TOOLS[name], args) == ignoring_type_errors(invoked(SYNC_TOOLS[name], args))


ASYNC_TOOLS: dict[str, BaseTool] = {
    "waiting": waiting,
    "both_ways": BothWays(),
    "only_async": OnlyAsync(),
    "search": Search(),
    "plain": plain,
    "own_parsing": OwnParsing(),
    "configured": configured,
    "json_schema": taking(JSON_SCHEMA),
}


@pytest.mark.parametrize("args", ARGUMENTS, ids=repr)
@pytest.mark.parametrize("name", ASYNC_TOOLS)
def test_a_direct_awaited_call_comes_to_what_ainvoke_comes_to(name: str, args: dict[str, Any]) -> None:
    expected = ignoring_type_errors(invoked_async(ASYNC_TOOLS[name], args))
    assert direct_async(ASYNC_TOOLS[name], args) == expected


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@given(
    st.fixed_dictionaries(
        {}, optional={"a": scalars, "b": scalars, "c": scalars | st.lists(scalars, max_size=2), "d": scalars}
    )
)
def test_any_arguments_come_to_what_invoke_makes_of_them(args: dict[str, Any]) -> None:
    assert direct(plain, args) == invoked(plain, args)


points = st.fixed_dictionaries({}, optional={"x": scalars, "y": scalars}) | scalars


@given(st.fixed_dictionaries({}, optional={"point": points, "others": st.lists(points, max_size=3)}))
def test_any_nested_arguments_come_to_what_invoke_makes_of_them(args: dict[str, Any]) -> None:
    assert direct(nested, args) == invoked(nested, args)


# Single-input tools


def length(text: str) -> int:
    return len(text)


single = Tool("length", length, "Length.")


@pytest.mark.parametrize("args", [{"tool_input": "abc"}, {"__arg1": "ab"}])
def test_a_single_input_tool_takes_its_one_argument_by_any_name(args: dict[str, Any]) -> None:
    assert direct(single, args) == invoked(single, args)


@pytest.mark.parametrize("args", [{}, {"a": "1", "b": "2"}])
def test_a_single_input_tool_refuses_more_or_fewer_arguments(args: dict[str, Any]) -> None:
    with pytest.raises(ArgumentsInvalid, match="exactly one"):
        ToolCall(single).call(args)


def test_a_single_input_tool_may_handle_too_many_arguments() -> None:
    handling = Tool("length", length, "Length.", handle_tool_error="one please")
    assert ToolCall(handling).call({}) == "one please"


def test_an_async_function_given_as_func_is_awaited() -> None:
    async def wait(text: str) -> str:
        return text * 2

    call = ToolCall(Tool("wait", wait, "Wait."))
    assert call.is_async
    assert run_async(call.acall({"tool_input": "a"})) == "aa"


# What the caller is told


def test_each_bad_argument_has_a_sentence() -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        ToolCall(plain).call({"a": "two", "b": []})
    assert [sentence.split(":")[0] for sentence in caught.value.sentences] == ["`a`", "`b`"]
    assert "valid integer" in caught.value.sentences[0]


def test_a_bad_argument_inside_a_list_is_named_by_its_place() -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        ToolCall(nested).call({"point": {"x": 1}, "others": [{"x": 1}, {"x": "no"}]})
    assert caught.value.sentences[0].startswith("`others.1.x`:")


def test_an_old_pydantic_model_refuses_in_the_same_words() -> None:
    with pytest.raises(ArgumentsInvalid, match="`count`: field required"):
        ToolCall(taking(OldBounded)).call({})


def test_a_missing_argument_of_a_tool_without_a_model_is_refused() -> None:
    with pytest.raises(ArgumentsInvalid, match="missing a required"):
        ToolCall(Loose()).call({})


def test_a_type_error_from_inside_a_tool_is_the_tools() -> None:
    @tool
    def broken(a: int) -> int:
        """Break."""
        return a + None  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        ToolCall(broken).call({"a": 1})


def test_a_validation_error_from_inside_a_tool_is_the_tools() -> None:
    with pytest.raises(ValidationError):
        ToolCall(handling()).call({"a": -1})


def test_the_tools_exception_is_passed_on_itself() -> None:
    error = KeyError("mine")

    @tool
    def failing() -> None:
        """Fail."""
        raise error

    with pytest.raises(KeyError) as caught:
        ToolCall(failing).call({})
    assert caught.value is error


def test_an_async_tool_cannot_be_called_without_a_loop() -> None:
    assert direct(waiting, {"a": 1})[1] is NotImplementedError


@pytest.mark.parametrize(
    ("subject", "is_async"),
    [(plain, False), (waiting, True), (OnlyAsync(), True), (OnlySync(), False), (BothWays(), False), (Search(), False)],
    ids=["function", "coroutine", "only_async", "only_sync", "both_ways", "base"],
)
def test_a_tool_says_whether_it_has_to_be_awaited(subject: BaseTool, is_async: bool) -> None:
    call = ToolCall(subject)
    assert call.is_async is is_async
    assert call.spec.is_async is is_async


# The surroundings of a call

depth: contextvars.ContextVar[int] = contextvars.ContextVar("depth", default=0)


def test_what_a_call_leaves_in_context_variables_is_gone_with_it() -> None:
    @tool
    def deeper() -> int:
        """Go deeper."""
        depth.set(depth.get() + 1)
        return depth.get()

    call = ToolCall(deeper)
    assert [call.call({}), call.call({}), depth.get()] == [1, 1, 0]


def test_a_blocking_tool_that_is_awaited_runs_in_another_thread() -> None:
    @tool
    def where() -> int:
        """Tell the thread."""
        return threading.get_ident()

    assert run_async(ToolCall(where).acall({})) != threading.get_ident()


def test_the_arguments_given_are_left_as_they_are() -> None:
    args = {"a": "1"}
    ToolCall(configured).call(args)
    assert args == {"a": "1"}


def test_a_tool_with_listeners_of_its_own_is_run_by_langchain() -> None:
    heard = []

    class Listener(BaseCallbackHandler):
        def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
            heard.append("start")

    listened = StructuredTool.from_function(show, name="s", description="S.", callbacks=[Listener()])
    ToolCall(listened).call({})
    assert heard == ["start"]


def test_a_tool_that_wants_the_id_of_its_call_gets_one() -> None:
    @tool
    def told(a: int, call_id: Annotated[str, InjectedToolCallId]) -> ToolMessage:
        """Tell."""
        return ToolMessage(f"{a} {bool(call_id)}", tool_call_id=call_id)

    call = ToolCall(told)
    assert call.call({"a": "1"}) == "1 True"
    assert list(call.spec.parameters["properties"]) == ["a"]
    with pytest.raises(ArgumentsInvalid):
        call.call({"a": "x"})


# The schema


def test_the_schema_is_langchains_without_what_the_spec_says_itself() -> None:
    expected = dict(plain.tool_call_schema.model_json_schema())  # type: ignore[union-attr]  # a model here
    del expected["title"], expected["description"]
    assert ToolCall(plain).spec.parameters == expected


@pytest.mark.parametrize(
    ("subject", "names", "required"),
    [
        (single, ["tool_input"], ["tool_input"]),
        (nothing, [], None),
        (configured, ["a"], ["a"]),
        (injected, ["a"], ["a"]),
        (Search(), ["count", "label"], ["count"]),
        (Loose(), ["a", "b"], ["a"]),
        (taking(OldBounded), ["count", "label"], ["count"]),
        (taking(JSON_SCHEMA), ["a"], ["a"]),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_schema_names_what_a_caller_gives(subject: BaseTool, names: list[str], required: list[str] | None) -> None:
    parameters = ToolCall(subject).spec.parameters
    assert parameters["type"] == "object"
    assert list(parameters["properties"]) == names
    assert parameters.get("required") == required
