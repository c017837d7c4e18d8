"""``/chat`` and ``/threads``: conversations, answered at once or as server-sent events."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from flask import Response, request
from msgspec import Struct, json, structs, to_builtins

from cadence.chat.stream import EventStream
from cadence.chat.values import Answer, Event, Final, Question, Step, ThreadRecord, ToolEnded, TurnRecord
from cadence.web.api.plugins import services
from cadence.web.api.replies import body_of, number, reply
from cadence.web.events import BEAT, MEDIA_TYPE, event_response, or_silence, sent
from cadence.web.services import parts

_MOST_THREADS = 200
_DEFAULT_THREADS = 50
#: A message of so many characters has at most so many bytes as JSON: each may be an escape of six, or a pair of them.
_BYTES_A_CHARACTER = 12
_BYTES_BESIDE = 16 * 1024

THREADS_QUERY: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_THREADS, "default": _DEFAULT_THREADS},
    "after": {"type": "string", "description": "The id of the last conversation that is known, for those behind it"},
}

EVENTS = (
    "The turn as it happens. Events: start, agent_start, tool_start, tool_end, agent_end, token, and at the end message"
    " (with the fields of the JSON answer) or error. Their data are JSON objects"
)


class ChatRequest(Struct, frozen=True):
    """What is asked: without ``thread_id`` in a new conversation, without ``plugins`` of all that are live."""

    message: str
    thread_id: str | None = None
    plugins: tuple[str, ...] | None = None
    tone: str | None = None


class ChatAnswer(Struct, frozen=True, kw_only=True):
    """The answer, and how it came about. ``ms`` is the whole turn, ``model_ms`` of it the time that models took."""

    success: Literal[True] = True
    response: str
    thread_id: str
    number: int
    steps: tuple[Step, ...]
    model: str
    limit: str | None
    notices: tuple[str, ...]
    ms: float
    model_ms: float


class ThreadList(Struct, frozen=True, kw_only=True):
    """Conversations, the one that changed last first."""

    success: Literal[True] = True
    threads: tuple[ThreadRecord, ...]


class ThreadAnswer(Struct, frozen=True, kw_only=True):
    """A conversation and its turns."""

    success: Literal[True] = True
    thread: ThreadRecord
    turns: tuple[TurnRecord, ...]


class ThreadDeleted(Struct, frozen=True, kw_only=True):
    """A conversation that was deleted."""

    success: Literal[True] = True
    message: str


class ThreadStopped(Struct, frozen=True, kw_only=True):
    """Whether a turn ran in the conversation, which was told to end."""

    success: Literal[True] = True
    stopped: bool


def chat() -> Response:
    """Ask, and answer at once, or as events where they are accepted."""
    most = parts().settings.max_chat_characters * _BYTES_A_CHARACTER + _BYTES_BESIDE
    asked = body_of(ChatRequest, "message, and optionally thread_id, plugins and tone", max_bytes=most)
    question = Question(asked.message, asked.thread_id, asked.plugins, asked.tone)
    if request.accept_mimetypes.best_match(("application/json", MEDIA_TYPE)) == MEDIA_TYPE:
        events = services().stream(question)
        return event_response(_told(events), events)
    return reply(answer_json(services().ask(question)))


def threads() -> Response:
    """List conversations."""
    after = request.args.get("after", "").strip() or None
    found = services().threads(number("limit", _DEFAULT_THREADS, _MOST_THREADS), after)
    return reply(ThreadList(threads=tuple(found)))


def thread(thread_id: str) -> Response:
    """Show one conversation."""
    record, turns = services().thread(thread_id)
    return reply(ThreadAnswer(thread=record, turns=tuple(turns)))


def delete_thread(thread_id: str) -> Response:
    """Delete one; a turn that runs in it is stopped."""
    services().delete_thread(thread_id)
    return reply(ThreadDeleted(message=f"Conversation {thread_id} was deleted."))


def stop_thread(thread_id: str) -> Response:
    """Stop the turn that runs in one."""
    return reply(ThreadStopped(stopped=services().stop(thread_id)))


def answer_json(answer: Answer) -> ChatAnswer:
    """The answer as the API has it."""
    return ChatAnswer(**structs.asdict(answer))


def _told(events: EventStream) -> Iterator[bytes]:
    for event in or_silence(events):
        yield BEAT if event is None else _event(event)


def _event(event: Event) -> bytes:
    tag = str(event.__struct_config__.tag)
    value: Any = event
    if isinstance(event, Final):
        value = answer_json(event.answer)
    elif isinstance(event, ToolEnded):
        value = event.step
    data = to_builtins(value)
    data.pop("event", None)
    return sent(tag, json.encode(data).decode())
