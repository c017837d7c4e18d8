"""Eight clients call a tool without pause while its plugin is replaced and reloaded fifty times: no call fails, and
no client is ever answered by an older version than before."""

import http.client
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from cadence.errors import CadenceError
from tests.building import archive_bytes, plugin_files
from tests.runtime.house import House, threads, with_ping

CLIENTS = 8
SWAPS = 50
RELOAD_EVERY = 5


def tools(counter: int) -> str:
    return with_ping(f"@tool\ndef count() -> int:\n    'Which archive this is.'\n    return {counter}", "count")


class Client:
    """Calls until it is told to stop, and keeps what it saw."""

    def __init__(self, call: Callable[[], int]) -> None:
        self._call = call
        self.seen: list[int] = []
        self.failures: list[str] = []

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                self.seen.append(self._call())
            except (CadenceError, AssertionError, OSError, http.client.HTTPException) as error:
                self.failures.append(f"after {len(self.seen)} answers: {type(error).__name__}: {error}")


def call_all_the_while(call: Callable[[], int], change: Callable[[int], None]) -> list[Client]:
    """Have every client call while the changes are made; each change is seen by a call that begins after it."""
    clients = [Client(call) for _ in range(CLIENTS)]
    over = threading.Event()
    with threads(CLIENTS) as start:
        running = [start(client.run, over) for client in clients]
        try:
            for counter in range(1, SWAPS + 1):
                change(counter)
                assert call() == counter
        finally:
            over.set()
        for client in running:
            client.result()
    return clients


def assert_nothing_was_lost(clients: list[Client]) -> None:
    assert [client.failures for client in clients] == [[]] * CLIENTS
    for client in clients:
        assert client.seen == sorted(client.seen), "an answer went back to an older version"
    swaps_seen = [len(set(client.seen)) for client in clients]
    assert min(swaps_seen) > SWAPS / 2, f"too few of the versions were seen to tell: {swaps_seen}"


def test_no_call_fails_and_no_answer_goes_back_while_a_plugin_is_replaced(house: House) -> None:
    house.install(tools(0))

    def change(counter: int) -> None:
        assert house.install(tools(counter)).replaced
        if counter % RELOAD_EVERY == 0:
            assert house.running.reconciler.reload().failed == 0

    clients = call_all_the_while(lambda: int(house.call("count")), change)
    assert_nothing_was_lost(clients)
    house.await_only("demo_plugin")


def test_a_reload_in_another_thread_never_brings_an_overwritten_version_back(house: House) -> None:
    house.install(tools(0))
    over = threading.Event()

    def overwrite(counter: int) -> None:
        assert house.install(tools(counter)).replaced

    def reload() -> None:
        while not over.is_set():
            assert house.running.reconciler.reload().failed == 0

    with threads(1) as start:
        reloading = start(reload)
        try:
            clients = call_all_the_while(lambda: int(house.call("count")), overwrite)
        finally:
            over.set()
        reloading.result()
    assert [client.failures for client in clients] == [[]] * CLIENTS
    assert all(client.seen == sorted(client.seen) for client in clients)
    house.await_only("demo_plugin")


# Over HTTP


@contextmanager
def serving(app: Flask) -> Iterator[int]:
    """The port at which the application answers, one thread for each request."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAlive)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class KeepAlive(WSGIRequestHandler):
    """Keeps connections, so that a run costs a few of them instead of thousands."""

    protocol_version = "HTTP/1.1"


class Connection(threading.local):
    """One connection for each thread."""

    def __init__(self, port: int, opened: list[http.client.HTTPConnection]) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        opened.append(self.http)

    def post(self, path: str, body: bytes, kind: str = "application/json") -> tuple[int, dict[str, object]]:
        self.http.request("POST", f"/api/v1{path}", body, {"Content-Type": kind})
        response = self.http.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture
def connection(app: Flask) -> Iterator[Connection]:
    opened: list[http.client.HTTPConnection] = []
    with serving(app) as port:
        yield Connection(port, opened)
        for one in opened:
            one.close()


def upload(connection: Connection, counter: int) -> tuple[int, dict[str, object]]:
    archive = archive_bytes(plugin_files(tools=tools(counter)))
    name = 'Content-Disposition: form-data; name="file"; filename="demo_plugin-1.0.0.zip"'
    flag = 'Content-Disposition: form-data; name="force_overwrite"'
    body = f"--cut\r\n{flag}\r\n\r\ntrue\r\n--cut\r\n{name}\r\n\r\n".encode() + archive + b"\r\n--cut--\r\n"
    return connection.post("/plugins/upload", body, "multipart/form-data; boundary=cut")


def test_no_request_fails_and_no_answer_goes_back_while_a_plugin_is_uploaded_anew(connection: Connection) -> None:
    assert upload(connection, 0)[0] == 201

    def call() -> int:
        status, answer = connection.post("/plugins/demo_plugin/tools/count", b"{}")
        assert status == 200, answer
        counter = answer["result"]
        assert isinstance(counter, int)
        return counter

    def change(counter: int) -> None:
        status, answer = upload(connection, counter)
        assert status == 200, answer
        if counter % RELOAD_EVERY == 0:
            status, answer = connection.post("/plugins/reload", b"")
            assert status == 200, answer
            assert answer["failed"] == 0

    assert_nothing_was_lost(call_all_the_while(call, change))


def test_each_fault_of_a_tool_has_a_status_and_words_over_http(connection: Connection) -> None:
    archive = archive_bytes(
        plugin_files(
            "rogue",
            tools=with_ping(
                """
                @tool
                def leave() -> None:
                    "End."
                    os._exit(3)

                @tool
                def fail() -> None:
                    "Raise."
                    raise ValueError("no such unit")
                """,
                "leave",
                "fail",
            ),
        )
    )
    name = 'Content-Disposition: form-data; name="file"; filename="rogue-1.0.0.zip"'
    body = f"--cut\r\n{name}\r\n\r\n".encode() + archive + b"\r\n--cut--\r\n"
    assert connection.post("/plugins/upload", body, "multipart/form-data; boundary=cut")[0] == 201
    for tool, message, words in (
        ("leave", "Plugin worker ended", "ended by itself with exit code 3"),
        ("fail", "Tool raised an error", "ValueError: no such unit"),
    ):
        status, answer = connection.post(f"/plugins/rogue/tools/{tool}", b"{}")
        assert (status, answer["success"], answer["message"]) == (502, False, message)
        assert words in str(answer["details"])
        assert connection.post("/plugins/rogue/tools/ping", b"{}")[0] == 200
