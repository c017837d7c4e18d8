"""``/chat`` and ``/threads``: at once and as events, refusals in words, and every answer as the document has it."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from langchain_core.messages import AIMessage
from werkzeug.test import TestResponse

from cadence.chat.gate import Gate
from cadence.errors import CadenceError, ModelFailed, ModelTimedOut, ModelUnavailable
from cadence.parts import Parts
from cadence.web.pages.chat_services import ChatServices
from cadence.web.services import PluginServices
from tests.building import example_archive
from tests.chat.scripting import ScriptedModels
from tests.web.api.asking import refused, upload

ASKED = "what is 12 times 7, and add 5 to it"


@pytest.fixture
def math(client: FlaskClient) -> FlaskClient:
    assert upload(client, example_archive("math_plugin-1.0.0"), "math_plugin-1.0.0.zip").status_code == 201
    return client


def ask(client: FlaskClient, message: object, **more: object) -> TestResponse:
    return client.post("/api/v1/chat", json={"message": message, **more})


def events_of(response: TestResponse) -> list[tuple[str, dict[str, Any]]]:
    """What was sent: names and data."""
    assert response.status_code == 200, response.text
    assert response.mimetype == "text/event-stream"
    found = []
    for block in response.text.strip().split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_the_services_are_what_the_pages_need(parts: Parts) -> None:
    services: ChatServices = PluginServices(parts)
    assert services.model_name == "offline"


def test_a_question_is_answered_with_the_steps_that_led_there(math: FlaskClient) -> None:
    body = ask(math, ASKED).get_json()
    assert body["success"] is True
    assert "89" in body["response"]
    assert [(step["agent"], step["tool"], step["result"], step["plugin_version"]) for step in body["steps"]] == [
        ("math_plugin", "multiply", 84, "1.0.0"),
        ("math_plugin", "add", 89, "1.0.0"),
    ]
    assert (body["model"], body["number"], body["limit"], body["notices"]) == ("offline", 1, None, [])
    assert ask(math, "add 1 to it", thread_id=body["thread_id"]).get_json()["number"] == 2


def test_a_turn_can_be_followed_by_events(math: FlaskClient) -> None:
    answer = math.post("/api/v1/chat", json={"message": ASKED}, headers={"Accept": "text/event-stream"})
    names = [name for name, _ in events_of(answer)]
    assert names[:2] == ["start", "agent_start"]
    assert names.count("tool_start") == names.count("tool_end") == 2
    assert names[-1] == "message"
    data = dict(events_of(answer))
    assert data["start"]["thread_id"] == data["message"]["thread_id"]
    assert data["tool_end"]["result"] == 89
    assert data["message"]["success"] is True
    tokens = "".join(data["text"] for name, data in events_of(answer) if name == "token")
    assert tokens.strip() == data["message"]["response"].strip()
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_cannot_be_asked_is_refused_in_words_also_where_events_are_wanted(math: FlaskClient) -> None:
    assert refused(ask(math, ""), 400, "Invalid request") == "The message is empty."
    assert "thread_ids" in str(refused(ask(math, "Hi", thread_ids="x"), 400, "Invalid request"))
    assert "message" in str(refused(ask(math, 5), 400, "Invalid request"))
    assert "no plugin 'nobody'" in str(refused(ask(math, "Hi", plugins=["nobody"]), 404, "Not found"))
    events = {"Accept": "text/event-stream"}
    answer = math.post("/api/v1/chat", json={"message": "Hi", "thread_id": "nothing"}, headers=events)
    assert "no conversation 'nothing'" in str(refused(answer, 404, "Not found"))
    assert math.get("/api/v1/threads").get_json()["threads"] == []


def test_a_long_message_is_refused_by_its_characters_and_an_endless_one_by_its_bytes(math: FlaskClient) -> None:
    assert "32001 characters" in str(refused(ask(math, "ä" * 32_001), 400, "Invalid request"))
    assert ask(math, "x" * 1_000_000).status_code == 413


def test_too_many_turns_are_told_when_to_come_back(math: FlaskClient, parts: Parts) -> None:
    conversations = parts.serving.conversations
    conversations._gate = Gate(0, 0, 0.01)
    answer = ask(math, "add 2 and 3")
    refused(answer, 429, "Too many conversations")
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("failure", "status"),
    [(ModelFailed("It broke."), 502), (ModelUnavailable("No key."), 503), (ModelTimedOut("Late."), 504)],
)
def test_a_model_that_fails_is_told_by_status_or_event(
    math: FlaskClient, parts: Parts, failure: CadenceError, status: int
) -> None:
    def fail(*_: object) -> AIMessage:
        raise failure

    parts.serving.conversations.models = ScriptedModels(fail)  # type: ignore[assignment]
    assert refused(ask(math, "add 2 and 3"), status, failure.message) == failure.in_words
    answer = math.post("/api/v1/chat", json={"message": "Hi"}, headers={"Accept": "text/event-stream"})
    name, data = events_of(answer)[-1]
    assert (name, data["status"], data["message"], data["details"]) == (
        "error",
        status,
        failure.message,
        failure.in_words,
    )


def test_threads_are_listed_page_by_page_shown_and_deleted(math: FlaskClient) -> None:
    ids = [ask(math, f"add {number} and 1").get_json()["thread_id"] for number in range(3)]
    first = math.get("/api/v1/threads?limit=2").get_json()["threads"]
    assert [thread["id"] for thread in first] == [ids[2], ids[1]]
    rest = math.get(f"/api/v1/threads?limit=2&after={ids[1]}").get_json()["threads"]
    assert [thread["id"] for thread in rest] == [ids[0]]
    shown = math.get(f"/api/v1/threads/{ids[0]}").get_json()
    assert (shown["thread"]["title"], shown["turns"][0]["message"]) == ("add 0 and 1", "add 0 and 1")
    assert shown["turns"][0]["state"] == "answered"
    assert math.delete(f"/api/v1/threads/{ids[0]}").status_code == 200
    refused(math.get(f"/api/v1/threads/{ids[0]}"), 404, "Not found")
    refused(math.delete(f"/api/v1/threads/{ids[0]}"), 404, "Not found")
    refused(math.get("/api/v1/threads?after=nothing"), 400, "Invalid request")
    refused(math.get("/api/v1/threads?limit=0"), 400, "Invalid request")


def test_a_conversation_in_which_nothing_runs_cannot_be_stopped(math: FlaskClient) -> None:
    thread_id = ask(math, "/help").get_json()["thread_id"]
    assert math.post(f"/api/v1/threads/{thread_id}/stop").get_json() == {"success": True, "stopped": False}
    refused(math.post("/api/v1/threads/nothing/stop"), 404, "Not found")
