"""``@example``: what an author can say, what is refused where it is said, and that a tool stays what it was."""

import enum
from collections.abc import Callable, Iterator
from functools import partial
from textwrap import dedent
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, Tool
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from cadence_sdk import example, tool
from cadence_sdk._runtime.report import ExampleResult
from cadence_sdk._runtime.tools import ToolCall
from cadence_sdk.examples import MAX_ARGUMENTS_BYTES, MAX_DEPTH, MAX_EXAMPLES_PER_TOOL, MAX_EXPECTED_BYTES
from cadence_sdk.testing import PluginInvalid, load_plugin
from tests.sdk.conftest import TOOLS, MakePlugin

Put = Callable[[Any], Any]


def add(a: float, b: float) -> float:
    """Add."""
    return a + b


def arguments_of(tool: BaseTool) -> list[bytes]:
    return [one.arguments for one in ToolCall(tool).examples]


# Where it stands


def test_examples_stand_above_and_below_tool_in_the_order_they_are_read() -> None:
    @example(a=1, b=1)
    @example(a=2, b=2)
    @tool
    @example(a=3, b=3)
    @example(a=4, b=4)
    def plus(a: float, b: float) -> float:
        """Add."""
        return a + b

    assert arguments_of(plus) == [b'{"a": %d, "b": %d}' % (number, number) for number in (1, 2, 3, 4)]


def test_an_async_tool_takes_examples_above_and_below() -> None:
    @example(a=1)
    @tool
    @example(a=2)
    async def later(a: int) -> int:
        """Answer."""
        return a

    assert arguments_of(later) == [b'{"a": 1}', b'{"a": 2}']


class Twice(BaseTool):
    name: str = "twice"
    description: str = "Twice"

    @example(text="method")
    def _run(self, text: str) -> str:
        return text * 2


@example(text="class")
class Decorated(Twice):
    pass


@example(text="heir")
class Heir(Decorated):
    pass


@pytest.mark.parametrize(
    ("made", "texts"),
    [
        (Twice(), ["method"]),
        (Decorated(), ["class", "method"]),
        (Heir(), ["heir", "class", "method"]),
        (example(text="instance")(Decorated()), ["class", "instance", "method"]),
    ],
)
def test_a_class_of_tools_takes_examples(made: BaseTool, texts: list[str]) -> None:
    assert arguments_of(made) == [b'{"text": "%s"}' % text.encode() for text in texts]


def test_an_example_of_one_instance_is_not_one_of_another() -> None:
    example(text="a")(Decorated())
    assert arguments_of(Decorated()) == [b'{"text": "class"}', b'{"text": "method"}']


def test_an_example_of_a_class_is_not_one_of_its_base() -> None:
    assert arguments_of(Twice()) == [b'{"text": "method"}']


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tool(name="plus", description="Add", func=len),
        lambda: StructuredTool.from_function(add),
        lambda: StructuredTool.from_function(func=add, coroutine=None, name="plus", description="Add"),
    ],
)
def test_tools_made_otherwise_take_examples(make: Callable[[], BaseTool]) -> None:
    assert len(ToolCall(example({"x": 1})(make())).examples) == 1


def test_two_tools_of_one_function_have_examples_of_their_own() -> None:
    one, other = (StructuredTool.from_function(add, name=name) for name in ("one", "other"))
    example(a=1, b=1)(one)
    assert (len(ToolCall(one).examples), len(ToolCall(other).examples)) == (1, 0)


def test_a_copy_of_a_tool_keeps_its_examples() -> None:
    made = example(a=1, b=1)(StructuredTool.from_function(add))
    assert arguments_of(made.model_copy(update={"name": "copy"})) == [b'{"a": 1, "b": 1}']


@pytest.mark.parametrize("put", [5, None, "tool", [add], dict])
def test_what_is_no_tool_takes_no_example(put: object) -> None:
    with pytest.raises(TypeError, match="stands above a tool, not above"):
        example(a=1)(put)


@pytest.mark.parametrize("put", [len, Twice()._run])
def test_what_can_hold_no_example_takes_none(put: object) -> None:
    with pytest.raises(TypeError, match="give it to the tool that is made of it"):
        example(a=1)(put)


# What it leaves alone


def test_the_decorator_gives_back_what_it_was_given() -> None:
    made = StructuredTool.from_function(add)
    assert example(a=1, b=1)(made) is made
    some = type("Some", (Twice,), {})
    assert example(a=1, b=1)(some) is some


