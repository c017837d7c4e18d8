"""The messages between server, zygote and workers, and how they lie in the byte stream.

A frame is a length (four bytes, big endian) and so many bytes of JSON. It is never pickle: the bytes come from a
process that runs untrusted code, and JSON decoded by ``msgspec`` into a fixed type can only be data.
"""

import socket
import time
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cadence_sdk._runtime.endpoint import Endpoint
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.report import ExampleResult, Fault, HealthReport, Layer, Requests, TrialReport

HEADER_BYTES = 4
#: How deep the JSON of a message may be nested. Decoding and encoding recurse, and each side has some of the
#: interpreter's thousand levels in use already.
MAX_NESTING = 400
_CHUNK_BYTES = 65536


class ProtocolError(Exception):
    """The other side sent bytes that are no message; the words say what they were instead."""


class WorkerSpec(Struct, frozen=True):
    """What a new worker is to load, and with what: the first frame in its channel. Paths are absolute.

    It does not pass through the zygote, whose memory every later worker inherits: ``env`` may hold secrets.

    ``package`` is the folder of the plugin's files, ``environment`` that of its dependencies, ``data`` the one
    it may write, ``temporary`` its private temporary directory. ``env`` is its whole environment. Without ``trial`` an
    unhealthy plugin loads too. ``network`` are the endpoints it may connect to. ``user`` is the user and group id it
    is to run as, None for that of the server. With ``full`` its data directory holds all it may, and it can only read
    and delete there. ``nice`` lowers its priority. ``examples_seconds`` is within what time of its start the examples
    of its tools must have come to what is expected, or it does not load; None where they are not tried.
    """

    name: str
    version: str
    package: str
    data: str
    temporary: str
    max_message_bytes: int
    environment: str | None = None
    env: dict[str, str] = {}
    trial: bool = True
    limits: Limits = Limits()
    network: tuple[Endpoint, ...] = ()
    user: int | None = None
    full: bool = False
    nice: int = 0
    examples_seconds: float | None = None

    def __repr__(self) -> str:
        # Environment values are secrets: they must not come into a log by way of a traceback or a debugger.
        shown = {name: getattr(self, name) for name in self.__struct_fields__} | {"env": sorted(self.env)}
        return f"WorkerSpec({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class Ready(Struct, frozen=True, tag="ready"):
    """Zygote to server, first and once: it is warm, and this is what the host has to confine its workers.

    ``users`` is whether they can be given user ids of their own, ``asks`` whether those that may connect ask for it.
    """

    layers: tuple[Layer, ...] = ()
    users: bool = False
    asks: bool = False


class Spawn(Struct, frozen=True, tag="spawn"):
    """Server to zygote: fork a worker; its channel, standard output and error come along as descriptors."""

    id: int


class Spawned(Struct, frozen=True, tag="spawned"):
    """Zygote to server: the worker asked for by ``id`` runs as process ``pid``."""

    id: int
    pid: int


class SpawnFailed(Struct, frozen=True, tag="spawn_failed"):
    """Zygote to server: the host could not give a process."""

    id: int
    error: str


class Exited(Struct, frozen=True, tag="exited"):
    """Zygote to server: a worker ended; ``status`` is as from ``waitpid``.

    ``grown_kb`` is how much more memory it had at its highest than the zygote, in KiB.
    """

    pid: int
    status: int
    grown_kb: int = 0


class Loaded(Struct, frozen=True, tag="loaded"):
    """Worker to server, first and once: the report of a plugin that loaded, or its faults.

    With faults, ``requests`` are what it asks for, None where it did not come to say so.
    """

    report: TrialReport | None = None
    faults: tuple[Fault, ...] = ()
    requests: Requests | None = None


class Call(Struct, frozen=True, tag="call"):
    """Server to worker: call a tool."""

    id: int
    tool: str
    args: dict[str, Any]


class CheckHealth(Struct, frozen=True, tag="health"):
    """Server to worker: run the plugin's health check."""

    id: int


class SelfTest(Struct, frozen=True, tag="self_test"):
    """Server to worker: try the examples of the tools, within ``seconds``."""

    id: int
    seconds: float


class AskPrompt(Struct, frozen=True, tag="prompt"):
    """Server to worker: say the agent's system prompt as it is now."""

    id: int


class Route(Struct, frozen=True, tag="route"):
    """Server to worker: have the agent's ``should_continue`` decide after these messages.

    They are as of LangChain's ``messages_to_dict``.
    """

    id: int
    messages: tuple[dict[str, Any], ...]


class Stop(Struct, frozen=True, tag="stop"):
    """Server to worker: no further request follows; clean up and end."""


