"""Whole conversations with the offline model: what is called, with what, and what the person is told."""

from typing import Any

import pytest

from cadence.chat.values import GOTO
from tests.chat.offline import plugins
from tests.chat.offline.playing import Dialogue, Plugin
from tests.chat.offline.plugins import ALL, MATH, TEXT, WEATHER

Batch = list[tuple[str, dict[str, Any]]]


def numbers(a: float, b: float) -> dict[str, float]:
    return {"a": a, "b": b}


def test_the_question_of_the_issue_is_answered_from_the_tools() -> None:
    talk = Dialogue(*ALL)
    answer = talk.ask("what is 12 times 7, and add 5 to it")
    assert talk.batches == [[("multiply", numbers(12, 7))], [("add", numbers(84, 5))]]
    assert talk.tasks == [("math_plugin", "what is 12 times 7, and add 5 to it")]
    assert answer.splitlines() == ["89", "", "multiply(a=12, b=7) = 84", "add(a=84, b=5) = 89"]


CALCULATIONS: list[tuple[str, list[Batch]]] = [
    ("What is 2 + 3 * 4?", [[("multiply", numbers(3, 4))], [("add", numbers(2, 12))]]),
    ("(2 + 3) * 4", [[("add", numbers(2, 3))], [("multiply", numbers(5, 4))]]),
    ("the sum of 3 and 4 times 2", [[("add", numbers(3, 4))], [("multiply", numbers(7, 2))]]),
    ("multiply the sum of 3 and 4 by 2", [[("add", numbers(3, 4))], [("multiply", numbers(7, 2))]]),
    ("subtract 3 from 10", [[("subtract", numbers(10, 3))]]),
    ("from 10 subtract 3", [[("subtract", numbers(10, 3))]]),
    ("take 3 away from 10", [[("subtract", numbers(10, 3))]]),
    ("10 minus 3", [[("subtract", numbers(10, 3))]]),
    ("10-3", [[("subtract", numbers(10, 3))]]),
    ("the difference between 10 and 3", [[("subtract", numbers(10, 3))]]),
    ("divide 10 by 4", [[("divide", numbers(10, 4))]]),
    ("what is 10 divided by 4", [[("divide", numbers(10, 4))]]),
    ("10 over 4", [[("divide", numbers(10, 4))]]),
    ("10 ÷ 4", [[("divide", numbers(10, 4))]]),
    ("raise 2 to the power of 10", [[("power", {"base": 2, "exponent": 10})]]),
    ("2 to the power of 10", [[("power", {"base": 2, "exponent": 10})]]),
    ("power with exponent 10 and base 2", [[("power", {"base": 2, "exponent": 10})]]),
    ("5 squared", [[("power", {"base": 5, "exponent": 2})]]),
    ("half of 10", [[("divide", numbers(10, 2))]]),
    ("twenty-one plus a dozen", [[("add", numbers(21, 12))]]),
    ("please add 1,000 and -2.5", [[("add", numbers(1000, -2.5))]]),
    ("add 1e3 and .5", [[("add", numbers(1000, 0.5))]]),
    ("add a=2 b=3", [[("add", numbers(2, 3))]]),
    ("add with b: 3, a: 2", [[("add", numbers(2, 3))]]),
    ("use math_plugin.add with a=2 and b=3", [[("add", numbers(2, 3))]]),
    ('add {"a": 2, "b": 3}', [[("add", numbers(2, 3))]]),
    ("add 2, 3 and 4", [[("add", numbers(2, 3))], [("add", numbers(5, 4))]]),
    ("add 2 and 3 and multiply by 4", [[("add", numbers(2, 3))], [("multiply", numbers(5, 4))]]),
    ("Add 2 and 3. Then divide by 2.", [[("add", numbers(2, 3))], [("divide", numbers(5, 2))]]),
    ("add 2 and 3, then subtract it from 100", [[("add", numbers(2, 3))], [("subtract", numbers(100, 5))]]),
    ("10 divided by 4, and multiply the result by 3", [[("divide", numbers(10, 4))], [("multiply", numbers(2.5, 3))]]),
    ("2 + 3; 4 * 5", [[("add", numbers(2, 3)), ("multiply", numbers(4, 5))]]),
    ("add 2 and 3, then multiply 4 and 5", [[("add", numbers(2, 3))], [("multiply", numbers(4, 5))]]),
    ("1. add 2 and 3\n2. multiply 4 by 5", [[("add", numbers(2, 3)), ("multiply", numbers(4, 5))]]),
    ("divide 10 by 2 and 20 by 4", [[("divide", numbers(10, 2)), ("divide", numbers(20, 4))]]),
    ("add 1 to 2 and 3 to 4", [[("add", numbers(1, 2)), ("add", numbers(3, 4))]]),
    ("divide 100 by 5, then by 2", [[("divide", numbers(100, 5))], [("divide", numbers(20, 2))]]),
    ("Ask math_plugin: what is 2 plus 3?", [[("add", numbers(2, 3))]]),
]


