"""Each role by itself: what the coordinator hands over, what an agent reports, how the synthesizer writes it down."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from cadence.chat import prompts
from cadence.chat.values import FINALIZE, Step
from tests.chat.offline.playing import answered, made, offered
from tests.chat.offline.plugins import MATH, SENSOR, TEXT

_FINALIZE = offered(FINALIZE)


def coordinated(message: str, *moves: BaseMessage, tools: Sequence[dict[str, Any]] = ()) -> AIMessage:
    system = SystemMessage(prompts.coordinator_prompt(["math_plugin", "text_plugin"], "rude"))
    offers = tools or [MATH.goto, TEXT.goto]
    return answered([system, HumanMessage(message), *moves], [*offers, _FINALIZE])


def handed(name: str, task: str, report: str = "Done.", id_: str = "1") -> list[BaseMessage]:
    call = {"name": f"goto_{name}", "args": {"task": task}, "id": id_, "type": "tool_call"}
    return [AIMessage("", tool_calls=[call]), ToolMessage(report, tool_call_id=id_)]


def step(tool: str, args: dict[str, Any], result: Any = None, error: str | None = None) -> Step:
    return Step("1", "math_plugin", tool, args, result, error, "1.0.0")


def synthesized(steps: Sequence[Step], *reports: tuple[str, str]) -> str:
    found = prompts.findings(steps, reports)
    return str(answered([SystemMessage("Write."), HumanMessage("what?"), HumanMessage(found)]).text)


def test_a_coordinator_hands_over_in_the_words_of_the_person() -> None:
    answer = coordinated("Please ADD 2 and 3")
    assert made(answer) == [("goto_math_plugin", {"task": "ADD 2 and 3"})]


def test_a_coordinator_ends_when_every_part_was_handed_over() -> None:
    first = handed("math_plugin", "add 2 and 3")
    assert made(coordinated("add 2 and 3", *first)) == [(FINALIZE, {})]
    message = "add 2 and 3 and count the words of 'x'"
    assert made(coordinated(message, *first)) == [("goto_text_plugin", {"task": "count the words of 'x'"})]
    second = handed("text_plugin", "count the words of 'x'", id_="2")
    assert made(coordinated(message, *first, *second)) == [(FINALIZE, {})]


def test_a_coordinator_does_not_repeat_a_task_when_its_agent_is_gone() -> None:
    moves = handed("math_plugin", "add 2 and 3", "It could not work.")
    assert made(coordinated("add 2 and 3", *moves, tools=[TEXT.goto])) == [(FINALIZE, {})]


def test_an_agent_that_is_named_gets_what_another_would_have_got() -> None:
    answer = coordinated("use the math agent to count the words of 'x'")
    assert [name for name, _ in made(answer)] == ["goto_math_plugin"]


def test_an_agent_reports_when_its_calls_are_answered() -> None:
    brief = [SystemMessage(prompts.AGENT), HumanMessage("add 2 and 3")]
    first = answered(brief, MATH.specs)
    result = ToolMessage("5.0", tool_call_id=first.tool_calls[0]["id"] or "")
    assert answered([*brief, first, result], MATH.specs).text == "Done."


def test_an_agent_does_not_try_again_what_failed() -> None:
    brief = [SystemMessage(prompts.AGENT), HumanMessage("read the temperature")]
    first = answered(brief, SENSOR.specs)
    failed = ToolMessage("The sensor is\nbroken", tool_call_id=first.tool_calls[0]["id"] or "", status="error")
    report = answered([*brief, first, failed], SENSOR.specs)
    assert (made(report), report.text) == ([], "read_temperature failed: The sensor is broken")


def test_an_agent_goes_on_from_the_results_so_far() -> None:
    brief = prompts.handover("count it and double it", "multiply it by 2", [step("count_words", {"text": "x"}, 7)])
    assert made(answered([HumanMessage(brief)], MATH.specs)) == [("multiply", {"a": 7, "b": 2})]


@pytest.mark.parametrize(
    "before",
    [
        "math_plugin 1.0.0: add(a=2, b=3) -> 5.0",
        "5\n\nadd(a=2, b=3) = 5",
        "I stopped.\n- math_plugin 1.0.0: add(a=2) -> 5",
    ],
)
def test_an_agent_goes_on_from_the_answer_before(before: str) -> None:
    messages = [HumanMessage("/call math_plugin.add a=2 b=3"), AIMessage(before), HumanMessage("multiply it by 2")]
    assert made(answered(messages, MATH.specs)) == [("multiply", {"a": 5, "b": 2})]


def test_an_agent_takes_the_only_number_in_an_object() -> None:
    brief = prompts.handover("x", "add 1 to it", [step("measure", {}, {"unit": "m", "length": 41})])
    assert made(answered([HumanMessage(brief)], MATH.specs)) == [("add", {"a": 41, "b": 1})]


def test_an_agent_without_tools_says_so() -> None:
    assert answered([SystemMessage(prompts.AGENT), HumanMessage("add 2 and 3")]).text == "I have no tools."


def test_one_result_is_written_as_its_call() -> None:
    assert synthesized([step("add", {"a": 2.0, "b": 3}, 5.0)], ("math_plugin", "Done.")) == "add(a=2, b=3) = 5"


def test_the_last_result_stands_first_where_the_others_led_to_it() -> None:
    steps = [step("count_words", {"text": "a b"}, 2), step("to_upper", {"text": "2"}, "TWO")]
    assert synthesized(steps[:1]).startswith("count_words")
    chain = [step("multiply", {"a": 12, "b": 7}, 84.0), step("add", {"a": 84, "b": 5}, 89.0)]
    assert synthesized(chain).splitlines()[:2] == ["89", ""]
    apart = [step("multiply", {"a": 12, "b": 7}, 84.0), step("add", {"a": 1, "b": 5}, 6.0)]
    assert synthesized(apart).splitlines() == ["multiply(a=12, b=7) = 84", "add(a=1, b=5) = 6"]


def test_failures_and_questions_are_told_plainly_and_once() -> None:
    words = synthesized(
        [step("divide", {"a": 1, "b": 0}, error="No result")],
        ("math_plugin", "divide failed: No result"),
        ("text_plugin", "To call count_words I need text (text). For example: …"),
    )
    assert words.splitlines() == [
        "divide failed: No result",
        "",
        "To call count_words I need text (text). For example: …",
    ]


def test_what_another_model_says_as_an_agent_is_told() -> None:
    assert synthesized([step("add", {"a": 1}, 5)], ("math_plugin", "It is five.")).splitlines()[-1] == "It is five."


def test_where_nothing_was_found_that_is_said() -> None:
    assert synthesized([]) == "Nothing came of this: no agent found an answer."


@pytest.mark.parametrize("value", ["84.0", "version 2.0, or = 3.0", "a) -> b"])
def test_texts_in_arguments_are_written_as_they_are(value: str) -> None:
    assert synthesized([step("echo", {"text": value}, value)]).startswith(f'echo(text="{value}"') == (
        value != "a) -> b"
    )
