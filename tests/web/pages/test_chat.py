"""The pages of conversations as a client without a browser sees them."""

import html
import itertools
import re
import threading

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.chat.stream import EventStream
from cadence.chat.values import (
    AgentEnded,
    AgentStarted,
    Broken,
    Event,
    Question,
    Started,
    Token,
    ToolEnded,
    ToolStarted,
)
from cadence.errors import InvalidRequest, NotFound, ThreadBusy, TooManyTurns
from cadence.model import ToolSpec
from cadence.web import events as web_events
from cadence.web.events import sent
from cadence.web.pages.chat import SHOWN_TURNS
from cadence.web.pages.chat_stream import LISTED_THREADS
from cadence.web.pages.chat_suggestions import MOST_SUGGESTIONS, suggestion, suggestions
from cadence.web.pages.chat_views import MOST_CHARACTERS, pretty, step_keys
from tests.web.pages.preview import MadeUpServices, plugin
from tests.web.pages.preview_chat import called, graph, step, thread_record, turn_record

HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def token(client: FlaskClient, path: str = "/chat") -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(path).text)
    assert found
    return found.group(1)


def ask(client: FlaskClient, message: str = "add 2 and 3", path: str = "/chat", **fields: object) -> TestResponse:
    return client.post(path, data={"csrf_token": token(client), "message": message} | fields)


def stream(client: FlaskClient, message: str = "add 2 and 3", **fields: object) -> TestResponse:
    data = {"csrf_token": token(client), "message": message} | fields
    return client.post("/chat/stream", data=data, headers=HTMX)


def events(answer: TestResponse) -> list[tuple[str, str]]:
    """The names and data of the events of a stream, read as the standard says."""
    assert answer.mimetype == "text/event-stream"
    found = []
    for block in answer.text.split("\n\n")[:-1]:
        name, *lines = block.split("\n")
        assert name.startswith("event: ")
        assert all(line.startswith("data: ") for line in lines)
        found.append((name.removeprefix("event: "), "\n".join(line.removeprefix("data: ") for line in lines)))
    return found


def data(answer: TestResponse, name: str) -> list[str]:
    return [fragment for event, fragment in events(answer) if event == name]


# A new conversation


