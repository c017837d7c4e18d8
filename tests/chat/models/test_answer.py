"""Calls that a model got wrong are told apart from those that can be made."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from cadence.chat.model_answer import checked, joined
from cadence.chat.tool_names import ToolNames, safe_name

NAMES = ToolNames([{"name": "add"}, {"name": "math.add"}])


def streamed(*arguments: str, name: str | None = "add", id_: str | None = "1") -> AIMessage:
    pieces = [
        AIMessageChunk(
            content="",
            tool_call_chunks=[
                {
                    "type": "tool_call_chunk",
                    "index": 0,
                    "name": None if number else name,
                    "args": piece,
                    "id": None if number else id_,
                }
            ],
        )
        for number, piece in enumerate(arguments)
    ]
    return joined(pieces)


def test_a_call_can_be_made() -> None:
    answer = checked(streamed('{"a": ', "1}"), NAMES)
    assert type(answer) is AIMessage
    assert answer.tool_calls == [{"type": "tool_call", "id": "1", "name": "add", "args": {"a": 1}}]


@pytest.mark.parametrize("arguments", ["", "{}", "null"])
def test_a_call_without_arguments_can_be_made(arguments: str) -> None:
    assert checked(streamed(arguments), NAMES).tool_calls[0]["args"] == {}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ('{"amount": 10', "not valid JSON"),
        ("a=1", "not valid JSON"),
        ('{"a": NaN}', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ("[1, 2]", "not a JSON object"),
        ('"a"', "not a JSON object"),
    ],
)
def test_arguments_that_are_none_make_the_call_invalid(arguments: str, error: str) -> None:
    answer = checked(streamed(arguments), NAMES)
    assert answer.tool_calls == []
    (call,) = answer.invalid_tool_calls
    assert (call["name"], call["args"], call["id"]) == ("add", arguments, "1")
    assert error in str(call["error"])


def test_arguments_that_end_in_the_middle_are_not_completed() -> None:
    """LangChain would make ``{"amount": 10}`` of it, which nobody meant."""
    message = streamed('{"amount": 10')
    assert message.tool_calls
    assert checked(message, NAMES).tool_calls == []


def test_a_call_of_nothing_is_invalid() -> None:
    assert "no tool" in str(checked(streamed("{}", name=None), NAMES).invalid_tool_calls[0]["error"])


def test_arguments_that_are_no_json_are_found_in_a_whole_answer_too() -> None:
    call = {"type": "tool_call", "id": "1", "name": "add", "args": {"a": float("nan")}}
    assert checked(AIMessage("", tool_calls=[call]), NAMES).invalid_tool_calls[0]["name"] == "add"


def test_the_good_calls_of_an_answer_stay_beside_the_invalid_ones() -> None:
    bad: Any = {"type": "invalid_tool_call", "id": "2", "name": "add", "args": "{", "error": "long story"}
    good: Any = {"type": "tool_call", "id": "1", "name": "add", "args": {}}
    answer = checked(AIMessage("", tool_calls=[good], invalid_tool_calls=[bad]), NAMES)
    assert [call["id"] for call in answer.tool_calls] == ["1"]
    assert [call["id"] for call in answer.invalid_tool_calls] == ["2"]


def test_every_call_has_an_id_of_its_own() -> None:
    calls: list[Any] = [{"type": "tool_call", "id": id_, "name": "add", "args": {}} for id_ in ("1", "1", None, "")]
    ids = [call["id"] for call in checked(AIMessage("", tool_calls=calls), NAMES).tool_calls]
    assert ids[0] == "1"
    assert all(ids)
    assert len(set(ids)) == 4


def test_tools_are_called_by_the_names_they_have_here() -> None:
    assert checked(streamed("{}", name=safe_name("math.add")), NAMES).tool_calls[0]["name"] == "math.add"


def test_a_refusal_is_the_text() -> None:
    answer = checked(AIMessage("", additional_kwargs={"refusal": "I would rather not."}), NAMES)
    assert answer.text == "I would rather not."


def test_an_answer_can_be_kept_as_json() -> None:
    answer = checked(streamed('{"a": 1}'), NAMES)
    assert json.loads(answer.model_dump_json())["tool_calls"][0]["args"] == {"a": 1}
