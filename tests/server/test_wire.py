"""Requests that only a raw connection can make: bodies without a length, and bodies that break off."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.server.process import PATIENCE_SECONDS, Server, await_true, serving

LIMIT = 1_000_000
BOUNDARY = "cadence"
PART = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="demo_plugin-1.0.0.zip"\r\n\r\n'.encode()
KIND = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("wire")
    with serving(folder / "instance", CADENCE_MAX_UPLOAD_BYTES=str(LIMIT)) as server:
        yield server


def uploads(server: Server) -> list[Path]:
    return list(server.instance.glob("store_archived/.uploads/*/*"))


def request_head(server: Server, *headers: str) -> bytes:
    lines = [
        "POST /api/v1/plugins/upload HTTP/1.1",
        f"Host: localhost:{server.port}",
        f"Content-Type: {KIND}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def chunks(total: int) -> Iterator[bytes]:
    yield PART
    for _ in range(total // 65536):
        yield b"x" * 65536


@contextlib.contextmanager
def half_an_upload(server: Server) -> Iterator[None]:
    """An upload that the server has begun to take, and whose client goes away at the end.

    The server is done with it when this ends, lest its file come and go in the middle of another test.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(request_head(server, "Content-Length: 500000") + PART + b"x" * 300_000)
        await_true(lambda: uploads(server), "the upload's file")
        yield
    await_true(lambda: not uploads(server), "the removal of the upload's file")


def test_a_chunked_upload_over_the_cap_is_refused_and_leaves_no_file(server: Server) -> None:
    answer = server.post("/plugins/upload", data=chunks(3 * LIMIT), headers={"Content-Type": KIND})
    assert answer.status_code == 413
    assert answer.json()["message"] == "Upload too large"
    assert uploads(server) == []


def test_an_upload_over_the_cap_is_refused_and_leaves_no_file(server: Server) -> None:
    answer = server.upload(b"x" * (LIMIT + 1), "demo_plugin-1.0.0.zip")
    assert answer.status_code == 413
    assert answer.json()["message"] == "Upload too large"
    assert uploads(server) == []


def test_an_upload_that_announces_far_too_much_is_answered_before_it_comes(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(request_head(server, "Content-Length: 1000000000000") + PART)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert uploads(server) == []


def test_an_upload_whose_client_goes_away_leaves_no_file(server: Server) -> None:
    with half_an_upload(server):
        pass
    assert uploads(server) == []
    assert server.get("/health").ok


def test_a_chunked_upload_under_the_cap_is_taken_as_it_is(server: Server) -> None:
    def body() -> Iterator[bytes]:
        yield PART + b"no archive"
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    answer = server.post("/plugins/upload", data=body(), headers={"Content-Type": KIND})
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid ZIP file format")


def test_a_client_that_sends_slowly_keeps_no_one_waiting(server: Server) -> None:
    with half_an_upload(server):
        assert requests.get(f"{server.api}/plugins/uploaded", timeout=PATIENCE_SECONDS).ok


def test_a_foreign_name_is_refused_on_the_wire_too(server: Server) -> None:
    answer = server.get("/plugins", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["message"]) == (403, "Forbidden")