def test_a_new_conversation_says_who_answers_and_what_could_be_asked(
    client: FlaskClient, services: MadeUpServices
) -> None:
    numbers = {"properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
    services.installed[:] = [plugin(tools=(ToolSpec("add", "Add.", numbers),))]
    page = client.get("/chat").text
    assert "1 plugin may answer" in page
    assert "<code>offline</code>" in page
    assert 'name="message" value="add 2 and 3"' in page
    assert 'value="/tools"' in page
    assert '<link rel="stylesheet" href="/static/chat.css">' in page


def test_the_model_that_answers_is_named(client: FlaskClient, services: MadeUpServices) -> None:
    services.model_name = "openai:gpt-4.1"
    page = client.get("/chat").text
    assert "<code>openai:gpt-4.1</code>" in page
    assert "rule-based" not in page


def test_where_no_plugin_can_answer_the_way_to_one_is_shown(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed.clear()
    page = client.get("/chat").text
    assert "No plugin can answer now" in page
    assert '<a class="button" href="/plugins">Upload a plugin</a>' in page


def test_chat_is_an_area_and_the_page_of_each_plugin_leads_to_it(client: FlaskClient) -> None:
    assert re.search(r'<a href="/chat" aria-current="page">', client.get("/chat").text)
    assert 'href="/chat?plugin=math_plugin"' in client.get("/plugins/math_plugin").text


def test_a_plugin_that_is_disabled_is_not_to_be_tried(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(status="disabled", disabled=True)]
    for path in ("/plugins", "/plugins/math_plugin"):
        assert "Try in chat" not in client.get(path).text
    assert "No plugin can answer now" in client.get("/chat").text


def test_a_conversation_is_limited_to_plugins_by_its_address(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed.append(plugin("other"))
    page = client.get("/chat?plugin=math_plugin&plugin=other").text
    assert 'value="math_plugin" checked' in page
    assert 'href="/chat?plugin=other" data-drop="math_plugin"' in page
    assert "math_plugin, other may answer" in page
    assert 'href="/chat?plugin=" data-drop="other"' in client.get("/chat?plugin=other").text


def test_a_plugin_that_is_asked_for_and_gone_is_told(client: FlaskClient) -> None:
    page = client.get("/chat?plugin=gone_plugin").text
    assert "is not installed" in page
    assert 'value="gone_plugin" checked' in page


def test_the_name_of_a_plugin_in_an_address_is_never_markup(client: FlaskClient) -> None:
    page = client.get("/chat", query_string={"plugin": HOSTILE}).text
    assert "<script>alert" not in page
    assert "<img" not in page


# Asking with a form


def test_a_form_asks_and_leads_to_the_turn(client: FlaskClient, services: MadeUpServices) -> None:
    answer = ask(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/chat/t1#turn-1")
    assert services.questions == [Question("add 2 and 3")]
    page = client.get("/chat/t1").text
    assert "2 plus 3 is 5." in page
    assert 'data-state="answered"' in page


def test_a_form_asks_in_the_thread_of_its_address(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record())
    answer = ask(client, "and 4?", "/chat/t1", plugin=["math_plugin", "math_plugin"])
    assert answer.headers["Location"] == "/chat/t1#turn-2"
    assert services.questions == [Question("and 4?", "t1", ("math_plugin",))]


def test_lines_of_a_message_end_as_everywhere(client: FlaskClient, services: MadeUpServices) -> None:
    ask(client, " one\r\ntwo\r\n")
    assert services.questions[0].message == "one\ntwo"
    assert 'dir="auto">one\ntwo</div>' in client.get("/chat/t1").text


def test_a_turn_that_fails_leads_to_its_thread_as_well(client: FlaskClient, services: MadeUpServices) -> None:
    services.play = [Broken(502, "Model failed", "The provider answered with error 500.")]
    assert ask(client).headers["Location"] == "/chat/t1#turn-1"
    page = client.get("/chat/t1").text
    assert "<strong>No answer.</strong> The provider answered with error 500." in page
    assert "Try again" in page


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (ThreadBusy("It still answers."), "Conversation is busy"),
        (InvalidRequest("The message is too long."), "The message is too long."),
        (NotFound("There is no plugin 'x'."), "There is no plugin &#39;x&#39;."),
    ],
)
def test_what_cannot_be_asked_stays_in_the_form(
    client: FlaskClient, services: MadeUpServices, refusal: InvalidRequest, words: str
) -> None:
    services.refusals = [refusal]
    answer = ask(client, f"keep {HOSTILE}", plugin="math_plugin")
    assert answer.status_code == refusal.status
    assert words in answer.text
    assert f"keep {html.escape(HOSTILE)}</textarea>" in answer.text
    assert 'value="math_plugin" checked' in answer.text


def test_when_to_come_back_is_said(client: FlaskClient, services: MadeUpServices) -> None:
    services.refusals = [TooManyTurns("8 conversations answer."), TooManyTurns("8 conversations answer.")]
    for answer in (ask(client), stream(client)):
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
        assert "8 conversations answer." in answer.text


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
def test_nothing_is_asked_without_a_message(client: FlaskClient, services: MadeUpServices, path: str) -> None:
    answer = ask(client, "  ", path)
    assert answer.status_code == 400
    assert "Write a message first." in answer.text
    assert services.questions == []


@pytest.mark.parametrize("path", ["/chat", "/chat/t1", "/chat/stream", "/chat/t1/stop", "/chat/t1/delete"])
def test_a_request_without_the_token_of_a_page_does_nothing(
    client: FlaskClient, services: MadeUpServices, path: str
) -> None:
    services.keep(thread_record(), turn_record())
    assert client.post(path, data={"message": "add"}).status_code == 403
    assert services.questions == []
    assert not services.stopped.is_set()
    assert "t1" in services.chats


# A thread


def test_a_thread_that_is_not_there_is_not_found(client: FlaskClient) -> None:
    for path in ("/chat/nothing", "/chat/nothing/delete", "/chat/nothing/turns/1/x"):
        assert client.get(path).status_code == 404


def test_a_step_shows_version_tool_time_arguments_and_result(client: FlaskClient, services: MadeUpServices) -> None:
    result = {"rows": [1, 2], "name": "Zoë"}
    services.keep(thread_record(), turn_record(steps=(step(result=result),)))
    page = client.get("/chat/t1").text
    words = re.sub(r"<[^>]+>", "", page)
    assert "math_plugin 1.0.0 · add · 12 ms" in words
    assert '{\n  "a": 2,\n  "b": 3\n}' in words.replace("&#34;", '"')
    assert '"name": "Zoë"' in words.replace("&#34;", '"')
    assert "offline · math_plugin 1.0.0 · 240 ms" in words


def test_a_step_that_failed_says_so_in_words(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record(steps=(step(result=None, error="Division by zero has no result"),)))
    page = client.get("/chat/t1").text
    assert 'data-kind="failed">Failed</span>' in page
    assert "Division by zero has no result" in page


def test_a_step_of_a_plugin_that_is_gone_says_so(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record(notices=("old_plugin is gone.",), steps=(step(agent="old_plugin"),)))
    page = client.get("/chat/t1").text
    assert "Not installed any more" in page
    assert "old_plugin is gone." in page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("failed", "<strong>No answer.</strong> Because."),
        ("stopped", "<strong>Stopped.</strong> Because."),
        ("interrupted", "<strong>Interrupted.</strong> Because."),
    ],
)
def test_a_turn_without_an_answer_says_why_and_can_be_tried_again(
    client: FlaskClient, services: MadeUpServices, state: str, words: str
) -> None:
    services.keep(thread_record(), turn_record(state=state, response="As far", error="Because.", plugins=("a", "b")))
    page = client.get("/chat/t1").text
    assert words in page
    assert "As far" in page
    again = page[page.index('class="turn-again"') :]
    assert 'action="/chat/t1"' in page
    assert '<input type="hidden" name="message" value="add 2 and 3">' in again
    assert '<input type="hidden" name="plugin" value="b">' in again
    assert "Try again" in again


