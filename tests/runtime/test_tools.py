"""Tools of every kind, called in a real worker: what comes back, what is refused, how many run at once."""

from collections.abc import Iterator
from typing import Any

import pytest

from cadence.config import Settings
from cadence.errors import CallFailed, InvalidArguments, NotFound, ToolRaised
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.runtime.house import House, threads

KINDS = """
    import asyncio, os, threading
    from cadence_sdk import tool
    from langchain_core.tools import BaseTool, StructuredTool, Tool
    from langchain_core.tools import tool as langchains_tool
    from pydantic import BaseModel, Field

    @tool
    def ours(a: int, b: int = 1) -> int:
        "Add."
        return a + b

    @langchains_tool
    def langchains(a: int, b: int = 1) -> int:
        "Add."
        return a + b

    @tool
    async def awaited(a: int, b: int = 1) -> int:
        "Add."
        await asyncio.sleep(0)
        return a + b

    def add(a: int, b: int = 1) -> int:
        return a + b

    async def add_async(a: int, b: int = 1) -> int:
        return a + b

    structured = StructuredTool.from_function(add, name="structured", description="Add.")
    structured_async = StructuredTool.from_function(
        coroutine=add_async, name="structured_async", description="Add."
    )

    class Numbers(BaseModel):
        a: int
        b: int = 1

    class Adder(BaseTool):
        name: str = "adder"
        description: str = "Add."
        args_schema: type[BaseModel] = Numbers

        def _run(self, a: int, b: int = 1) -> int:
            return a + b

    single = Tool(name="single", func=lambda text: text.upper(), description="Shout.")

    class Point(BaseModel):
        x: int = Field(ge=0)
        y: int

    @tool
    def place(point: Point, label: str) -> str:
        "Say where."
        return f"{label} {point.x},{point.y}"

    ALL = 16
    barrier = threading.Barrier(ALL)
    arrived = asyncio.Event()
    here = 0

    @tool
    def meet() -> int:
        "Answer once all are here."
        return barrier.wait(15)

    @tool
    async def meet_async() -> int:
        "Answer once all are here."
        global here
        here += 1
        if here == ALL:
            arrived.set()
        await asyncio.wait_for(arrived.wait(), 15)
        return here

    class Thing:
        def __str__(self):
            return "a thing"

    VALUES = {
        "none": None, "true": True, "text": "naïve ✓", "float": 0.1, "large": 2**100,
        "nested": {"a": [1, {"b": [None, "c"]}]}, "nan": float("nan"), "nans": [1, float("nan")],
        "bytes": b"\\xff\\x00", "thing": Thing(), "things": [Thing()],
        "surrogate": "caf\\udce9", "set": {1},
    }

    @tool
    def give(key: str):
        "Give a value."
        return VALUES[key]

    @tool
    def repeat(count: int) -> str:
        "As many letters."
        return "x" * count

    @tool
    def measure(text: str) -> int:
        "How long it is."
        return len(text)

    @tool
    def fail(message: str) -> None:
        "Raise."
        raise LookupError(message)

    @tool
    async def fail_async(message: str) -> None:
        "Raise."
        raise LookupError(message)

    @tool
    def pid() -> int:
        "The process, as the host counts it."
        return int(os.readlink("/proc/self"))

    TOOLS = [
        ours, langchains, awaited, structured, structured_async, Adder(), single, place, meet, meet_async, give,
        repeat, measure, fail, fail_async, pid,
    ]
"""
MAX_MESSAGE_BYTES = 100_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[House]:
    """One for the module, because no test here may harm the worker."""
    settings = Settings(
        instance=tmp_path_factory.mktemp("tools"), call_seconds=30.0, max_message_bytes=MAX_MESSAGE_BYTES
    )
    parts = Parts(settings, zygote)
    house = House(parts)
    house.install(KINDS)
    yield house
    parts.close()


@pytest.fixture(autouse=True)
def unharmed(house: House) -> Iterator[None]:
    before = house.pid()
    yield
    assert house.call("pid") == before, "the worker did not live through the test"


@pytest.mark.parametrize("tool", ["ours", "langchains", "awaited", "structured", "structured_async", "adder"])
def test_a_tool_of_any_kind_answers(house: House, tool: str) -> None:
    assert house.call(tool, a=2, b=3) == 5
    assert house.call(tool, a=2) == 3