@pytest.mark.parametrize(("message", "batches"), CALCULATIONS, ids=[message for message, _ in CALCULATIONS])
def test_numbers_are_calculated_by_the_tools_step_by_step(message: str, batches: list[Batch]) -> None:
    talk = Dialogue(*ALL)
    talk.ask(message)
    assert talk.batches == batches


OTHERS: list[tuple[str, list[tuple[str, dict[str, Any]]]]] = [
    ('count the words of "one two three"', [("count_words", {"text": "one two three"})]),
    ("Count the words of: one two. three, and then four", [("count_words", {"text": "one two. three, and then four"})]),
    ("how many words are in the quick brown fox?", [("count_words", {"text": "the quick brown fox"})]),
    ("call count_words on \u2018a b\u2019", [("count_words", {"text": "a b"})]),
    ("make a slug of Hello, World!", [("make_slug", {"text": "Hello, World!"})]),
    ("make a slug of “Hello” with separator _", [("make_slug", {"text": "Hello", "separator": "_"})]),
    ("make a slug, text: Hello World, separator: '_'", [("make_slug", {"text": "Hello World", "separator": "_"})]),
    ("convert hello world to upper case", [("to_upper", {"text": "hello world"})]),
    ("put hello there in capital letters", [("to_upper", {"text": "hello there"})]),
    ("uppercase hello", [("to_upper", {"text": "hello"})]),
    ("upper case 'a' and `b`", [("to_upper", {"text": "a"}), ("to_upper", {"text": "b"})]),
    ("don't shout, but put 'it is' in capitals", [("to_upper", {"text": "it is"})]),
    (
        "replace 'a' with 'b' in 'abc'",
        [("replace_phrases", {"text": "abc", "replacements": [{"old": "a", "new": "b"}]})],
    ),
    (
        'replace phrases in "tea for two" with replacements=[{"old": "two", "new": "three"}]',
        [("replace_phrases", {"text": "tea for two", "replacements": [{"old": "two", "new": "three"}]})],
    ),
    ("what's the temperature?", [("read_temperature", {})]),
    ("fix the sensor", [("repair_sensor", {})]),
    ("wait for 1, 2 and 3 seconds", [("wait", {"seconds": 1}), ("wait", {"seconds": 2}), ("wait", {"seconds": 3})]),
    ("wait 0.2 seconds, wait 0.3 seconds", [("wait", {"seconds": 0.2}), ("wait", {"seconds": 0.3})]),
    ("what is the weather in New York?", [("forecast", {"city": "New York"})]),
    ("weather in Paris in Fahrenheit", [("forecast", {"city": "Paris", "unit": "fahrenheit"})]),
    (
        "give me the weather for Rome for 5 days in celsius",
        [("forecast", {"city": "Rome", "unit": "celsius", "days": 5})],
    ),
    ("forecast for Berlin, 3 days", [("forecast", {"city": "Berlin", "days": 3})]),
    ("the weather in São Paulo please", [("forecast", {"city": "São Paulo"})]),
    ("which version of math_plugin answers?", [("version_info", {})]),
]