def test_only_the_last_turn_can_be_asked_again(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record(state="failed"), turn_record(2))
    page = client.get("/chat/t1").text
    assert page.count('class="turn-again"') == 1
    assert "Ask again" in page


def test_of_a_long_conversation_the_last_turns_are_shown_until_all_are_wanted(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.keep(thread_record(), *(turn_record(number) for number in range(1, SHOWN_TURNS + 3)))
    page = client.get("/chat/t1").text
    assert page.count("<article") == SHOWN_TURNS
    assert "Show the 2 earlier turns too" in page
    assert client.get("/chat/t1?turns=all").text.count("<article") == SHOWN_TURNS + 2


def test_a_limit_is_told(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record(limit="The turn handed over 25 times."))
    assert "<strong>Limit reached.</strong> The turn handed over 25 times." in client.get("/chat/t1").text


def test_the_plugins_of_the_turn_before_stay_chosen_until_all_are_wanted(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.keep(thread_record(), turn_record(plugins=("math_plugin",)))
    assert 'value="math_plugin" checked' in client.get("/chat/t1").text
    assert 'href="/chat/t1?plugin=" data-drop="math_plugin"' in client.get("/chat/t1").text
    assert " checked" not in client.get("/chat/t1?plugin=").text


def test_nothing_of_a_conversation_is_ever_markup(client: FlaskClient, services: MadeUpServices) -> None:
    hostile = step(HOSTILE, id=HOSTILE, agent=HOSTILE, args={HOSTILE: HOSTILE}, result=HOSTILE, plugin_version=HOSTILE)
    failed = step(error=HOSTILE)
    services.keep(
        thread_record(title=HOSTILE),
        turn_record(1, HOSTILE, response=HOSTILE, steps=(hostile, failed), model=HOSTILE, limit=HOSTILE),
        turn_record(2, HOSTILE, state="failed", error=HOSTILE, notices=(HOSTILE,), plugins=(HOSTILE,)),
    )
    services.play = [
        AgentStarted(HOSTILE, HOSTILE, HOSTILE),
        *called(hostile),
        AgentEnded(HOSTILE, error=HOSTILE),
        Token(HOSTILE),
        Broken(502, HOSTILE, HOSTILE),
    ]
    services.drawn = graph(HOSTILE)
    texts = [client.get(path).text for path in ("/chat", "/chat/t1", "/chat/t1/delete", "/system/graph")]
    for text in [*texts, stream(client, HOSTILE, thread_id="t1").text]:
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "alert(1)" in text


# A turn that runs in another page


def test_a_turn_that_runs_asks_for_itself_until_it_is_over(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(state="running"), turn_record(state="running", response=""))
    page = client.get("/chat/t1").text
    assert 'hx-get="/chat/t1/turns/1" hx-trigger="every 2s"' in page
    assert 'action="/chat/t1/stop"' in page
    first = client.get("/chat/t1/turns/1", headers=HTMX)
    again = client.get("/chat/t1/turns/1", headers=HTMX | {"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    services.keep(thread_record(), turn_record())
    over = client.get("/chat/t1/turns/1", headers=HTMX | {"If-None-Match": first.headers["ETag"]})
    assert "hx-trigger" not in over.text
    assert over.headers["HX-Trigger"] == "threads-changed"
    assert "2 plus 3 is 5." in over.text


def test_a_turn_of_a_thread_that_goes_stops_asking(client: FlaskClient) -> None:
    answer = client.get("/chat/t1/turns/1", headers=HTMX)
    assert answer.status_code == 286
    assert "deleted" in answer.text


def test_a_turn_is_stopped(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record(state="running"))
    fields = {"csrf_token": token(client)}
    assert client.post("/chat/t1/stop", data=fields, headers=HTMX).status_code == 204
    assert services.stopped.is_set()
    assert client.post("/chat/t1/stop", data=fields).headers["Location"] == "/chat/t1"


# The stream


def test_a_stream_has_the_turn_piece_by_piece(client: FlaskClient) -> None:
    answer = stream(client)
    names = [name for name, _ in events(answer)]
    assert names == [
        "head",
        "threads",
        "turn",
        "doing",
        "step",
        "step",
        "doing",
        "doing",
        "token",
        "token",
        "end",
        "threads",
    ]
    assert answer.headers["Cache-Control"] == "no-store"
    running, ended = data(answer, "step")
    assert 'data-kind="running"' in running
    assert 'data-kind="done"' in ended
    ids = [re.findall(r'<li id="([^"]+)"', fragment) for fragment in (running, ended, *data(answer, "end"))]
    assert ids[0] == ids[1] == ids[2]
    assert "".join(data(answer, "token")) == "2 plus 3 is 5."
    assert 'data-url="/chat/t1"' in data(answer, "head")[0]
    assert 'aria-current="page"' in data(answer, "threads")[0]


def test_what_is_streamed_is_what_the_page_shows(client: FlaskClient) -> None:
    streamed = data(stream(client), "end")[0]
    page = client.get("/chat/t1").text
    shown = page[page.index('<article id="turn-1"') : page.index("</article>") + len("</article>")]

    def bare(fragment: str) -> str:
        return re.sub(r'value="[^"]{40,}"|<time.*?</time>|\s+', "", fragment)

    assert bare(streamed[streamed.index("<article") :]) == bare(shown)


def test_a_stream_goes_on_in_its_thread(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record())
    answer = stream(client, "and 4?", thread_id="t1", plugin="math_plugin")
    assert 'id="turn-2"' in data(answer, "turn")[0]
    assert services.questions == [Question("and 4?", "t1", ("math_plugin",))]


def test_calls_at_once_end_in_any_order_and_may_have_the_same_id(client: FlaskClient, services: MadeUpServices) -> None:
    one, two = step("add", id="same"), step("multiply", id="same", args={}, result=6)
    begun = [ToolStarted(call.id, call.agent, call.tool, call.args) for call in (one, two)]
    services.play = [*begun, ToolEnded(one), ToolEnded(two), ToolEnded(step("more", id="not begun"))]
    ids = [re.findall(r'<li id="([^"]+)"', fragment)[0] for fragment in data(stream(client), "step")]
    assert ids[0] == ids[2]
    assert ids[1] == ids[3]
    assert len(set(ids)) == 3


def test_a_broken_turn_ends_as_it_was_kept(client: FlaskClient, services: MadeUpServices) -> None:
    services.play = [*called(step()), Token("As far as"), Broken(502, "Model failed", "It broke.")]
    end = data(stream(client), "end")[0]
    assert 'data-state="failed"' in end
    assert "As far as" in end
    assert "It broke." in end


def test_a_broken_turn_whose_thread_was_deleted_is_told_all_the_same(
    client: FlaskClient, services: MadeUpServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deleted(EventStream):
        def wait(self, seconds: float | None) -> Event | None:
            event = super().wait(seconds)
            if isinstance(event, Broken):
                services.delete_thread("t9")
                services.keep(thread_record("t1"))
            return event

    def stream_of(_: Question) -> EventStream:
        services.keep(thread_record("t9"))
        events = Deleted(threading.Event())
        events.put(Started("t9", 1))
        events.put(Broken(409, "Stopped", ["The conversation", "was deleted."], "t9"))
        return events

    monkeypatch.setattr(services, "stream", stream_of)
    end = data(stream(client), "end")[0]
    assert 'data-state="stopped"' in end
    assert "The conversation was deleted." in end


def test_a_refusal_of_a_stream_is_a_fragment_with_its_status(client: FlaskClient, services: MadeUpServices) -> None:
    services.refusals = [ThreadBusy("It still answers.")]
    answer = stream(client)
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert answer.text.lstrip().startswith('<div class="reason')
    assert "<html" not in answer.text


def test_it_is_noticed_that_nobody_listens_while_nothing_happens(
    client: FlaskClient, services: MadeUpServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_events, "BEAT_SECONDS", 0.01)
    services.play = [threading.Event()]
    answer = client.post("/chat/stream", data={"csrf_token": token(client), "message": "add"}, headers=HTMX)
    chunks = iter(answer.response)
    assert web_events.BEAT in itertools.islice(chunks, 20)
    answer.close()
    assert services.stopped.is_set()


def test_whoever_goes_away_stops_the_turn(client: FlaskClient, services: MadeUpServices) -> None:
    fields = {"csrf_token": token(client), "message": "add"}
    answer = client.post("/chat/stream", data=fields, headers=HTMX, buffered=False)
    first = next(iter(answer.response))
    assert isinstance(first, bytes)
    assert first.startswith(b"event: head\n")
    assert not services.stopped.is_set()
    answer.close()
    assert services.stopped.is_set()


def test_data_can_neither_end_nor_begin_an_event() -> None:
    assert sent("token", "a\n\nevent: end\rb\r\nc") == (
        b"event: token\ndata: a\ndata: \ndata: event: end\ndata: b\ndata: c\n\n"
    )
    assert sent("token", "half \ud83d") == b"event: token\ndata: half ?\n\n"


# Threads


def test_threads_are_listed_and_the_current_one_is_marked(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record("t1", "First"), turn_record())
    services.keep(thread_record("t2", "Second", state="running"), turn_record())
    page = client.get("/chat/t1").text
    assert page.index('href="/chat/t2"') < page.index('href="/chat/t1" aria-current="page"')
    assert "Answering · " in page
    assert "First · Cadence</title>" in page


def test_threads_beyond_a_page_are_reached(client: FlaskClient, services: MadeUpServices) -> None:
    for number in range(LISTED_THREADS + 2):
        services.keep(thread_record(f"t{number}", f"Title {number}"), turn_record())
    page = client.get("/chat").text
    assert page.count('<li class="thread">') == LISTED_THREADS
    assert 'href="/chat?after=t2">Older' in page
    older = client.get("/chat?after=t2").text
    assert re.findall(r'class="thread-title" dir="auto">(.*?)<', older) == ["Title 1", "Title 0"]
    assert ">Newest</a>" in older
    assert "Older" not in older


def test_the_list_comes_alone_for_htmx_with_the_current_one_of_its_page(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.keep(thread_record(), turn_record())
    headers = HTMX | {"HX-Current-URL": "http://localhost/chat/t1?x=1#turn-1"}
    part = client.get("/chat/threads", headers=headers).text
    assert "<html" not in part
    assert 'href="/chat/t1" aria-current="page"' in part
    assert client.get("/chat/threads").headers["Location"] == "/chat"


def test_a_deletion_asks_first(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(title="Old <b>news</b>"), turn_record(), turn_record(2))
    for headers in ({}, HTMX):
        asked = client.get("/chat/t1/delete", headers=headers).text
        assert "Delete this conversation?" in asked
        assert "Old &lt;b&gt;news&lt;/b&gt;" in asked
        assert "Its 2 turns are destroyed for good." in asked
    assert "t1" in services.chats


def test_a_thread_is_deleted_with_a_form(client: FlaskClient, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record())
    answer = client.post("/chat/t1/delete", data={"csrf_token": token(client)})
    assert answer.headers["Location"] == "/chat"
    assert services.chats == {}
    assert "The conversation was deleted." in client.get("/chat").text


def test_a_thread_beside_the_one_shown_is_deleted_and_that_one_stays(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.keep(thread_record("t1"), turn_record())
    services.keep(thread_record("t2"), turn_record())
    fields = {"csrf_token": token(client)}
    headers = HTMX | {"HX-Current-URL": "http://localhost/chat/t2"}
    answer = client.post("/chat/t1/delete", data=fields, headers=headers)
    assert '"threads-changed"' in answer.headers["HX-Trigger"]
    assert "The conversation was deleted." in answer.text
    assert client.post("/chat/t2/delete", data=fields, headers=headers).headers["HX-Redirect"] == "/chat"


# Words


def schema(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (schema(), "my tool"),
        (schema(a={"type": "number"}), "my tool 2"),
        (schema(a={"type": "integer"}, b={"type": "number"}, c={"type": "number"}), "my tool 2, 3 and 5"),
        (schema(values={"type": "array", "items": {"type": "number"}}), "my tool [3, 1, 2]"),
        (schema(text={"type": "string"}), 'my tool "hello"'),
        (schema(unit={"type": "string", "enum": ["km", "mi"]}, a={"type": "number"}), "my tool km and 3"),
        (schema(data={"type": "object"}), None),
        (schema(data={"$ref": "#/x"}), None),
        ({"properties": {"a": {"type": "number"}}}, "my tool"),
        ({"properties": 7, "required": []}, None),
        ({"properties": {}, "required": "abc"}, None),
        ({"properties": {}, "required": ["a"]}, None),
        ({"properties": {}, "required": [["a"]]}, None),
        ({"properties": {"a": {"type": ["x"]}}, "required": ["a"]}, None),
        ({}, "my tool"),
    ],
)
def test_a_suggestion_is_made_from_a_schema_whatever_it_is(parameters: dict[str, object], words: str | None) -> None:
    assert suggestion(ToolSpec("my_tool", "", parameters)) == words


def test_suggestions_are_of_each_plugin_in_turn_and_few() -> None:
    one = plugin("one", tools=tuple(ToolSpec(f"a{n}", "", {}) for n in range(9)))
    two = plugin("two", tools=(ToolSpec("b0", "", {}), ToolSpec("b" * 200, "", {})))
    failed = plugin("three", "failed", tools=(ToolSpec("c0", "", {}),))
    assert suggestions([one, two, failed]) == ["a0", "b0", "a1", "a2"]
    assert len(suggestions([one])) == MOST_SUGGESTIONS
    assert suggestions([]) == []


def test_values_are_shown_as_they_are_read_best() -> None:
    assert pretty({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'
    assert pretty("one line") == '"one line"'
    assert pretty("two\nlines") == "two\nlines"
    assert pretty("\ud800") == '"?"'
    long = pretty("x" * (MOST_CHARACTERS + 10))
    assert len(long) < MOST_CHARACTERS + 100
    assert long.endswith("more characters")


def test_the_ids_of_elements_are_of_the_turn_and_never_the_same() -> None:
    keys = step_keys(3, ["call_1", "call_2", "call_1", HOSTILE])
    assert len(set(keys)) == 4
    assert all(re.fullmatch(r"turn-3-step-[0-9a-f]{10}(-2)?", key) for key in keys)
    assert step_keys(3, ["call_1"])[0] == keys[0]