def test_a_tool_with_a_single_argument_answers(house: House) -> None:
    assert house.call("single", tool_input="hey") == "HEY"


@pytest.mark.parametrize("tool", ["ours", "langchains", "awaited", "structured", "structured_async", "adder"])
def test_arguments_that_do_not_fit_are_refused_with_a_sentence_for_each(house: House, tool: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        house.call(tool, a="two", b=[])
    assert len(caught.value.sentences) == 2
    assert caught.value.sentences[0].startswith("`a`: Input should be a valid integer")
    assert caught.value.sentences[1].startswith("`b`: Input should be a valid integer")
    with pytest.raises(InvalidArguments, match=r"`a`: Field required"):
        house.call(tool)


def test_an_argument_within_an_argument_is_named_by_its_path(house: House) -> None:
    assert house.call("place", point={"x": 1, "y": 2}, label="here") == "here 1,2"
    with pytest.raises(InvalidArguments) as caught:
        house.call("place", point={"x": -1}, label=None)
    assert [sentence.split(":")[0] for sentence in caught.value.sentences] == ["`point.x`", "`point.y`", "`label`"]


def test_an_unknown_tool_is_named(house: House) -> None:
    with pytest.raises(NotFound, match="'divide'"):
        house.call("divide")


def test_an_unknown_plugin_is_named(house: House) -> None:
    with pytest.raises(NotFound, match="'absent'"):
        house.call("ours", "absent", a=1)


@pytest.mark.parametrize("tool", ["fail", "fail_async"])
def test_what_a_tool_raises_reaches_the_caller(house: House, tool: str) -> None:
    with pytest.raises(ToolRaised) as caught:
        house.call(tool, message="naïve ✓")
    (sentence,) = caught.value.sentences
    assert "LookupError: naïve ✓" in sentence
    assert caught.value.ref is not None
    assert caught.value.ref.slug == "demo_plugin-1.0.0"


@pytest.mark.parametrize("tool", ["meet", "meet_async"])
def test_calls_in_flight_run_at_the_same_time(house: House, tool: str) -> None:
    """Each waits for all others, so that none would be answered if one had to wait for its turn."""
    with threads(16) as start:
        answers = [start(house.call, tool) for _ in range(16)]
        assert len({answer.result() for answer in answers}) in (1, 16)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("none", None),
        ("true", True),
        ("text", "naïve ✓"),
        ("float", 0.1),
        ("large", 2**100),
        ("nested", {"a": [1, {"b": [None, "c"]}]}),
        ("nan", "NaN"),
        ("nans", "[1, NaN]"),
        ("thing", "a thing"),
        ("surrogate", "caf\\udce9"),
        ("set", [1]),
    ],
)
def test_a_result_arrives_as_json_or_else_as_the_text_a_model_would_be_shown(
    house: House, key: str, expected: Any
) -> None:
    assert house.call("give", key=key) == expected


def test_objects_in_a_list_arrive_as_text(house: House) -> None:
    assert "Thing object" in house.call("give", key="things")


def test_bytes_arrive_as_some_text(house: House) -> None:
    assert isinstance(house.call("give", key="bytes"), str)


def test_a_result_up_to_the_limit_arrives_whole(house: House) -> None:
    count = MAX_MESSAGE_BYTES - 100
    assert house.call("repeat", count=count) == "x" * count


def test_a_result_beyond_the_limit_fails_in_words(house: House) -> None:
    with pytest.raises(CallFailed, match=rf"The result has \d+ bytes; at most {MAX_MESSAGE_BYTES} are allowed"):
        house.call("repeat", count=MAX_MESSAGE_BYTES)


def test_arguments_up_to_the_limit_arrive_whole(house: House) -> None:
    assert house.call("measure", text="x" * (MAX_MESSAGE_BYTES - 100)) == MAX_MESSAGE_BYTES - 100


def test_arguments_with_a_value_that_json_does_not_have_do_not_harm_the_worker(house: House) -> None:
    with pytest.raises(InvalidArguments, match="`a`"):
        house.call("ours", a=float("nan"))
