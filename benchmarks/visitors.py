"""Pages that stay open: each asks, as the page's own script does, whether its list has changed, every few seconds.

Run as ``python -m benchmarks.visitors PORT PAGES``; it asks until its input is closed, and then says what came of it.
"""

import re
import select
import socket
import subprocess
import sys
import time
from typing import Self

import msgspec
from msgspec import Struct

from benchmarks.client import Connection, request
from benchmarks.workbench import ROOT

#: How often an idle page asks for each of its lists, in seconds (templates/plugins/partials/list.html).
EVERY_SECONDS = 4.0
_LISTS = ("/plugins/list", "/installs/live")
_TAG = re.compile(rb"\r\netag: *(\"[^\"]+\")\r\n", re.IGNORECASE)
_CHUNK_BYTES = 65536
_END_SECONDS = 10.0


class Visits(Struct, frozen=True):
    """What was asked, how often the answer was that nothing changed, and for how many seconds."""

    asked: int
    unchanged: int
    seconds: float


class Visitors:
    """Idle pages in a process of their own; a context manager."""

    def __init__(self, port: int, pages: int) -> None:
        self._command = [sys.executable, "-m", "benchmarks.visitors", str(port), str(pages)]
        self.visits: Visits | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # all pages are open
        return self

    def __exit__(self, *_: object) -> None:
        try:
            said, _nothing = self._process.communicate(timeout=_END_SECONDS)
            self.visits = msgspec.json.decode(said, type=Visits)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


class _Page:
    """One open page: a connection, and the tags of what it shows."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port)
        self._tags = dict.fromkeys(_LISTS, b"")

    def ask(self) -> int:
        """Ask for each list; how many have not changed."""
        return sum(self._ask(path) for path in _LISTS)

    def close(self) -> None:
        """Leave the page."""
        self._connection.socket.close()

    def _ask(self, path: str) -> bool:
        head = request("GET", path).removesuffix(b"\r\n")
        self._connection.socket.sendall(head + b"HX-Request: true\r\nIf-None-Match: " + self._tags[path] + b"\r\n\r\n")
        answer = _received(self._connection.socket)
        tag = _TAG.search(answer)
        self._tags[path] = tag[1] if tag else b""
        return answer.startswith(b"HTTP/1.1 304")


def _received(connection: socket.socket) -> bytes:
    """The head of an answer; its body, which a 304 has none of (RFC 9110, section 15.4.5), is read and dropped."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _chunk(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    missing = 0 if head[9:12] == b"304" or length is None else int(length[1]) - len(body)
    while missing > 0:
        missing -= len(_chunk(connection))
    return head + b"\r\n"


def _chunk(connection: socket.socket) -> bytes:
    chunk = connection.recv(_CHUNK_BYTES)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk


def main(port: int, count: int) -> None:
    """Keep ``count`` pages open, whose questions come evenly, until the input is closed."""
    pages = [_Page(port) for _ in range(count)]
    for page in pages:
        page.ask()
    print("open", flush=True)
    started, asked, unchanged = time.perf_counter(), 0, 0
    while True:
        due = started + (asked + 1) * EVERY_SECONDS / count
        if select.select([sys.stdin], [], [], max(0.0, due - time.perf_counter()))[0]:
            break
        unchanged += pages[asked % count].ask()
        asked += 1
    for page in pages:
        page.close()
    visits = Visits(asked * len(_LISTS), unchanged, time.perf_counter() - started)
    print(msgspec.json.encode(visits).decode(), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
