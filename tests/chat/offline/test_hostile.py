"""Whatever is written, offered or answered, a message comes back, and in a time that grows as the text does."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from cadence.chat import prompts
from cadence.chat.offline import OfflineModel
from cadence.chat.offline.agent import work
from cadence.chat.offline.coordinator import choose
from cadence.chat.offline.exchange import HUMAN, Message, Tool
from cadence.chat.offline.schema import parameters_of
from cadence.chat.values import FINALIZE
from tests.chat.offline.playing import Dialogue, answered, offered
from tests.chat.offline.plugins import ALL, MATH, TEXT, WEATHER

LENGTH = 32_000
PATTERNS = [
    "a", " ", "(", "[", "{", '{"a":', '"', "'a ", "a'", "`", ".", "…", "1", "1 ", "1,", ",111", "1.1.", "1e", "1+",
    "(1+", "- ", "\n", "1. a\n", "_", "and ", "then ", "it ", "add 2 and 3, and ", "the sum of ", "twice ", "twenty ",
    "one million ", "squared ", "count the words of ", "count_words ", "text= ", "a=1 ", "a: ", "weather in ",
    "to the power of ", "\"[{(\u2018„“”«»`'}])", "ß̈ \u2019", "\ue000\ue001\ue002", "\x00", "🙂 ",
]  # fmt: skip
OFFERS = [*MATH.specs, *TEXT.specs, *WEATHER.specs]
AGENT_TOOLS = [Tool(offer["name"], offer["description"], parameters_of(offer["parameters"])) for offer in OFFERS]
GOTO_TOOLS = [Tool(plugin.goto["name"], plugin.goto["description"]) for plugin in ALL]


@pytest.mark.parametrize("pattern", PATTERNS, ids=ascii)
def test_the_longest_message_is_answered(pattern: str) -> None:
    text = (pattern * LENGTH)[:LENGTH]
    choose([Message(HUMAN, text)], GOTO_TOOLS)
    work([Message(HUMAN, text)], AGENT_TOOLS)


@pytest.mark.parametrize("pattern", ["(1+", "add 2 and 3, and ", "the sum of ", "count the words of ", "text= ", "it "])
def test_four_times_the_text_takes_about_four_times_the_work(pattern: str) -> None:
    short, long = (pattern * 4000)[:1000], (pattern * 4000)[:4000]
    first = _operations(lambda: work([Message(HUMAN, short)], AGENT_TOOLS))
    assert _operations(lambda: work([Message(HUMAN, long)], AGENT_TOOLS)) < 8 * first
    first = _operations(lambda: choose([Message(HUMAN, short)], GOTO_TOOLS))
    assert _operations(lambda: choose([Message(HUMAN, long)], GOTO_TOOLS)) < 8 * first


def test_hundreds_of_tools_are_chosen_from() -> None:
    properties = {"a": {"type": "number"}, "kind": {"type": "string", "enum": [f"kind {n}" for n in range(200)]}}
    schema = {"type": "object", "properties": properties, "required": ["a", "kind"]}
    offers = [offered(f"add_item_{number}", f"Add the item {number}.", schema) for number in range(300)]
    answer = answered([HumanMessage("add_item_77 with 3 and kind 20; add " * 5)], offers)
    assert {call["name"] for call in answer.tool_calls} == {"add_item_77"}


_REFERRING: dict[str, Any] = {"$ref": "#/properties/a"}
SCHEMAS: list[Any] = [
    None,
    [],
    "object",
    {"properties": []},
    {"properties": {"a": None, "b": 7, "c": []}, "required": ["a", 7, None, "zzz"]},
    {"properties": {"a": _REFERRING}, "required": ["a"]},
    {"properties": {"a": {"$ref": "#/$defs/no/such/place"}}, "required": ["a"]},
    {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"oneOf": []}], "allOf": "x"}}, "required": ["a"]},
    {"properties": {"a": {"type": ["null", "integer"], "enum": [None, {}, [], 10**400, float("nan"), 1]}}},
    {"properties": {"a": {"const": {"b": 1}}, "": {"type": "string"}}, "required": ["a", ""]},
    {"properties": {"a": {"type": "number", "minimum": 10**400, "maximum": "x"}}, "required": ["a"]},
    {"properties": {"a" * 5000: {"type": "string", "description": "(" * 5000}}, "required": ["a" * 5000]},
    {"properties": {"a b.c(": {"type": "string", "enum": ["(", ")", "", " "]}}, "required": ["a b.c("]},
    {"properties": {f"p{number}": {"type": "array", "items": {"$ref": "#"}} for number in range(300)}},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_no_schema_stops_it(schema: Any) -> None:
    for message in (
        "do the odd thing",
        "odd thing 1, 'x' and a=2",
        'odd {"a": 1} [1, 2] with a b.c( = (',
        "odd a: yes",
    ):
        answered([HumanMessage(message)], [{"name": "odd_thing", "description": "Odd.", "parameters": schema}])


def test_deep_json_is_no_data_and_no_failure() -> None:
    deep = "[" * 900 + "]" * 900
    assert answered([HumanMessage(f"count the words of {deep} and {'[' * 30_000}")], OFFERS).tool_calls
    first = answered([HumanMessage("count the words of 'x', then add 5 to it")], OFFERS)
    result = ToolMessage(deep, tool_call_id=first.tool_calls[0]["id"] or "")
    answered([HumanMessage("count the words of 'x', then add 5 to it"), first, result], OFFERS)
    answered([HumanMessage("x"), HumanMessage(f"{prompts.FINDINGS}\n- a 1: b() -> {deep}")])


@pytest.mark.parametrize("result", ["NaN", "Infinity", '"²"', "", "{}", "[1, 2]", "true", "1" * 5000, '{"a": NaN}'])
def test_no_result_stops_it(result: str) -> None:
    message = HumanMessage("count the words of 'x', then add 5 to it and make a slug of it")
    first = answered([message], OFFERS)
    answered([message, first, ToolMessage(result, tool_call_id=first.tool_calls[0]["id"] or "")], OFFERS)


_SAID = """
    add multiply subtract times plus count words of the text and then it that result 2 3.5 -1 'a b' "c" [1,2] {} ( ) , .
    ; : = a= b: with in sum product squared separator upper case weather Paris ß 今日
