"""Whole turns with the real OpenAI client and real workers: what is on the wire is what a provider demands."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cadence.chat.values import Event, Question, Token
from cadence.config import Settings
from cadence.errors import ModelUnavailable
from cadence.model import InstallOptions
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.building import example_archive
from tests.chat.openai_server import Call, OpenAIServer, Reply, calls, failure, text
from tests.runtime.house import House

Asked = dict[str, Any]


def playing(asked: Asked) -> Reply:
    """A model that hands over to the math agent, calls two tools at once, and writes what came of it."""
    tools = {tool["function"]["name"] for tool in asked.get("tools", ())}
    answered = [message for message in asked["messages"] if message["role"] == "tool"]
    if "finalize" in tools:
        return calls(Call("finalize")) if answered else calls(Call("goto_math_plugin", {"task": "Do both."}))
    if tools:
        both = calls(Call("add", {"a": 2, "b": 3}), Call("multiply", {"a": 4, "b": 5}))
        return text("It is 5 and 20.") if answered else both
    return text("The sum is 5, the product 20.")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with OpenAIServer(playing) as server:
        yield server


def house_of(settings: Settings, zygote: Zygote) -> House:
    house = House(Parts(settings, zygote))
    with house.running.receive() as file:
        file.write(example_archive("math_plugin-1.0.0"))
        upload = file.finish("math_plugin-1.0.0.zip")
    house.running.installer.install(upload, InstallOptions())
    return house


@pytest.fixture
def house(settings: Settings, zygote: Zygote, server: OpenAIServer) -> Iterator[House]:
    given = {"llm": "openai:test-model", "llm_base_url": server.url, "openai_api_key": server.key}
    house = house_of(replace(settings, **given), zygote)  # type: ignore[arg-type]  # each of its kind
    yield house
    house.parts.close()


def test_a_turn_is_answered_by_the_tools_and_written_by_the_model_as_it_comes(
    house: House, server: OpenAIServer
) -> None:
    events: list[Event] = []
    answer = house.running.conversations.ask(Question("2 plus 3, and 4 times 5?"), events.append)
    assert answer.response == "The sum is 5, the product 20."
    assert answer.model == "openai:test-model"
    assert sorted((step.tool, step.result) for step in answer.steps) == [("add", 5), ("multiply", 20)]
    assert len([event for event in events if isinstance(event, Token)]) > 1
    assert len(server.requests) == 5


def test_every_call_on_the_wire_is_answered_and_no_plugin_sees_the_key(house: House, server: OpenAIServer) -> None:
    house.running.conversations.ask(Question("2 plus 3, and 4 times 5?"))
    for request in server.requests:
        messages = request.json["messages"]
        asked = {call["id"] for message in messages for call in message.get("tool_calls") or ()}
        assert asked == {message["tool_call_id"] for message in messages if message["role"] == "tool"}
        assert messages[0]["role"] == "system"
    agent = server.requests[1].json
    assert agent["parallel_tool_calls"] is True
    assert "math agent" in agent["messages"][0]["content"]
    assert {tool["function"]["name"] for tool in agent["tools"]} >= {"add", "multiply"}
    assert "tools" not in server.requests[-1].json
    assert server.requests[-1].json["stream"] is True


def test_a_provider_that_refuses_fails_the_turn_in_words_and_the_thread_goes_on(
    house: House, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations = house.running.conversations
    first = conversations.ask(Question("2 plus 3, and 4 times 5?"))
    monkeypatch.setattr(server, "reply", lambda _: failure(401, "Incorrect API key provided."))
    with pytest.raises(ModelUnavailable) as caught:
        conversations.ask(Question("And again?", first.thread_id))
    assert str(server.key) not in str(caught.value)
    monkeypatch.undo()
    assert conversations.ask(Question("And again?", first.thread_id)).number == 3