def test_a_tool_with_examples_is_otherwise_the_same() -> None:
    plain = StructuredTool.from_function(add)
    given = example(a=1, b=1, returns=2)(plain.model_copy())
    assert given == plain
    assert repr(given) == repr(plain)
    assert given.model_dump(exclude={"args_schema"}) == plain.model_dump(exclude={"args_schema"})
    assert given.invoke({"a": 1, "b": 2}) == plain.invoke({"a": 1, "b": 2}) == 3
    assert ToolCall(given).call({"a": 1, "b": 2}) == 3
    assert ToolCall(given).spec.parameters == ToolCall(plain).spec.parameters


def test_what_was_declared_does_not_change_with_what_it_was_declared_by() -> None:
    arguments = {"items": [1]}
    made = example(arguments, returns=arguments["items"])(StructuredTool.from_function(add))
    arguments["items"].append(2)
    (one,) = ToolCall(made).examples
    assert (one.arguments, one.returns) == (b'{"items": [1]}', b"[1]")


# What is refused where it is said


class Colour(enum.Enum):
    RED = "red"


# As an author may call it whose editor does not check types.
mistaken: Any = example


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (partial(mistaken, returns={1}), "The expected value of an example must be JSON: it is a set"),
        (partial(mistaken, returns={"a": [1, b"x"]}), "`a.1` is a bytes"),
        (partial(mistaken, returns={1: 2}), "it has the key 1, which is no text"),
        (partial(mistaken, returns={"a": {None: 2}}), "`a` has the key None, which is no text"),
        (partial(mistaken, returns=float("nan")), "it is nan"),
        (partial(mistaken, returns=[float("inf")]), "`0` is inf"),
        (partial(mistaken, returns="\ud800"), "it holds half of a character"),
        (partial(mistaken, returns=Colour.RED), "it is a Colour"),
        (partial(mistaken, a={1}), "The arguments of an example must be JSON: `a` is a set"),
        (partial(mistaken, {1: 2}), "it has the key 1, which is no text"),
        (partial(mistaken, {"a": 1}, b=2), "as a mapping or by name, not both"),
        (partial(mistaken, 5), "arguments are a mapping, not int"),
        (partial(mistaken, [("a", 1)]), "arguments are a mapping, not list"),
        (partial(mistaken, returns=None, raises="x"), "expects one thing"),
        (partial(mistaken, returns="x", contains="x"), "expects one thing"),
        (partial(mistaken, raises="x", contains="x"), "expects one thing"),
        (partial(mistaken, raises=ValueError), "raises of an example is a text, not type"),
        (partial(mistaken, contains=5), "contains of an example is a text, not int"),
        (partial(mistaken, approximately=0.1), "approximately says how near"),
        (partial(mistaken, contains="5", approximately=0.1), "approximately says how near"),
        (partial(mistaken, returns=5, approximately="0.1"), "approximately is a number, not str"),
        (partial(mistaken, returns=5, approximately=True), "approximately is a number, not bool"),
    ],
)
def test_what_is_no_example_is_a_type_error_in_words(make: Callable[[], object], words: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert words in str(caught.value)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [nested(MAX_DEPTH + 1), endless(), {"a": nested(10_000)}])
def test_a_value_that_is_nested_too_deep_is_no_json(value: Any) -> None:
    with pytest.raises(TypeError, match=f"nested more than {MAX_DEPTH} levels deep"):
        example(returns=value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (partial(example, raises=""), "raises of an example must not be empty"),
        (partial(example, contains="  "), "contains of an example must not be empty"),
        (partial(example, contains="x" * (MAX_ARGUMENTS_BYTES + 1)), f"at most {MAX_ARGUMENTS_BYTES} bytes"),
        (partial(example, text="x" * MAX_ARGUMENTS_BYTES), f"at most {MAX_ARGUMENTS_BYTES} are allowed"),
        (partial(example, returns="x" * MAX_EXPECTED_BYTES), f"at most {MAX_EXPECTED_BYTES} are allowed"),
        (partial(example, returns=1, approximately=0), "above 0, not 0"),
        (partial(example, returns=1, approximately=-1), "above 0, not -1"),
        (partial(example, returns=1, approximately=float("nan")), "above 0, not nan"),
        (partial(example, returns=1, approximately=float("inf")), "above 0, not inf"),
    ],
)
def test_what_is_out_of_bounds_is_a_value_error_in_words(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("put", [StructuredTool.from_function(add), add, type("Some", (Twice,), {})])
def test_a_tool_has_a_bounded_number_of_examples(put: Any) -> None:
    made = put if isinstance(put, BaseTool | type) else partial(put)
    for number in range(MAX_EXAMPLES_PER_TOOL):
        example(a=number, b=1)(made)
    with pytest.raises(ValueError, match=f"at most {MAX_EXAMPLES_PER_TOOL} examples"):
        example(a=1, b=1)(made)


def test_a_tool_and_its_function_together_have_a_bounded_number_of_examples() -> None:
    def plus(a: float, b: float) -> float:
        """Add."""
        return a + b

    for _ in range(MAX_EXAMPLES_PER_TOOL):
        example(a=1, b=1)(plus)
    made = example(a=1, b=1)(tool(plus))
    with pytest.raises(ValueError, match=f"at most {MAX_EXAMPLES_PER_TOOL} examples, not {MAX_EXAMPLES_PER_TOOL + 1}"):
        ToolCall(made)


# What comes of it

Test = Callable[[str], ExampleResult]


@pytest.fixture
def test(make_plugin: MakePlugin) -> Iterator[Test]:
    """What came of the one example in the source of a tools.py."""
    open_ = []

    def try_(source: str) -> ExampleResult:
        head = "import asyncio\nfrom typing import Any\nfrom cadence_sdk import example, tool\n"
        folder = make_plugin(tools=f"{head}{dedent(source)}\ntools = [it]\n")
        open_.append(load_plugin(folder, examples=False))
        (result,) = open_[-1].self_test()
        return result

    yield try_
    for plugin in open_:
        plugin.close()


def returning(decoration: str, value: str) -> str:
    return f'@example({decoration})\n@tool\ndef it(a: Any = None) -> Any:\n    "It."\n    return {value}\n'


@pytest.mark.parametrize(
    ("decoration", "value"),
    [
        ("", "None"),
        ("", "object()"),
        ("returns=None", "None"),
        ("returns=5", "5.0"),
        ("returns=5.0", "5"),
        ("returns=2**70", "2**70"),
        ("returns=True", "True"),
        ("returns=(1, 2)", "[1, 2]"),
        ("returns=[1, 2]", "(1, 2)"),
        ("returns={'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
        ("returns={'1': [3]}", "{1: {3}}"),
        ("returns='2020-01-01'", "__import__('datetime').date(2020, 1, 1)"),
        ("returns=0.3, approximately=1e-9", "0.1 + 0.2"),
        ("returns={'a': [0.3, 'x']}, approximately=1e-9", "{'a': [0.1 + 0.2, 'x']}"),
        ("returns=10, approximately=1", "9"),
        ("contains='b'", "'abc'"),
        ("raises='ZeroDivisionError'", "1 / 0"),
        ("raises='division by zero'", "1 / 0"),
        ("raises='ZeroDivisionError: division'", "1 / 0"),
        ("raises='SystemExit'", "exit(3)"),
        ("{'a': 1}, returns=1", "a"),
        ("{'a': {'b': [1]}}, returns={'b': [1]}", "a"),
    ],
)
def test_an_example_that_holds_passes(test: Test, decoration: str, value: str) -> None:
    result = test(returning(decoration, value))
    assert result.passed, result.words


@pytest.mark.parametrize(
    ("decoration", "value", "words"),
    [
        ("returns=5", "6", "it() returned 6, where 5 is expected."),
        ("returns=1", "True", "it() returned true, where 1 is expected."),
        ("returns=False", "0", "it() returned 0, where false is expected."),
        ("returns=None", "0", "it() returned 0, where null is expected."),
        ("returns=5", "'5'", 'it() returned "5", where 5 is expected.'),
        ("returns=[1]", "{}", "it() returned {}, where [1] is expected."),
        ("returns=0.3", "0.1 + 0.2", "it() returned 0.30000000000000004, where 0.3 is expected."),
        ("returns=10, approximately=1", "8", "it() returned 8, where 10 is expected."),
        ("returns=10, approximately=1", "True", "it() returned true, where 10 is expected."),
        ("returns=1.5, approximately=1", "10**400", "where 1.5 is expected."),
        ("returns={'a': [1, 2]}", "{'a': [1, 3]}", 'it() returned {"a": [1, 3]}: `a.1` is 3, where 2 is expected.'),
        ("returns=[1, 2]", "[1]", "it() returned [1]: it has 1 items, where 2 are expected."),
        ("returns={'a': 1}", "{}", "it() returned {}: `a` is missing."),
        ("returns={}", "{'a': 1}", 'it() returned {"a": 1}: `a` is there and not expected.'),
        ("contains='x'", "'abc'", 'it() returned "abc", where a text with "x" in it is expected.'),
        ("contains='5'", "5", 'it() returned 5, where a text with "5" in it is expected.'),
        ("raises='x'", "5", 'it() returned 5, where an exception with "x" in its words is expected.'),
        ("", "1 / 0", "it() raised ZeroDivisionError: division by zero (tools.py:8)."),
        ("returns=5", "1 / 0", "division by zero (tools.py:8), where 5 is expected."),
        ("contains='x'", "1 / 0", 'where a text with "x" in it is expected.'),
        ("raises='x'", "1 / 0", 'where an exception with "x" in its words is expected.'),
        ("b=1", "5", "it(b=1) does not fit the tool, which has no argument `b`."),
        ("{'not a name': 1}", "5", 'it({"not a name": 1}) does not fit the tool, which has no argument `not a name`.'),
    ],
)
def test_an_example_that_does_not_hold_says_what_came_instead(
    test: Test, decoration: str, value: str, words: str
) -> None:
    result = test(returning(decoration, value))
    assert not result.passed
    assert result.words.endswith(words)


def test_arguments_that_do_not_fit_are_no_exception_that_was_expected(test: Test) -> None:
    source = '@example(a="x", raises="valid integer")\n@tool\ndef it(a: int) -> int:\n    "It."\n    return a\n'
    result = test(source)
    assert not result.passed
    assert result.words.startswith('it(a="x") does not fit the tool: `a`: Input should be a valid integer')


def test_an_async_example_fails_in_the_same_words(test: Test) -> None:
    source = returning("returns=5", "6").replace("def it", "async def it")
    assert test(source).words == "it() returned 6, where 5 is expected."


def test_words_are_short_whatever_is_long(test: Test) -> None:
    result = test(returning("a='y' * 4000, returns=['z' * 5000]", "['x' * 5_000_000]"))
    assert len(result.words) < 1500
    assert len(result.args["a"]) == 4000


# Arguments that a model of Pydantic would not say a word about


class Plain(BaseModel):
    a: int = 1
    b: int = Field(default=1, alias="bee")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Aliased(BaseModel):
    a: int = Field(default=1, validation_alias=AliasChoices("a", "c"))


class Renaming(BaseModel):
    a: int = 1

    @model_validator(mode="before")
    @classmethod
    def rename(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {"a": data.get("c", 1)}


@pytest.mark.parametrize(
    ("schema", "unknown"),
    [
        (Plain, ("c",)),
        (Open, ()),
        (Aliased, ()),
        (Renaming, ()),
        ({"type": "object", "properties": {"a": {}, "b": {}}}, ()),
    ],
)
def test_only_what_is_surely_no_argument_is_called_unknown(schema: Any, unknown: tuple[str, ...]) -> None:
    def it(**given: Any) -> int:
        return len(given)

    made = StructuredTool(name="it", description="It", func=it, args_schema=schema)
    assert ToolCall(made).unknown({"a": 1, "bee": 2, "b": 3, "c": 4}) == unknown or schema is Open


# In the harness

FAILING = TOOLS.replace("@tool", "@example(number=2, returns=5)\n@tool").replace("import tool", "import example, tool")


def test_a_plugin_with_an_example_that_fails_is_invalid(make_plugin: MakePlugin) -> None:
    with pytest.raises(PluginInvalid, match=r"- The example double\(number=2\) returned 4, where 5 is expected"):
        load_plugin(make_plugin(tools=FAILING))


def test_it_can_be_looked_at_nevertheless(make_plugin: MakePlugin) -> None:
    with load_plugin(make_plugin(tools=FAILING), examples=False) as plugin:
        assert [result.passed for result in plugin.self_test()] == [False]
        assert plugin.call("double", number=2) == 4


def test_a_mistaken_example_is_an_invalid_plugin_at_its_place(make_plugin: MakePlugin) -> None:
    with pytest.raises(PluginInvalid, match=r"must be JSON: it is a set \(tools\.py:\d+\)"):
        load_plugin(make_plugin(tools=FAILING.replace("returns=5", "returns={5}")))