"""
_WORDS = st.sampled_from([*_SAID.split(), "\n"])
_TEXTS = st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=25).map(" ".join))


@settings(max_examples=40)
@given(_TEXTS)
def test_every_text_is_answered_in_every_role(text: str) -> None:
    for offers in (OFFERS, [*(plugin.goto for plugin in ALL), offered(FINALIZE)], []):
        assert isinstance(answered([SystemMessage(text), HumanMessage(text)], offers), AIMessage)
    assert answered([HumanMessage(text), HumanMessage(f"{prompts.FINDINGS}\n{text}")]).text
    assert answered([HumanMessage(prompts.handover(text, text[:20], []))], OFFERS)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("haot"), _TEXTS), max_size=6))
def test_every_order_of_messages_is_answered(said: list[tuple[str, str]]) -> None:
    kinds: dict[str, Callable[[str], BaseMessage]] = {
        "h": HumanMessage,
        "a": AIMessage,
        "o": lambda text: AIMessage(
            "", tool_calls=[{"name": text, "args": {"task": 7}, "id": text, "type": "tool_call"}]
        ),
        "t": lambda text: ToolMessage(text, tool_call_id=text),
    }
    messages = [kinds[kind](text) for kind, text in said] or [HumanMessage("")]
    for offers in (OFFERS, [*(plugin.goto for plugin in ALL), offered(FINALIZE)]):
        assert isinstance(OfflineModel().bind_tools(offers).invoke(messages), AIMessage)


@settings(max_examples=15)
@given(st.lists(_TEXTS, min_size=1, max_size=3))
def test_every_conversation_ends(said: list[str]) -> None:
    talk = Dialogue(*ALL)
    for text in said:
        assert talk.ask(text)


def _operations(run: Callable[[], object]) -> int:
    """How many functions are called."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count
