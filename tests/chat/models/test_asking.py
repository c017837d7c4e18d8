"""The real client of OpenAI against a server on loopback: what goes over the wire, and what comes of each mishap."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from cadence.chat.models import Models
from cadence.chat.tool_names import safe_name
from cadence.config import Settings
from cadence.errors import CadenceError, ModelFailed, ModelTimedOut, ModelUnavailable, TurnStopped
from tests.chat.models.conftest import Serve, impatient, settings_for
from tests.chat.openai_server import KEY, Call, OpenAIServer, Reply, calls, failure, raw, text

HELLO = [SystemMessage("You add."), HumanMessage("2 and 3?")]
SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
ADD = {"name": "add", "description": "Add two numbers.", "parameters": SCHEMA}
SLOW: dict[str, Any] = {"llm_timeout_seconds": 0.3}


def asked(error: type[CadenceError], call: Any) -> str:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert KEY not in f"{caught.value!r} {caught.value.in_words}"
    return caught.value.in_words


def test_a_plain_answer(serve: Serve) -> None:
    model, server = serve([text("It is 5.")])
    answer = model.answer(HELLO)
    assert (type(answer), answer.text, answer.tool_calls) == (AIMessage, "It is 5.", [])
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.json["model"] == "test-model"
    assert request.json["messages"] == [
        {"role": "system", "content": "You add."},
        {"role": "user", "content": "2 and 3?"},
    ]
    assert not {"tools", "parallel_tool_calls", "temperature"} & request.json.keys()


def test_tools_and_their_results_go_over_the_wire_as_openai_has_them(serve: Serve) -> None:
    model, server = serve([calls(Call("add", {"a": 2, "b": 3}, id="c1"), says="I add."), text("5")])
    answer = model.answer(HELLO, [ADD])
    assert answer.tool_calls == [{"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 2, "b": 3}}]
    model.answer([*HELLO, answer, ToolMessage("5", tool_call_id="c1", name="add", status="success")], [ADD])
    first, second = server.requests
    assert first.json["tools"] == [
        {"type": "function", "function": {"name": "add", "description": "Add two numbers.", "parameters": SCHEMA}}
    ]
    call, result = second.json["messages"][2:]
    assert (call["role"], call["content"]) == ("assistant", "I add.")
    assert call["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 2, "b": 3}'}
    assert result == {"role": "tool", "content": "5", "tool_call_id": "c1"}


@pytest.mark.parametrize("parallel", [True, False])
def test_the_server_is_told_whether_tools_may_be_called_at_once(serve: Serve, parallel: bool) -> None:
    model, server = serve([calls(Call("add"), Call("add"))])
    assert len(model.answer(HELLO, [ADD], parallel=parallel).tool_calls) == 2
    assert server.requests[0].json["parallel_tool_calls"] is parallel


def test_a_model_that_does_not_know_parallel_calls_is_told_nothing_of_them(serve: Serve) -> None:
    model, server = serve([text("5")], llm="openai:o3")
    model.answer(HELLO, [ADD], parallel=True)
    assert "parallel_tool_calls" not in server.requests[0].json


def test_the_text_is_streamed_in_its_order(serve: Serve) -> None:
    model, server = serve([text("It is five , I think")])
    tokens: list[str] = []
    answer = model.answer(HELLO, on_token=tokens.append)
    assert server.requests[0].json["stream"] is True
    assert tokens == ["It", " is", " five", " ,", " I", " think"]
    assert answer.text == "".join(tokens)


def test_calls_that_come_in_pieces_are_put_together_and_not_told_as_text(serve: Serve) -> None:
    model, _ = serve([calls(Call("add", {"a": 2, "b": 3}), Call("add", {"a": 20, "b": 30}), says="Now")])
    tokens: list[str] = []
    answer = model.answer(HELLO, [ADD], parallel=True, on_token=tokens.append)
    assert [call["args"] for call in answer.tool_calls] == [{"a": 2, "b": 3}, {"a": 20, "b": 30}]
    assert tokens == ["Now"]


@pytest.mark.parametrize(
    ("arguments", "stream"),
    [
        ('{"a": 2, "b"', True),
        ('{"a": 2, "b"', False),
        ("a is 2", True),
        ("a is 2", False),
        ("[2, 3]", True),  # LangChain refuses the whole answer where it does not stream; see the next test
    ],
)
def test_a_call_with_arguments_that_are_none_leaves_the_good_ones(serve: Serve, arguments: str, stream: bool) -> None:
    model, _ = serve([calls(Call("add", arguments, id="bad"), Call("add", {"a": 1, "b": 1}, id="good"))])
    answer = model.answer(HELLO, [ADD], on_token=(lambda _: None) if stream else None)
    assert [call["id"] for call in answer.tool_calls] == ["good"]
    assert [call["id"] for call in answer.invalid_tool_calls] == ["bad"]
    assert answer.invalid_tool_calls[0]["error"]


def test_arguments_that_langchain_itself_refuses_are_a_failure_in_words(serve: Serve) -> None:
    model, _ = serve([calls(Call("add", "[2, 3]"))])
    assert "cannot be understood" in asked(ModelFailed, lambda: model.answer(HELLO, [ADD]))


def test_an_invalid_call_can_be_answered_and_sent_back(serve: Serve) -> None:
    model, server = serve([calls(Call("add", "{", id="bad")), text("Sorry.")])
    answer = model.answer(HELLO, [ADD])
    (bad,) = answer.invalid_tool_calls
    reply = ToolMessage(str(bad["error"]), tool_call_id=str(bad["id"]), status="error")
    assert model.answer([*HELLO, answer, reply], [ADD]).text == "Sorry."
    assert server.requests[1].json["messages"][2]["tool_calls"][0]["id"] == "bad"


def test_a_name_that_the_provider_would_refuse_is_another_on_the_wire(serve: Serve) -> None:
    name = "goto_" + "plugin" * 20
    model, server = serve([calls(Call(safe_name(name)))])
    answer = model.answer(HELLO, [{**ADD, "name": name}])
    assert server.requests[0].json["tools"][0]["function"]["name"] == safe_name(name)
    assert answer.tool_calls[0]["name"] == name


def test_too_many_requests_are_asked_again_when_the_server_says(serve: Serve) -> None:
    model, server = serve([failure(429, retry_after="0.01"), text("5")])
    assert model.answer(HELLO).text == "5"
    assert len(server.requests) == 2


def test_it_is_not_waited_for_beyond_the_end_of_the_turn(serve: Serve) -> None:
    model, server = serve([failure(429, retry_after="3600"), text("5")])
    words = asked(ModelUnavailable, lambda: model.answer(HELLO, deadline=time.monotonic() + 60))
    assert "too often" in words
    assert len(server.requests) == 1


def test_a_quota_that_is_used_up_is_said_at_once(serve: Serve) -> None:
    model, server = serve([failure(429, "You exceeded your current quota.", "insufficient_quota"), text("5")])
    assert "quota" in asked(ModelUnavailable, lambda: model.answer(HELLO))
    assert len(server.requests) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_server_that_always_fails_is_asked_three_times(serve: Serve, stream: bool) -> None:
    model, server = serve([failure(500, f"stack trace with {KEY}")] * 3)
    words = asked(ModelFailed, lambda: model.answer(HELLO, on_token=(lambda _: None) if stream else None))
    assert words == (
        "The server at CADENCE_LLM_BASE_URL has a failure of its own (500). Ask again in a while. It was asked 3 times."
    )
    assert len(server.requests) == 3


def test_how_often_it_is_asked_again_is_a_setting(serve: Serve) -> None:
    model, server = serve([failure(503)], llm_retries=0)
    asked(ModelFailed, lambda: model.answer(HELLO))
    assert len(server.requests) == 1


def test_what_is_asked_again_is_logged_without_the_key(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    model, _ = serve([failure(500, KEY), text("5")])
    with caplog.at_level(logging.DEBUG):
        model.answer(HELLO)
    assert "is asked again" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("stream", [True, False])
def test_a_server_that_does_not_answer_is_given_up(serve: Serve, stream: bool) -> None:
    model, server = serve([text("5").but(holds_after=0)] * 3, **SLOW)
    words = asked(ModelTimedOut, lambda: model.answer(HELLO, on_token=(lambda _: None) if stream else None))
    assert "within 0.3 s (CADENCE_LLM_TIMEOUT_SECONDS)" in words
    assert len(server.requests) <= 1  # none where this machine had no time to send it


def test_a_stream_that_stops_is_given_up(serve: Serve) -> None:
    model, _ = serve([text("one two three").but(holds_after=2)], llm_timeout_seconds=2.0)
    tokens: list[str] = []
    asked(ModelTimedOut, lambda: model.answer(HELLO, on_token=tokens.append))
    assert tokens == ["one"]


def test_the_end_of_the_turn_is_the_end_of_the_waiting(serve: Serve) -> None:
    model, _ = serve([text("5").but(holds_after=0)])
    words = asked(ModelTimedOut, lambda: model.answer(HELLO, deadline=time.monotonic() + 0.2))
    assert "CADENCE_TURN_SECONDS" in words


@pytest.mark.parametrize(
    "reply",
    [
        raw("{"),
        raw("[]"),
        raw("null"),
        raw("{}"),
        raw('{"choices": null}'),
        raw('{"choices": []}'),
        raw('{"choices": [{}]}'),
        raw('{"choices": [{"message": 7}]}'),
        raw("<html>Sign in</html>", "text/html"),
        raw(""),
    ],
)
def test_an_answer_that_is_none_is_a_failure_in_words(serve: Serve, reply: Reply) -> None:
    model, server = serve([reply])
    words = asked(ModelFailed, lambda: model.answer(HELLO))
    assert "cannot be understood" in words
    assert "Sign in" not in words
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        raw("data: {\n\n", "text/event-stream"),
        raw("data: [DONE]\n\n", "text/event-stream"),
        raw("", "text/event-stream"),
        raw("data: 7\n\n", "text/event-stream"),
        raw('data: {"error": {"message": "out of memory at 0x7f"}}\n\n', "text/event-stream"),
    ],
)
def test_a_stream_that_is_none_is_a_failure_in_words(serve: Serve, reply: Reply) -> None:
    model, _ = serve([reply] * 3)
    words = asked(ModelFailed, lambda: model.answer(HELLO, on_token=lambda _: None))
    assert "0x7f" not in words


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_stream_that_breaks_off_is_not_an_answer(serve: Serve, cleanly: bool) -> None:
    """What was told of it is told already, so it is not asked again."""
    model, server = serve([text("one two three").but(ends_after=3, cleanly=cleanly)])
    tokens: list[str] = []
    words = asked(ModelFailed, lambda: model.answer(HELLO, on_token=tokens.append))
    assert "broke off in the middle" in words
    assert tokens == ["one", " two"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_stream_that_breaks_off_before_any_text_is_asked_for_again(serve: Serve, cleanly: bool) -> None:
    half = calls(Call("add", {"a": 1000, "b": 1})).but(ends_after=3, cleanly=cleanly)
    model, _ = serve([half, calls(Call("add", {"a": 1, "b": 1}))])
    assert model.answer(HELLO, [ADD], on_token=lambda _: None).tool_calls[0]["args"] == {"a": 1, "b": 1}


def test_a_wrong_key_is_said_and_not_shown(serve: Serve) -> None:
    wrong = "sk-wrong-0123456789abcdef"
    model, server = serve([], key=wrong)
    words = asked(ModelUnavailable, lambda: model.answer(HELLO))
    assert "CADENCE_OPENAI_API_KEY" in words
    assert "401" in words
    assert wrong not in words
    assert len(server.requests) == 1


def test_a_server_that_wants_no_key_is_asked_without_one() -> None:
    with OpenAIServer([text("5")], key=None) as server:
        assert Models(settings_for(server)).model().answer(HELLO).text == "5"
        assert server.requests[0].headers["authorization"] == "Bearer none"


def test_a_model_that_is_not_there_is_said(serve: Serve) -> None:
    model, _ = serve([failure(404, "The model does not exist", "model_not_found")])
    words = asked(ModelUnavailable, lambda: model.answer(HELLO))
    assert "no model test-model" in words
    assert "CADENCE_LLM" in words


def test_a_server_that_is_not_there_is_said() -> None:
    with OpenAIServer([]) as server:
        settings = settings_for(server, openai_api_key=KEY, llm_retries=0)
    words = asked(ModelUnavailable, lambda: Models(settings).model().answer(HELLO))
    assert "cannot be reached" in words


def test_an_answer_that_was_withheld_is_said(serve: Serve) -> None:
    model, _ = serve([text("").but(finish="content_filter")])
    assert "withheld" in asked(ModelFailed, lambda: model.answer(HELLO))


def test_an_answer_that_was_cut_before_it_began_is_said(serve: Serve) -> None:
    model, _ = serve([text("").but(finish="length")])
    assert "max_tokens" in asked(ModelFailed, lambda: model.answer(HELLO))


def test_a_turn_that_is_stopped_asks_nobody(serve: Serve) -> None:
    model, server = serve([text("5")])
    stopped = threading.Event()
    stopped.set()
    asked(TurnStopped, lambda: model.answer(HELLO, cancelled=stopped))
    assert server.requests == []


def test_a_stream_that_is_stopped_ends_at_once(serve: Serve) -> None:
    held = text("one two three").but(holds_after=2)
    model, _ = serve([held])
    stopped = threading.Event()
    tokens: list[str] = []

    def hear(token: str) -> None:
        tokens.append(token)
        stopped.set()

    asked(TurnStopped, lambda: model.answer(HELLO, on_token=hear, cancelled=stopped))
    assert tokens == ["one"]
    assert not held.go.is_set()


def test_an_answer_that_is_waited_for_can_be_stopped(serve: Serve) -> None:
    stopped = threading.Event()

    def never(_: dict[str, Any]) -> Reply:
        stopped.set()
        return text("5").but(holds_after=0)

    model, _ = serve(never)
    asked(TurnStopped, lambda: model.answer(HELLO, cancelled=stopped))


def test_the_wait_before_it_is_asked_again_can_be_stopped(serve: Serve) -> None:
    stopped = threading.Event()

    def busy(_: dict[str, Any]) -> Reply:
        threading.Timer(0.1, stopped.set).start()
        return failure(429, retry_after="50")

    model, server = serve(busy)
    asked(TurnStopped, lambda: model.answer(HELLO, cancelled=stopped))
    assert len(server.requests) == 1


def test_what_the_listener_raises_is_not_the_models_failure(serve: Serve) -> None:
    model, _ = serve([text("one two")])

    def hear(_: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.answer(HELLO, on_token=hear)


def test_eight_threads_ask_at_once_and_each_has_its_own_answer(serve: Serve) -> None:
    here = threading.Barrier(8)

    def echo(request: dict[str, Any]) -> Reply:
        return text(request["messages"][-1]["content"])

    model, server = serve(echo)

    def ask(number: int) -> tuple[str, str]:
        here.wait()
        tokens: list[str] = []
        answer = model.answer([HumanMessage(f"I am {number}")], on_token=tokens.append if number % 2 else None)
        return str(answer.text), "".join(tokens) or str(answer.text)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert answers == [(f"I am {number}", f"I am {number}") for number in range(8)]
    assert len(server.requests) == 8


def test_the_waits_grow_and_differ_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("cadence.chat.models.wait", lambda seconds, _: waited.append(seconds))
    for chance in (0.0, 1.0):
        with OpenAIServer([failure(500)] * 6) as server:
            model = impatient(settings_for(server, openai_api_key=KEY, llm_retries=5), chance)
            asked(ModelFailed, lambda model=model: model.answer(HELLO))
    assert waited == [0.25, 0.5, 1.0, 2.0, 4.0, 0.5, 1.0, 2.0, 4.0, 8.0]


def test_the_temperature_and_the_longest_answer_of_a_plugin_are_told() -> None:
    with OpenAIServer([text("5")]) as server:
        models = Models(settings_for(server, openai_api_key=KEY))
        models.model({"provider": "openai", "model": "gpt-4.1", "temperature": 0.5, "max_tokens": 77}).answer(HELLO)
    (request,) = server.requests
    assert request.json["model"] == "test-model"
    assert (request.json["temperature"], request.json["max_tokens"]) == (0.5, 77)


def test_one_client_serves_all_who_ask_for_the_same() -> None:
    models = Models(Settings(llm="openai:x", openai_api_key=KEY))
    first = models._client(models.model()._choice)
    assert models._client(models.model({"temperature": 5})._choice) is first
    for number in range(100):
        models._client(models.model({"max_tokens": 1 + number})._choice)
    assert len(models._clients) <= 32


def test_a_client_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.chat.providers.find_spec", lambda name: None)
    model = Models(Settings(llm="groq:llama", groq_api_key=KEY)).model()
    words = asked(ModelUnavailable, lambda: model.answer(HELLO))
    assert "pip install 'cadence[groq]'" in words


def test_a_client_that_cannot_be_set_up_does_not_tell_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: Any) -> None:
        raise ValueError(f"input_value={options}")

    monkeypatch.setattr("langchain.chat_models.init_chat_model", refuse)
    model = Models(Settings(llm="openai:x", openai_api_key=KEY)).model()
    assert "cannot be set up (ValueError)" in asked(ModelUnavailable, lambda: model.answer(HELLO))


class Follower(BaseChatModel):
    """Stands for the offline model: it calls the first tool that it is offered, or repeats what it is told."""

    tool: str = ""

    @property
    def _llm_type(self) -> str:
        return "follower"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return Follower(tool=tools[0]["function"]["name"])

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        wanted: Any = [{"type": "tool_call", "id": None, "name": self.tool, "args": {}}] if self.tool else []
        answer = AIMessage(messages[-1].text, tool_calls=wanted)
        return ChatResult(generations=[ChatGeneration(message=answer)])


def test_the_offline_model_is_asked_without_a_thread_and_by_the_names_of_the_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cadence.chat.models._offline", Follower)
    monkeypatch.setattr("cadence.chat.models.Request", None)
    model = Models(Settings()).model({"provider": "openai", "model": "gpt-4.1"})
    tokens: list[str] = []
    assert model.name == "offline"
    assert model.answer(HELLO, on_token=tokens.append).text == "2 and 3?"
    assert tokens == ["2 and 3?"]
    (call,) = model.answer(HELLO, [{**ADD, "name": "goto_" + "x" * 80}]).tool_calls
    assert call["name"] == "goto_" + "x" * 80
    assert call["id"]


def test_langchain_is_not_loaded_before_a_model_is_asked() -> None:
    code = (
        "import sys; from cadence.chat.models import Models; from cadence.config import Settings;"
        " Models(Settings()).model({'provider': 'openai'}); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {name for name in loaded if name.startswith(("langchain", "langgraph", "langsmith", "openai"))}


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A tracing service that the environment names, as it may for other programs."""
    from langsmith.utils import get_env_var

    forget: Any = get_env_var  # it remembers what it read
    with OpenAIServer(lambda _: raw("{}"), key=None) as server:
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_x")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", server.url)
        forget.cache_clear()
        yield server
    forget.cache_clear()


@pytest.mark.usefixtures("tracer")
@pytest.mark.parametrize(("wanted", "traced"), [(False, False), (True, True)])
def test_conversations_are_traced_only_where_the_operator_wants_it(wanted: bool, traced: bool) -> None:
    from langsmith.utils import tracing_is_enabled

    models = Models(Settings(llm_tracing=wanted))
    with models.tracing():
        assert bool(tracing_is_enabled()) is traced


@pytest.mark.usefixtures("tracer")
def test_a_model_that_is_asked_has_no_tracer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain_core.tracers.langchain import LangChainTracer

    def traced(*_: object, **__: object) -> None:
        pytest.fail("The conversation was traced.")

    monkeypatch.setattr(LangChainTracer, "on_chat_model_start", traced)
    monkeypatch.setattr(LangChainTracer, "__init__", traced)
    model, _ = serve([text("5"), text("5")])
    assert model.answer(HELLO).text == model.answer(HELLO, on_token=lambda _: None).text == "5"
