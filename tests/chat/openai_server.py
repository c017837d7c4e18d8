"""An OpenAI-compatible server on loopback, for tests: it plays what it is told, and keeps what it was asked.

    with OpenAIServer([calls(Call("add", {"a": 2, "b": 3})), text("It is 5.")]) as server:
        settings = Settings(llm="openai:test", llm_base_url=server.url, openai_api_key=server.key)
        ...
    assert server.requests[0].json["tools"]

In place of a list, it takes a function that is given the request (the JSON, as a dict) and gives the reply. It answers
``POST …/chat/completions``, in one piece or, with ``"stream": true``, as server-sent events; the arguments of a call
come in several of them.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_POLL_SECONDS = 0.01
KEY = "sk-test-Zq81mD4uWn7cTe20"


@dataclass(frozen=True)
class Call:
    """A call of a tool; ``arguments`` as text stand in the reply as they are, valid JSON or not."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    id: str | None = None

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Reply:
    """What is answered. ``body`` is sent as it is, in place of all else.

    ``ends_after`` is the number of events after which a stream ends, without a word; ``cleanly`` whether the connection
    is closed in good order then. ``holds_after`` is the number of events (0 for none, and where it does not stream)
    after which it waits for ``go``, or for the end of the server.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    status: int = 200
    body: str | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    ends_after: int | None = None
    cleanly: bool = False
    holds_after: int | None = None
    go: threading.Event = field(default_factory=threading.Event)

    def but(self, **changes: Any) -> "Reply":
        """The same with changes."""
        return replace(self, **changes)


def text(words: str) -> Reply:
    """A plain answer."""
    return Reply(text=words)


def calls(*wanted: Call, says: str = "") -> Reply:
    """An answer that calls tools."""
    return Reply(text=says, calls=wanted, finish="tool_calls")


def failure(status: int, message: str = "Something failed.", code: str | None = None, **headers: str) -> Reply:
    """A refusal as OpenAI words it; ``retry_after="1"`` is the header ``Retry-After``."""
    body = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}})
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status=status, body=body, headers=named)


def raw(body: str, content_type: str = "application/json") -> Reply:
    """An answer that is none."""
    return Reply(body=body, content_type=content_type)


@dataclass(frozen=True)
class Asked:
    """A request as it came; the names of headers in lower case."""

    path: str
    headers: dict[str, str]
    json: dict[str, Any]


Script = Sequence[Reply] | Callable[[dict[str, Any]], Reply]


class OpenAIServer:
    """The server; a context manager.

    :param script: replies in their order, or a function that makes them.
    :param key: the key it takes; others are refused with 401. None takes all.
    """

    def __init__(self, script: Script, key: str | None = KEY) -> None:
        self.key = key
        self.requests: list[Asked] = []
        self.ended = threading.Event()
        self._script = script
        self._given = 0
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # its end waits for all of them
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": _POLL_SECONDS})

    @property
    def url(self) -> str:
        """The base URL to configure."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "OpenAIServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, asked: Asked) -> Reply:
        """What is answered to a request, which is kept."""
        with self._guard:
            self.requests.append(asked)
            if self.key is not None and asked.headers.get("authorization") != f"Bearer {self.key}":
                sent = asked.headers.get("authorization", "").removeprefix("Bearer ")
                return failure(401, f"Incorrect API key provided: {sent}.", "invalid_api_key")
            if callable(self._script):
                return self._script(asked.json)
            self._given += 1
            if self._given > len(self._script):
                return failure(418, "The script of this test is over.")
            return self._script[self._given - 1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(_Handler):
            play = server

        return Handler


class _Handler(BaseHTTPRequestHandler):
    play: OpenAIServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, json.loads(sent))
        reply = self.play.reply(asked)
        # Who asked may have left, as may be what is tested.
        with contextlib.suppress(ConnectionError):
            if asked.json.get("stream") and reply.body is None:
                self._stream(reply, asked.json["model"])
            else:
                self._answer(reply, asked.json.get("model", ""))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, reply: Reply, model: str) -> None:
        if reply.holds_after is not None:
            self._hold(reply)
        body = (json.dumps(_completion(reply, model)) if reply.body is None else reply.body).encode()
        self._begin(reply, ("Content-Length", str(len(body))))
        self.wfile.write(body)

    def _stream(self, reply: Reply, model: str) -> None:
        self._begin(reply.but(content_type="text/event-stream"), ("Transfer-Encoding", "chunked"))
        for number, event in enumerate(_events(reply, model)):
            if number == reply.holds_after:
                self._hold(reply)
            if number == reply.ends_after:
                if reply.cleanly:
                    self._chunk("")
                return
            self._chunk(f"data: {event}\n\n")
        self._chunk("")

    def _begin(self, reply: Reply, length: tuple[str, str]) -> None:
        self.send_response(reply.status)
        for name, value in (("Content-Type", reply.content_type), *reply.headers, length, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _hold(self, reply: Reply) -> None:
        while not (reply.go.wait(_POLL_SECONDS) or self.play.ended.is_set()):
            pass


def _finish(reply: Reply) -> str:
    return reply.finish or "stop"


def _completion(reply: Reply, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.calls:
        message["tool_calls"] = [
            {"id": _id(call, index), "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for index, call in enumerate(reply.calls)
        ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(reply), "logprobs": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _events(reply: Reply, model: str) -> Iterator[str]:
    """The data of the events: the role, the text word by word, each call in pieces, why it ended, and the end."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in _words(reply.text)]
    for index, call in enumerate(reply.calls):
        deltas += [{"tool_calls": [{"index": index, **piece}]} for piece in _pieces(call, index)]
    for delta in deltas:
        yield json.dumps(_chunk_of(model, delta, None))
    yield json.dumps(_chunk_of(model, {}, _finish(reply)))
    yield "[DONE]"


def _chunk_of(model: str, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model}
    return {**common, "choices": [choice]}


def _words(words: str) -> list[str]:
    first, *rest = words.split(" ")
    return [first, *(f" {word}" for word in rest)] if words else []


def _pieces(call: Call, index: int) -> Iterator[dict[str, Any]]:
    name = {"name": call.name, "arguments": ""}
    yield {"id": _id(call, index), "type": "function", "function": name}
    third = max(1, len(call.text) // 3)
    for start in range(0, len(call.text), third):
        yield {"function": {"arguments": call.text[start : start + third]}}


def _id(call: Call, index: int) -> str:
    return call.id or f"call_{index}"
