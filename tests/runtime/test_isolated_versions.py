"""The SDK works with the oldest versions it says it works with: the same plugin, isolated with them and forked."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from uv import find_uv_bin

from cadence.config import Settings
from cadence.errors import CadenceError, InvalidArguments
from cadence.model import ToolSpec
from cadence.parts import Parts, Running
from cadence.runtime.zygote import Zygote
from tests.runtime.house import House
from tests.runtime.isolation import EVERYTHING, isolating

KINDS = """
    import asyncio, dataclasses
    from typing import List, Optional, Type, TypedDict

    from cadence_sdk import example, list_schema, object_schema, tool
    from cadence_sdk.response_schema import json_schema
    from langchain_core.tools import BaseTool, StructuredTool, Tool, ToolException
    from pydantic import BaseModel, Field

    @example(a=1, returns=[1, 2, 0.5, "d", False])
    @tool
    def plain(a: int, b: int = 2, c: float = 0.5, d: str = "d", e: bool = False) -> list:
        "Arguments of plain types."
        return [a, b, c, d, e]

    @tool
    @example(a=1, returns=3)
    async def awaited(a: int, b: int = 2) -> int:
        "The same, awaited."
        await asyncio.sleep(0)
        return a + b

    @tool
    def lists(numbers: List[float], words: List[str] = ["one"]) -> dict:
        "Arguments that are lists."
        return {"sum": sum(numbers), "words": words}

    @tool
    def nothing() -> str:
        "No arguments."
        return "nothing"

    class Order(BaseModel):
        "An order."
        item: str = Field(description="What is ordered")
        count: int = Field(default=1, description="How many")

    @example(item="tea", returns="1 tea")
    @tool(args_schema=Order)
    def order(item: str, count: int = 1) -> str:
        "Arguments of a model."
        return f"{count} {item}"

    class Basket(BaseModel):
        orders: List[Order]
        note: Optional[str] = None

    @tool(args_schema=Basket)
    def basket(orders: List[Order], note: Optional[str] = None) -> list:
        "A list of models."
        return [[order.item, order.count] for order in orders] + [note]

    @tool
    def model(item: str) -> Order:
        "A model as result."
        return Order(item=item)

    @example(text="as it should", raises="ValueError: as it should")
    @tool
    def fails(text: str) -> str:
        "An exception."
        raise ValueError(text)

    def shout(text: str) -> str:
        return text.upper()

    def refuse(text: str) -> str:
        raise ToolException(text)

    structured = StructuredTool.from_function(shout, name="structured", description="A function.")
    single = Tool(name="single", func=shout, description="One argument.")
    example({"tool_input": "loud"}, contains="OUD")(single)
    handled = StructuredTool.from_function(refuse, name="handled", description="Said so.", handle_tool_error=True)

    @example(item="ab", count=2, returns="abab")
    class Adder(BaseTool):
        name: str = "adder"
        description: str = "A class."
        args_schema: Type[BaseModel] = Order

        def _run(self, item: str, count: int = 1) -> str:
            return item * count

    class Inferring(BaseTool):
        name: str = "inferring"
        description: str = "A class without a schema."

        def _run(self, item: str, count: int = 1) -> str:
            return item * count

    @object_schema
    @dataclasses.dataclass
    class Answer:
        text: str
        score: float = 0.0

    @list_schema
    class Found(BaseModel):
        text: str

    class Typed(TypedDict):
        "What is typed."
        text: str

    @tool
    def schemas(name: str) -> dict:
        "The JSON schema of an answer."
        return json_schema({"answer": Answer, "found": Found, "typed": Typed}[name])

    TOOLS = [plain, awaited, lists, nothing, order, basket, model, fails, structured, single, handled, Adder(),
             Inferring(), schemas]
