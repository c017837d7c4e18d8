"""Arguments by the JSON schema of a tool: kinds, names, choices, lists, objects, references, defaults."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from tests.chat.offline.playing import answered, made, offered

Calls = list[tuple[str, dict[str, Any]]]


def tool(name: str, description: str = "", /, *, optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    required = [one for one in properties if one not in optional]
    return offered(name, description, {"type": "object", "properties": properties, "required": required})


NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
TEXT = {"type": "string"}
BOOLEAN = {"type": "boolean"}

ROUND = tool("round_number", "Round a number.", optional=("digits",), number=NUMBER, digits=INTEGER)
PAINT = tool("paint", "Paint the wall.", color={"type": "string", "enum": ["red", "light blue", "dark_green"]})
LAMP = tool("switch_lamp", "Switch the lamp.", optional=("dimmed",), on=BOOLEAN, dimmed=BOOLEAN)
AVERAGE = tool("average", "Average of numbers.", numbers={"type": "array", "items": NUMBER})
SUM = tool("sum_numbers", "Sum up numbers.", numbers={"type": "array", "items": NUMBER})
SORT = tool("sort_words", "Sort words.", words={"type": "array", "items": TEXT})
TRANSLATE = tool("translate", "Translate a text.", text=TEXT, language=TEXT)
BOOK = tool("book_room", "Book a room.", optional=("nights",), date=TEXT | {"format": "date"}, nights=INTEGER)
REPEAT = tool("repeat", "Repeat a text.", text=TEXT, times=INTEGER)
CALCULATE = tool(
    "calculate",
    "Calculate with two numbers.",
    operation={"type": "string", "enum": ["add", "subtract", "multiply", "divide"]},
    left=NUMBER,
    right=NUMBER,
)
STORE = tool("store_settings", "Store settings.", settings={"type": "object"})
ORDER = tool("find_order", "Find an order.", order_id=TEXT)
LOCATE = tool("locate", "Locate a point.", point={"$ref": "#/$defs/Point"})
LOCATE["parameters"]["$defs"] = {
    "Point": {"type": "object", "properties": {"x": NUMBER, "y": NUMBER}, "required": ["x", "y"]}
}
LIMIT = tool("limit_speed", "Limit the speed.", speed={"anyOf": [{"type": "null"}, {"allOf": [INTEGER]}]})
EVALUATE = tool("evaluate", "Evaluate an arithmetic expression.", expression=TEXT)
REMIND = tool("remind", "Remind of something.", anything={})
LEVEL = tool("set_level", "Set the level.", level={"type": "integer", "enum": [1, 2, 3]})
MOVE = tool("move_file", "Move source to destination.", source=TEXT, destination=TEXT)

TABLE: list[tuple[str, dict[str, Any], Calls]] = [
    ("round 3.14159 to 2", ROUND, [("round_number", {"number": 3.14159, "digits": 2})]),
    ("round 3.7", ROUND, [("round_number", {"number": 3.7})]),
    ("round the number 3.7 with 1 digits", ROUND, [("round_number", {"number": 3.7, "digits": 1})]),
    ("paint it light blue", PAINT, [("paint", {"color": "light blue"})]),
    ("paint it Dark Green", PAINT, [("paint", {"color": "dark_green"})]),
    ("paint with color=red", PAINT, [("paint", {"color": "red"})]),
    ("switch the lamp on: yes", LAMP, [("switch_lamp", {"on": True})]),
    ("switch the lamp, on=false, dimmed", LAMP, [("switch_lamp", {"on": False, "dimmed": True})]),
    ("switch lamp on=true, not dimmed", LAMP, [("switch_lamp", {"on": True, "dimmed": False})]),
    ("average of 1, 2 and 3.5", AVERAGE, [("average", {"numbers": [1, 2, 3.5]})]),
    ("the mean of [1, 2, 3]", AVERAGE, [("average", {"numbers": [1, 2, 3]})]),
    ("average numbers=[4, 5]", AVERAGE, [("average", {"numbers": [4, 5]})]),
    ("sum up 1, 2, 3", SUM, [("sum_numbers", {"numbers": [1, 2, 3]})]),
    ("2 + 3", SUM, [("sum_numbers", {"numbers": [2, 3]})]),
    ("sort 'pear', 'apple' and 'fig'", SORT, [("sort_words", {"words": ["pear", "apple", "fig"]})]),
    ("sort the words pear, apple and fig", SORT, [("sort_words", {"words": ["pear", "apple", "fig"]})]),
    ("translate 'good day' to French", TRANSLATE, [("translate", {"text": "good day", "language": "French"})]),
    ("translate good day into French", TRANSLATE, [("translate", {"text": "good day", "language": "French"})]),
    ("book a room on 2026-12-24 for 3 nights", BOOK, [("book_room", {"date": "2026-12-24", "nights": 3})]),
    ("repeat 'ha' 3 times", REPEAT, [("repeat", {"text": "ha", "times": 3})]),
    ("repeat 'ha' three times", REPEAT, [("repeat", {"text": "ha", "times": 3})]),
    ("12 times 7", CALCULATE, [("calculate", {"operation": "multiply", "left": 12, "right": 7})]),
    (
        "calculate the difference of 9 and 4",
        CALCULATE,
        [("calculate", {"operation": "subtract", "left": 9, "right": 4})],
    ),
    ('store settings {"a": {"b": [1]}}', STORE, [("store_settings", {"settings": {"a": {"b": [1]}}})]),
    ("find order 4711", ORDER, [("find_order", {"order_id": "4711"})]),
    ("find the order with order id 'A-1'", ORDER, [("find_order", {"order_id": "A-1"})]),
    ('locate {"x": 1, "y": 2}', LOCATE, [("locate", {"point": {"x": 1, "y": 2}})]),
    ("limit the speed to 50", LIMIT, [("limit_speed", {"speed": 50})]),
    ("what is 2 + 3 * 4?", EVALUATE, [("evaluate", {"expression": "2 + 3 * 4"})]),
    ("remind of 12", REMIND, [("remind", {"anything": 12})]),
    ("set the level to 2", LEVEL, [("set_level", {"level": 2})]),
    ("move 'a.txt' to 'b.txt'", MOVE, [("move_file", {"source": "a.txt", "destination": "b.txt"})]),
    ("to 'b.txt' move 'a.txt'", MOVE, [("move_file", {"source": "a.txt", "destination": "b.txt"})]),
]


@pytest.mark.parametrize(("message", "offer", "calls"), TABLE, ids=[row[0] for row in TABLE])
def test_arguments_are_taken_by_the_schema(message: str, offer: dict[str, Any], calls: Calls) -> None:
    assert made(answered([HumanMessage(message)], [offer])) == calls


ASKED: list[tuple[str, dict[str, Any], str]] = [
    ("round", ROUND, "To call round_number I need number (number). For example: round number 12"),
    ("paint it pink", PAINT, "I need color (red, light blue, dark_green)."),
    ("repeat 'ha' 2.5 times", REPEAT, "I need times (whole number)."),
    ("switch the lamp", LAMP, "I need on (yes or no)."),
    ("set the level to 9", LEVEL, "I need level (1, 2, 3)."),
    ("store settings", STORE, "I need settings (JSON object)."),
    ("average", AVERAGE, "I need numbers (list). For example: average with numbers=[1, 2]"),
    ("translate", TRANSLATE, "I need text (text) and language (text)."),
]


@pytest.mark.parametrize(("message", "offer", "words"), ASKED, ids=[row[0] for row in ASKED])
def test_what_is_missing_is_asked_for(message: str, offer: dict[str, Any], words: str) -> None:
    answer = answered([HumanMessage(message)], [offer])
    assert answer.tool_calls == []
    assert words in answer.text


def test_the_question_has_the_description_of_the_parameter_and_an_example_within_its_bounds() -> None:
    bounded = NUMBER | {"description": "How long to wait, in seconds.", "maximum": 10}
    answer = answered([HumanMessage("wait")], [tool("wait", seconds=bounded)])
    assert answer.text == (
        "To call wait I need seconds (number). (seconds: How long to wait, in seconds.) For example: wait 10"
    )


def test_a_tool_without_parameters_is_called_with_none() -> None:
    for parameters in ({}, {"type": "object"}, {"type": "object", "properties": {}}, None):
        offer = {"name": "read_clock", "description": "Read the clock.", "parameters": parameters}
        assert made(answered([HumanMessage("read the clock")], [offer])) == [("read_clock", {})]


def test_of_tools_that_fit_alike_the_one_is_called_that_has_all_it_needs() -> None:
    by_name = tool("find_customer_name", "Find a customer.", name=TEXT, country=TEXT)
    by_number = tool("find_customer_number", "Find a customer.", number=INTEGER)
    assert made(answered([HumanMessage("find customer 12")], [by_name, by_number])) == [
        ("find_customer_number", {"number": 12})
    ]


def test_the_tool_that_is_named_is_called() -> None:
    first, second = (
        tool("look_here", "Look for a thing.", text=TEXT),
        tool("look_there", "Look for a thing.", text=TEXT),
    )
    for message in ("look_there for 'x'", "use the look there tool for 'x'", "call `look_there` with text='x'"):
        assert made(answered([HumanMessage(message)], [first, second])) == [("look_there", {"text": "x"})]


def test_defaults_are_left_to_the_tool() -> None:
    offer = tool("greet", "Greet somebody.", name=TEXT, tone=TEXT | {"default": "warm"})
    assert made(answered([HumanMessage("greet Ada")], [offer])) == [("greet", {"name": "Ada"})]
