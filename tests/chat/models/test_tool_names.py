"""Providers are told names of tools that they take, and the graph hears its own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from cadence.chat.tool_names import ToolNames, safe_name

TAKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def names(*tools: str) -> ToolNames:
    return ToolNames({"name": tool} for tool in tools)


@given(st.text())
def test_any_name_becomes_one_that_providers_take(name: str) -> None:
    assert TAKEN.fullmatch(safe_name(name))


@given(st.lists(st.text(), unique=True, max_size=8))
def test_every_tool_comes_back_by_its_own_name(tools: list[str]) -> None:
    translated = names(*tools)
    there = [translated.there(tool) for tool in tools]
    assert len(set(there)) == len(tools)
    assert [translated.here(name) for name in there] == tools


@pytest.mark.parametrize("name", ["add", "goto_math_plugin", "a" * 64, "_x-1"])
def test_a_name_that_is_taken_stays(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["a" * 65, "wétter", "a b", "9lives", "math.add", "", "x\n"])
def test_a_name_that_is_not_taken_is_always_made_the_same(name: str) -> None:
    assert safe_name(name) == safe_name(name) != name


def test_a_tool_that_is_named_as_another_would_be_keeps_its_name() -> None:
    sly = safe_name("math add")
    translated = names("math add", sly)
    assert translated.there(sly) == sly
    assert translated.here(translated.there("math add")) == "math add"


def test_a_name_that_nobody_offered_is_given_back_as_it_is() -> None:
    assert names("add").here("subtract") == "subtract"


def test_messages_of_before_have_the_names_that_the_provider_knows() -> None:
    call = {"type": "tool_call", "id": "1", "name": "math.add", "args": {"a": 1}}
    bad = {"type": "invalid_tool_call", "id": "2", "name": "math.add", "args": "{", "error": "?"}
    asked = AIMessage("", tool_calls=[call], invalid_tool_calls=[bad])
    sent = names("math.add").outgoing([HumanMessage("1?"), asked, ToolMessage("1", tool_call_id="1", name="math.add")])
    told = safe_name("math.add")
    assert isinstance(sent[1], AIMessage)
    assert [sent[1].tool_calls[0]["name"], sent[1].invalid_tool_calls[0]["name"], sent[2].name] == [told] * 3
    assert asked.tool_calls[0]["name"] == "math.add"