"""
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("plain", {"a": 1}),
    ("plain", {"a": 1, "b": 3, "c": 1.5, "d": "x", "e": True}),
    ("awaited", {"a": 1}),
    ("lists", {"numbers": [1, 2.5]}),
    ("lists", {"numbers": [], "words": ["a", "b"]}),
    ("nothing", {}),
    ("order", {"item": "tea"}),
    ("order", {"item": "tea", "count": 3}),
    ("basket", {"orders": [{"item": "tea"}, {"item": "salt", "count": 2}]}),
    ("model", {"item": "tea"}),
    ("fails", {"text": "as it should"}),
    ("structured", {"text": "loud"}),
    ("single", {"tool_input": "loud"}),
    ("handled", {"text": "refused"}),
    ("adder", {"item": "ab", "count": 2}),
    ("inferring", {"item": "ab", "count": 2}),
    ("inferring", {"item": "ab"}),
]
MISFITS: list[tuple[str, dict[str, Any], str]] = [
    ("plain", {"a": "x"}, "`a`"),
    ("plain", {}, "`a`"),
    ("lists", {"numbers": ["x"]}, "`numbers.0`"),
    ("order", {"count": 1}, "`item`"),
    ("basket", {"orders": [{"count": 1}]}, "`orders.0.item`"),
    ("adder", {"item": "a", "count": "x"}, "`count`"),
]


class Pair(NamedTuple):
    """The house, where ``forked`` and ``isolated`` are the same plugin."""

    house: House
    describes_typed_dicts: bool


def oldest(*others: str) -> tuple[str, ...]:
    """What uv is to be asked for."""
    return ("--resolution=lowest-direct", *(requires("cadence-sdk") or ()), *others)


SETS = {
    "the oldest of all": (oldest("pydantic==1.10.13"), False),
    "the oldest with Pydantic 2": (oldest("pydantic==2.5.2", "langchain-core==0.3.0"), True),
}


@pytest.fixture(scope="session", params=SETS)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """The folder of an environment from the configured index, and whether its LangChain describes typed dicts."""
    asked, describes = SETS[request.param]
    folder = tmp_path_factory.mktemp("old") / "packages"
    command = [find_uv_bin(), "pip", "install", "--quiet", "--only-binary=:all:", "--compile-bytecode"]
    subprocess.run([*command, f"--python={sys.executable}", f"--target={folder}", *asked], check=True)
    return folder, describes


@pytest.fixture(scope="session")
def pair(old: tuple[Path, bool], zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Running, "_dependencies", isolating(old[0]))
        settings = Settings(instance=tmp_path_factory.mktemp("pair") / "instance", load_seconds=60, call_seconds=30)
        parts = Parts(settings, zygote)
        house = House(parts)
        house.install(KINDS, "isolated", dependencies=(EVERYTHING,))
        house.install(KINDS, "forked")
    yield Pair(house, old[1])
    parts.close()


def outcome(house: House, plugin: str, tool: str, args: dict[str, Any]) -> object:
    try:
        return house.call(tool, plugin, **args)
    except CadenceError as error:
        return type(error).__name__, str(error)


def tools(house: House, plugin: str) -> dict[str, ToolSpec]:
    report = house.live(plugin).report
    assert report is not None
    return {tool.name: tool for tool in report.tools}


@pytest.mark.parametrize(("tool", "args"), CALLS)
def test_a_tool_answers_the_same(pair: Pair, tool: str, args: dict[str, Any]) -> None:
    assert outcome(pair.house, "isolated", tool, args) == outcome(pair.house, "forked", tool, args)


@pytest.mark.parametrize(("tool", "args", "culprit"), MISFITS)
def test_arguments_that_do_not_fit_are_refused_by_name(
    pair: Pair, tool: str, args: dict[str, Any], culprit: str
) -> None:
    for plugin in ("isolated", "forked"):
        with pytest.raises(InvalidArguments, match=culprit):
            pair.house.call(tool, plugin, **args)


def test_tools_are_described_the_same(pair: Pair) -> None:
    old, new = tools(pair.house, "isolated"), tools(pair.house, "forked")
    assert list(old) == list(new)
    for name in new:
        assert (old[name].description, old[name].is_async) == (new[name].description, new[name].is_async)
        assert sorted(old[name].parameters["properties"]) == sorted(new[name].parameters["properties"]), name
        assert old[name].parameters.get("required") == new[name].parameters.get("required"), name
    for name in set(new) - {"basket"}:  # Pydantic 1 and 2 name definitions, and what is optional, in ways of their own
        assert old[name].parameters == new[name].parameters, name


def test_examples_are_tried_the_same(pair: Pair) -> None:
    old, new = (pair.house.live_set.self_test(plugin) for plugin in ("isolated", "forked"))
    assert [result.tool for result in new] == ["plain", "awaited", "order", "fails", "single", "adder"]
    assert [(result.words, result.passed) for result in old] == [(result.words, True) for result in new]


@pytest.mark.parametrize("name", ["answer", "found"])
def test_the_shape_of_answers_is_described_the_same(pair: Pair, name: str) -> None:
    old, new = (pair.house.call("schemas", plugin, name=name) for plugin in ("isolated", "forked"))
    assert old == new


def test_a_typed_dict_is_described_the_same_or_refused_in_words(pair: Pair) -> None:
    old, new = (outcome(pair.house, plugin, "schemas", {"name": "typed"}) for plugin in ("isolated", "forked"))
    if pair.describes_typed_dicts:
        assert old == new
    else:
        assert "langchain-core 0.2.0 has no JSON schema for the TypedDict Typed" in str(old)
