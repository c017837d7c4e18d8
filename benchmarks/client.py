"""A minimal HTTP client on a raw socket: on two cores a usual one would cost as much as the server it measures."""

import re
import socket

from msgspec import Struct, json

from benchmarks.sampling import Sampler, milliseconds

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 65536
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_BOUNDARY = "cadence-benchmark-boundary"


class Answer(Struct, frozen=True):
    """Status and body of one response."""

    status: int
    body: bytes


def request(method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
    """A whole request, ready to be sent any number of times over one connection."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if body:
        head += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    elif method == "POST":
        head.append("Content-Length: 0")
    return "\r\n".join([*head, "", ""]).encode() + body


def call_request(plugin: str, tool: str, arguments: dict[str, int]) -> bytes:
    """The request for one tool call."""
    return request("POST", f"/api/v1/plugins/{plugin}/tools/{tool}", json.encode(arguments))


def upload_request(filename: str, archive: bytes) -> bytes:
    """The upload of an archive, also over one that is there: multipart/form-data (RFC 7578)."""
    lines = [
        f"--{_BOUNDARY}",
        'Content-Disposition: form-data; name="force_overwrite"\r\n',
        "true",
        f"--{_BOUNDARY}",
        f'Content-Disposition: form-data; name="file"; filename="{filename}"',
        "Content-Type: application/zip\r\n\r\n",
    ]
    body = "\r\n".join(lines).encode() + archive + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return request("POST", "/api/v1/plugins/upload", body, f"multipart/form-data; boundary={_BOUNDARY}")


def split(received: bytes) -> Answer | None:
    """The response that some received bytes are, or ``None`` while it is not whole.

    :raises ConnectionError: when it is none that this client can read.
    """
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return None
    length = _LENGTH.search(head + b"\r\n")
    if length is None:
        raise ConnectionError("a response without Content-Length")
    return Answer(int(head[9:12]), body) if len(body) >= int(length[1]) else None


class Connection:
    """One connection that is kept, to a server on this machine; a context manager.

    :raises OSError: when the server does not listen.
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, message: bytes) -> Answer:
        """Send a request and wait for its response.

        :raises OSError: when the connection ends, or the response does not come.
        """
        self.socket.sendall(message)
        received = b""
        while (answer := split(received)) is None:
            chunk = self.socket.recv(_CHUNK_BYTES)
            if not chunk:
                raise ConnectionError("the server closed the connection")
            received += chunk
        return answer

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def asking(connection: Connection, message: bytes) -> Sampler:
    """A sampler of one request over a connection, in ms.

    :raises ValueError: from the sampler, when it is answered with anything but 200.
    """

    def ask() -> None:
        answer = connection.exchange(message)
        if answer.status != 200:
            raise ValueError(f"answered {answer.status}: {answer.body[:300].decode(errors='replace')}")

    return lambda: [milliseconds(ask)]
