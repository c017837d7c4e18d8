"""Honest plugins work under lockdown: what they commonly do is not in its way."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.attacks.stage import KINDS, USERS, Kind, Stage, Stages, User
from tests.server.process import free_port

PLUGIN = "ordinary"
PAGE = "a page"

pytestmark = [pytest.mark.parametrize("user", USERS), pytest.mark.parametrize("kind", KINDS)]


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a web server on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture
def place(user: User, kind: Kind, stages: Stages) -> Stage:
    """With the plugin, which has no grants."""
    place = stages.get(user, kind, "prefer")
    place.install(PLUGIN)
    place.grant(PLUGIN, memory_mb=512, threads=128)
    return place


def result(place: Stage, tool: str, **arguments: object) -> object:
    answer = place.call(PLUGIN, tool, **arguments)
    assert answer.ok, answer
    return answer.result


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("numpy_file", [0, 1, 2, 3, 4]),
        ("database", ["two", "one"]),
        ("loop", [0, 1, 4, 9]),
        ("awaited", "awaited"),
        ("temporary_files", True),
        ("files", ["five", "four", "inner", "inner/two", "link"]),
        ("home", True),
        ("zones", ["2024-07-01T14:00:00+02:00", "2024-07-01T08:00:00-04:00"]),
        ("conversions", ['{"a": "2.20"}', "2.20", "00000000-0000-0000-0000-000000000000"]),
        ("resource_file", "Grüße aus der Datei"),
        ("lazy_import", 42),
        ("facts", [True, True, True, True]),
        ("identity", True),
        ("socket_pair", "hello"),
    ],
)
def test_a_plugin_without_grants_can_do_what_plugins_do(tool: str, expected: object, place: Stage) -> None:
    assert result(place, tool) == expected


def test_numpy_computes(place: Stage) -> None:
    assert result(place, "numpy_product", size=200) == 80_000.0


def test_local_time_is_told(place: Stage) -> None:
    assert result(place, "local_time") in (1969, 1970)


@pytest.mark.parametrize("count", [10, 100])
def test_threads_run_as_many_as_are_allowed(count: int, place: Stage) -> None:
    assert result(place, "threads", count=count) == count


def test_contexts_for_tls_find_the_authorities_of_the_host(place: Stage) -> None:
    assert isinstance(found := result(place, "certificates"), int)
    assert found > 0


def test_logging_and_printing_work(place: Stage) -> None:
    assert result(place, "log_lines") is None


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("run_program", "from a program"),
        ("run_shell", "FROM A SHELL"),
        ("run_python", "[1, 2]"),
        ("run_program_by_asyncio", "from a loop"),
        ("end_program", 15),
        ("processes", [1, 2, 3]),
        ("fresh_processes", [1, 2]),
    ],
)
def test_a_plugin_with_processes_runs_programs(tool: str, expected: object, place: Stage) -> None:
    place.grant(PLUGIN, processes=8, memory_mb=512)
    assert result(place, tool) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
class TestAPluginWithAGrantedEndpoint:
    """It speaks to it as if nothing stood between, by address and by name."""

    def test_it_fetches_a_page(self, host: str, place: Stage, port: int) -> None:
        place.grant(PLUGIN, network=[f"{host}:{port}"])
        url = f"http://{host}:{port}/"
        assert result(place, "fetch", url=url) == PAGE
        assert result(place, "fetch_by_urllib", url=url) == PAGE
        assert result(place, "fetch_by_asyncio", host=host, port=port) == PAGE

    def test_threads_share_a_session(self, host: str, place: Stage, port: int) -> None:
        place.grant(PLUGIN, network=[f"{host}:{port}"])
        assert result(place, "fetch_often", url=f"http://{host}:{port}/", count=40) == 40

    def test_nobody_there_is_said_as_everywhere(self, host: str, place: Stage) -> None:
        nobody = free_port()
        place.grant(PLUGIN, network=[f"{host}:{nobody}"])
        assert result(place, "refused", host=host, port=nobody) == "ConnectionRefusedError"