@pytest.mark.parametrize(("message", "calls"), OTHERS, ids=[message for message, _ in OTHERS])
def test_arguments_are_taken_out_of_the_message(message: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    talk = Dialogue(*ALL)
    talk.ask(message)
    assert talk.calls == calls


def test_two_agents_each_do_their_part_of_a_message() -> None:
    talk = Dialogue(*ALL)
    answer = talk.ask('Count the words of "one two three" and add 2 and 5. Then what is 6 times 7?')
    assert talk.tasks == [
        ("text_plugin", 'Count the words of "one two three"'),
        ("math_plugin", "add 2 and 5. Then what is 6 times 7?"),
    ]
    assert answer.splitlines() == [
        'count_words(text="one two three") = 3',
        "add(a=2, b=5) = 7",
        "multiply(a=6, b=7) = 42",
    ]


def test_an_agent_goes_on_with_the_result_of_another() -> None:
    talk = Dialogue(*ALL)
    answer = talk.ask('count the words of "a b c" and multiply it by 2')
    assert talk.calls == [("count_words", {"text": "a b c"}), ("multiply", numbers(3, 2))]
    assert answer.splitlines()[0] == "6"


def test_an_agent_comes_back_for_a_later_part() -> None:
    talk = Dialogue(*ALL)
    talk.ask("add 2 and 3, then make a slug of 'A B', then multiply 4 and 5")
    assert [name for name, _ in talk.tasks] == ["math_plugin", "text_plugin", "math_plugin"]
    assert [name for name, _ in talk.calls] == ["add", "make_slug", "multiply"]


def test_what_has_to_follow_waits_and_what_does_not_runs_at_once() -> None:
    talk = Dialogue(*ALL)
    talk.ask("read the temperature, then break the sensor and repair the sensor")
    assert [[name for name, _ in batch] for batch in talk.batches] == [
        ["read_temperature"],
        ["break_sensor", "repair_sensor"],
    ]


def test_a_missing_argument_is_asked_for_and_the_answer_completes_the_call() -> None:
    talk = Dialogue(*ALL)
    question = talk.ask("multiply 12")
    assert question == "To call multiply I need b (number). For example: multiply 12 and 7"
    assert talk.calls == []
    talk.ask("7")
    assert talk.calls == [("multiply", numbers(12, 7))]


@pytest.mark.parametrize(
    ("messages", "call"),
    [
        (["raise something to a power", "2 and 10"], ("power", {"base": 2, "exponent": 10})),
        (["raise something to a power", "exponent = 10", "it is 2"], ("power", {"base": 2, "exponent": 10})),
        (["subtract 3", "from 10"], ("subtract", numbers(10, 3))),
        (["what is the weather?", "Paris"], ("forecast", {"city": "Paris"})),
        (["count the words", 'one "two" three'], ("count_words", {"text": 'one "two" three'})),
        (["count the words", "it's one two three"], ("count_words", {"text": "it's one two three"})),
        (["wait", "a dozen"], ("wait", {"seconds": 12})),
        (["make a slug of 'x'. What is the weather?", "Rome"], ("forecast", {"city": "Rome"})),
    ],
)
def test_answers_to_questions_are_joined_with_what_was_said_before(
    messages: list[str], call: tuple[str, dict[str, Any]]
) -> None:
    talk = Dialogue(*ALL)
    for message in messages:
        talk.ask(message)
    assert talk.calls == [call]


def test_another_question_is_no_answer() -> None:
    talk = Dialogue(*ALL)
    talk.ask("multiply 12")
    talk.ask("add 2 and 3")
    assert talk.calls == [("add", numbers(2, 3))]
    talk.ask("multiply 12")
    assert "I am the offline model" in talk.ask("never mind")


def test_a_later_message_can_go_on_with_the_result() -> None:
    talk = Dialogue(*ALL)
    talk.ask("add 2 and 3")
    for message, call in [
        ("multiply it by 4", ("multiply", numbers(5, 4))),
        ("and subtract 1", ("subtract", numbers(20, 1))),
        ("then times 3", ("multiply", numbers(19, 3))),
        ("double it", ("multiply", numbers(57, 2))),
        ("divide 228 by that", ("divide", numbers(228, 114))),
    ]:
        talk.ask(message)
        assert talk.calls == [call]


def test_a_lone_number_takes_no_result_of_an_earlier_message() -> None:
    talk = Dialogue(*ALL)
    talk.ask("add 2 and 3")
    assert "I need b (number)" in talk.ask("multiply 7")


def test_a_failure_is_told_and_what_needs_it_is_not_called() -> None:
    talk = Dialogue(*ALL)
    answer = talk.ask("divide 1 by 0 and add 5 to it, and what is 2 times 3")
    assert [name for name, _ in talk.calls] == ["divide", "multiply"]
    assert answer.splitlines() == [
        "multiply(a=2, b=3) = 6",
        "divide failed: Division by zero has no result",
        "",
        "add was not called, because it needs a result that did not come.",
    ]


def test_a_result_of_the_wrong_kind_is_not_used() -> None:
    talk = Dialogue(*ALL)
    answer = talk.ask("make a slug of 'Hello', then add 5 to it")
    assert [name for name, _ in talk.calls] == ["make_slug"]
    assert "the result before it is no number, as a has to be" in answer


def test_a_number_that_no_tool_of_the_agent_calculates_is_asked_for() -> None:
    talk = Dialogue(plugins.PARALLEL)
    assert talk.ask("wait 2 times 3 seconds").startswith("To call wait I need seconds (number).")


def test_a_part_is_not_left_out_because_a_longer_one_holds_its_words() -> None:
    talk = Dialogue(*ALL)
    talk.ask("add 5 and 55, then make a slug of 'a', then add 5 and 5")
    assert [name for name, _ in talk.calls] == ["add", "make_slug", "add"]


def test_a_question_whether_something_is_so_does_not_make_it_so() -> None:
    talk = Dialogue(*ALL)
    assert "I have no tool for “is the sensor repaired?”" in talk.ask("is the sensor repaired?")
    assert talk.calls == []
    talk.ask("is it warm?")
    assert talk.calls == [("read_temperature", {})]


def test_the_same_call_is_made_as_often_as_it_is_asked_for() -> None:
    talk = Dialogue(*ALL)
    talk.ask("read the temperature, then break the sensor, then read the temperature again")
    assert [tool for tool, _ in talk.calls] == ["read_temperature", "break_sensor", "read_temperature"]
    assert "= 0" in talk.ask("what is 1 - 1 + 1 - 1?")


def test_what_no_tool_fits_is_said() -> None:
    talk = Dialogue(*ALL)
    answer = talk.ask("What is 10 minus 3? What is the capital of France?")
    assert talk.calls == [("subtract", numbers(10, 3))]
    assert "I have no tool for “What is the capital of France?”. My tools: add, subtract" in answer


def test_remarks_are_not_taken_for_questions() -> None:
    talk = Dialogue(*ALL)
    assert talk.ask("Hello! I like numbers. What is 2 plus 3? Thanks.") == "add(a=2, b=3) = 5"


@pytest.mark.parametrize("message", ["hello", "help", "What can you do?", "Was ist das Wetter?", "今日は", "?", "   "])
def test_where_nothing_fits_the_model_says_what_it_is_and_what_can_be_asked(message: str) -> None:
    talk = Dialogue(MATH, TEXT)
    answer = talk.ask(message)
    assert talk.tasks == []
    assert "offline model" in answer
    for words in (
        "math_plugin",
        "text_plugin",
        "add 12 and 7",
        "/tools",
        "/call math_plugin.add a=2 b=3",
        "CADENCE_LLM",
    ):
        assert words in answer


def test_without_agents_it_says_to_upload_a_plugin() -> None:
    assert "upload a plugin" in Dialogue().ask("add 2 and 3")


@pytest.mark.parametrize("plugin", ALL, ids=lambda plugin: plugin.name)
def test_the_example_in_a_question_calls_the_tool(plugin: Plugin) -> None:
    for spec in plugin.specs:
        if not spec["parameters"].get("required"):
            continue
        talk = Dialogue(plugin)
        question = talk.ask(f"call {plugin.name} to {spec['name'].replace('_', ' ')}")
        assert talk.calls == []
        talk.ask(question.rpartition("For example: ")[2])
        assert [name for name, _ in talk.calls] == [spec["name"]], question


def test_a_plugin_with_one_tool_that_is_named_needs_no_further_word() -> None:
    def lookup(place: str) -> str:
        """Find out."""
        return place

    talk = Dialogue(MATH, Plugin("oracle_plugin", "Answers", lookup))
    talk.ask("ask oracle_plugin about Delphi")
    assert talk.calls == [("lookup", {"place": "Delphi"})]


def test_a_plain_word_decides_between_agents_that_share_one() -> None:
    def add_item(item: str) -> str:
        """Add an item to the shopping list."""
        return item

    talk = Dialogue(MATH, Plugin("shopping_plugin", "Keeps a shopping list", add_item))
    talk.ask("add milk to the shopping list")
    assert talk.calls[0][0] == "add_item"
    talk.ask("add 2 and 3")
    assert talk.calls == [("add", numbers(2, 3))]


def test_the_plugins_here_are_those_of_the_examples() -> None:
    assert {plugin.name for plugin in (MATH, TEXT, plugins.SENSOR, plugins.PARALLEL)} < {plugin.name for plugin in ALL}
    assert WEATHER.goto["name"] == f"{GOTO}weather_plugin"