class Result(Struct, frozen=True, tag="result"):
    """Worker to server: what the tool answered."""

    id: int
    value: Any


class Failed(Struct, frozen=True, tag="failed"):
    """Worker to server: the call brought no result.

    ``kind`` is ``arguments`` (they do not fit the schema), ``raised`` (the tool raised), ``memory`` (it had
    none left), ``unknown`` (no such tool), ``too_large`` (the result passes the frame limit) or ``deadline`` (an
    example is still under way).
    """

    id: int
    kind: str
    sentences: tuple[str, ...]


class Health(Struct, frozen=True, tag="healthy"):
    """Worker to server: the outcome of a health check."""

    id: int
    report: HealthReport


class SelfTested(Struct, frozen=True, tag="self_tested"):
    """Worker to server: what came of the examples."""

    id: int
    results: tuple[ExampleResult, ...]


class Prompted(Struct, frozen=True, tag="prompted"):
    """Worker to server: the system prompt."""

    id: int
    prompt: str


class Routed(Struct, frozen=True, tag="routed"):
    """Worker to server: what was decided, ``continue`` or ``back``."""

    id: int
    decision: Literal["continue", "back"]


Question = Call | CheckHealth | SelfTest | AskPrompt | Route
Request = Question | Stop
Reply = Result | Failed | Health | SelfTested | Prompted | Routed
FromZygote = Spawned | SpawnFailed | Exited

_encoder = msgspec.json.Encoder()
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(Reply).decode
decode_loaded = msgspec.json.Decoder(Loaded).decode
decode_spec = msgspec.json.Decoder(WorkerSpec).decode
decode_ready = msgspec.json.Decoder(Ready).decode
decode_spawn = msgspec.json.Decoder(Spawn).decode
decode_from_zygote = msgspec.json.Decoder(FromZygote).decode


def encode(message: Struct) -> bytes:
    """JSON of a message, without the length before it (datagrams have their own bounds)."""
    return _encoder.encode(message)


def frame(message: Struct) -> bytes:
    """A message as it goes into the stream."""
    body = _encoder.encode(message)
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def receive_frame(channel: socket.socket) -> bytes:
    """The JSON of one frame, read from a blocking socket, and no byte more.

    :raises EOFError: when the stream ends before.
    """
    size = int.from_bytes(_exactly(channel, HEADER_BYTES), "big")
    return _exactly(channel, size)


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = channel.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise EOFError
    return data


def read_soon(reader: "FrameReader", channel: socket.socket) -> bool:
    """Look for bytes for some microseconds without sleeping; whether any came.

    Where the two sides run on two cores, waking a thread that sleeps takes longer than a quick call; in a row of calls
    the next bytes come before that.
    """
    until = time.perf_counter() + SPIN_SECONDS
    while True:
        try:
            return reader.read(channel, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if time.perf_counter() > until:
                return False


def too_deep(message: bytes) -> bool:
    """Whether the JSON of a framed message is nested deeper than :data:`MAX_NESTING`; costs nothing for most."""
    if message.count(b"[") + message.count(b"{") <= MAX_NESTING:
        return False
    try:
        level = [msgspec.json.decode(message[HEADER_BYTES:])]
    except RecursionError:
        return True
    for _ in range(MAX_NESTING):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


#: How long :func:`read_soon` looks.
SPIN_SECONDS = 30e-6


class FrameReader:
    """Cuts a byte stream back into frames; holds what came beyond the last whole one.

    :param max_bytes: the largest frame accepted.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._needed = HEADER_BYTES

    def read(self, channel: socket.socket, flags: int = 0) -> bool:
        """Take in what the socket has, once. Returns False at the end of the stream.

        :raises BlockingIOError: when it has nothing and ``flags`` say not to wait.
        """
        chunk = channel.recv(max(_CHUNK_BYTES, min(self._needed - len(self._buffer), 1 << 20)), flags)
        self._buffer += chunk
        return bool(chunk)

    def next(self) -> bytes | None:
        """The next whole frame's JSON, or None when more bytes are needed.

        :raises ProtocolError: when a frame announces more than the limit.
        """
        buffer = self._buffer
        if len(buffer) < HEADER_BYTES:
            self._needed = HEADER_BYTES
            return None
        size = int.from_bytes(buffer[:HEADER_BYTES], "big")
        if size > self._max_bytes:
            raise ProtocolError(f"a message of {size} bytes, where at most {self._max_bytes} are allowed")
        self._needed = HEADER_BYTES + size
        if len(buffer) < self._needed:
            return None
        body = bytes(buffer[HEADER_BYTES : self._needed])
        del buffer[: self._needed]
        return body
