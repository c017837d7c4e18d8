"""The load generator, against servers that misbehave in one way each."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.client import Answer, Connection, request, split, upload_request
from benchmarks.load import Driver, Order
from benchmarks.server import ServerFailed, cadence

_GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
_BROKEN = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"


@contextmanager
def _serving(answer: Callable[[int], bytes | None]) -> Iterator[int]:
    """A server whose answer to the n-th request is ``answer(n)``; ``None`` closes the connection instead."""
    listening = socket.create_server(("127.0.0.1", 0))
    served = iter(range(10**9))

    def serve(connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536) and (reply := answer(next(served))) is not None:
                connection.sendall(reply)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def _order(port: int) -> Order:
    return Order(port, request("GET", "/"), b"good", callers=2, seconds=0.2)


def test_every_good_answer_is_timed() -> None:
    with _serving(lambda n: _GOOD) as port, Driver() as driver:
        load = driver.run(_order(port))
    assert load.failed == 0
    assert load.answered_ms
    assert load.per_second == pytest.approx(len(load.answered_ms) / load.seconds)


def test_a_refusal_counts_as_failed_and_the_first_is_told() -> None:
    with _serving(lambda n: _BROKEN if n == 3 else _GOOD) as port, Driver() as driver:
        load = driver.run(_order(port))
    assert load.failed == 1
    assert load.failure == "503 busy"
    assert load.answered_ms


def test_an_answer_with_another_content_counts_as_failed() -> None:
    with _serving(lambda n: _GOOD.replace(b"good", b"evil")) as port, Driver() as driver:
        load = driver.run(_order(port))
    assert load.failed
    assert not load.answered_ms


def test_a_dropped_connection_counts_as_failed_and_the_caller_goes_on() -> None:
    with _serving(lambda n: None if n == 1 else _GOOD) as port, Driver() as driver:
        load = driver.run(_order(port))
    assert load.failed == 1
    assert len(load.answered_ms) > 2


def test_a_response_is_whole_only_with_its_last_byte() -> None:
    assert split(_GOOD[:-1]) is None
    assert split(_GOOD[:20]) is None
    assert split(_GOOD) == Answer(200, b"good")
    with pytest.raises(ConnectionError, match="Content-Length"):
        split(b"HTTP/1.1 200 OK\r\n\r\n")


def test_a_request_announces_its_body() -> None:
    head, _, body = upload_request("a-1.0.0.zip", b"PK").partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'filename="a-1.0.0.zip"' in body
    assert request("POST", "/reload").endswith(b"Content-Length: 0\r\n\r\n")


def test_a_connection_is_kept_for_several_exchanges() -> None:
    with _serving(lambda n: _GOOD) as port, Connection(port) as connection:
        assert [connection.exchange(request("GET", "/")).status for _ in range(3)] == [200, 200, 200]


def test_a_server_that_cannot_start_is_told_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADENCE_THREADS", "none")
    with pytest.raises(ServerFailed, match="CADENCE_THREADS"), cadence(tmp_path / "instance"):
        pass
