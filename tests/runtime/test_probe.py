"""Services that a plugin declares are probed on its own way to the network, and only as far as it was granted."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from cadence.runtime import gateway as gateway_
from cadence.runtime.gateway import Gateway
from cadence.runtime.probe import MAX_ENDPOINTS, ProbeResult, probe
from cadence_sdk._runtime.endpoint import IPAddress, parse_endpoint
from tests.runtime.confined import answering

SECONDS = 20.0
PUBLIC = "93.184.215.14"


class Service:
    """A TCP listener that keeps what comes."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self.socket.getsockname()[1]

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def came(self) -> bool:
        """Whether somebody has connected."""
        self.socket.setblocking(False)
        try:
            connection, _ = self.socket.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True

    def received(self) -> bytes:
        """What the one who connected sent until the connection ended."""
        self.socket.settimeout(SECONDS)
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(SECONDS)
            return b"".join(iter(lambda: connection.recv(100), b""))


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


def probed(
    declared: str, *granted: str, resolve: Any = None, seconds: float = SECONDS, gateway: Gateway | None = None
) -> ProbeResult:
    """What a probe of one endpoint says, which only looks up what ``resolve`` knows."""
    gateway = gateway or Gateway(resolve or no_lookup)
    try:
        results = probe(gateway, [declared], tuple(map(parse_endpoint, granted)), seconds)
    finally:
        gateway.close()
    assert list(results) == [declared]
    return results[declared]


def no_lookup(*_: object, **__: object) -> Any:
    raise AssertionError("nothing is to be looked up")


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as closed:  # bound and not listening: nobody else gets the port meanwhile
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


def test_a_service_that_listens_is_reachable(service: Service) -> None:
    endpoint = f"127.0.0.1:{service.port}"
    result = probed(endpoint, endpoint)
    assert (result.endpoint, result.granted, result.reachable) == (endpoint, True, True)
    assert result.ms >= 0
    assert result.words == f"{endpoint} accepted a connection in {result.ms:g} ms."


def test_nothing_is_sent_and_the_connection_is_closed(service: Service) -> None:
    endpoint = f"127.0.0.1:{service.port}"
    probed(endpoint, endpoint)
    assert service.received() == b""


def test_a_service_that_refuses_is_not_reachable() -> None:
    with closed_port() as port:
        result = probed(f"127.0.0.1:{port}", f"127.0.0.1:{port}")
    assert (result.granted, result.reachable) == (True, False)
    assert result.words == f"127.0.0.1:{port} cannot be reached: connection refused."


def test_a_service_that_does_not_answer_is_told_so_by_the_deadline() -> None:
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):  # more than wait in the kernel; the rest, and whoever comes later, has no answer
            connection = waiting.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(address)
        result = probed(f"127.0.0.1:{address[1]}", f"127.0.0.1:{address[1]}", seconds=0.3)
    assert (result.granted, result.reachable) == (True, False)
    assert result.words == f"127.0.0.1:{address[1]} did not answer within 0.3 s."


def test_a_look_up_that_takes_too_long_is_given_up() -> None:
    over = threading.Event()

    def resolve(*_: object, **__: object) -> Any:
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    try:
        result = probed("api.example.com:443", "api.example.com:443", resolve=resolve, seconds=0.2)
    finally:
        over.set()
    assert (result.granted, result.reachable) == (True, False)
    assert result.words == "api.example.com:443 did not answer within 0.2 s."


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UnicodeError("no")])
def test_a_name_that_leads_nowhere_is_told(error: Exception) -> None:
    def resolve(*_: object, **__: object) -> Any:
        raise error

    result = probed("api.example.com:443", "api.example.com:443", resolve=resolve)
    assert (result.granted, result.reachable) == (True, False)
    assert result.words.startswith("api.example.com:443 cannot be reached: api.example.com could not be looked up: ")


def test_what_is_not_granted_is_neither_looked_up_nor_contacted(service: Service) -> None:
    for declared in (f"127.0.0.1:{service.port}", f"localhost:{service.port}", f"name.internal:{service.port}"):
        result = probed(declared, "other.example.com:443", f"127.0.0.1:{service.port ^ 1}")
        assert (result.granted, result.reachable, result.ms) == (False, False, 0.0)
        assert result.words == f"{declared} was not tried: network access to it is not granted."
    assert not service.came()


def test_a_name_that_leads_inside_is_not_contacted_without_the_private_grant(service: Service) -> None:
    declared = f"db.internal:{service.port}"
    result = probed(declared, declared, resolve=answering(["127.0.0.1"]))
    assert (result.granted, result.reachable) == (True, False)
    assert f"it leads to 127.0.0.1, which is not a public address; grant private:{declared} if it may" in result.words
    assert not service.came()


@pytest.mark.parametrize("declared", ["db.internal:{}", "private:db.internal:{}", "DB.Internal.:{}"])
def test_a_name_that_leads_inside_is_reached_with_the_private_grant(service: Service, declared: str) -> None:
    grant = f"private:db.internal:{service.port}"
    result = probed(declared.format(service.port), grant, resolve=answering(["127.0.0.1"]))
    assert (result.granted, result.reachable) == (True, True)
    assert service.came()


def test_declaring_a_private_name_grants_nothing(service: Service) -> None:
    declared = f"private:db.internal:{service.port}"
    result = probed(declared, f"db.internal:{service.port}", resolve=answering(["127.0.0.1"]))
    assert (result.granted, result.reachable) == (True, False)
    assert not service.came()


def test_metadata_of_clouds_is_not_contacted_even_for_a_private_name() -> None:
    declared = "private:db.internal:80"
    result = probed(declared, declared, resolve=answering(["169.254.169.254"]))
    assert (result.granted, result.reachable) == (True, False)
    assert "leads to 169.254.169.254" in result.words


def test_localhost_is_tried_in_both_families() -> None:
    with Service("::1") as service:
        result = probed(f"localhost:{service.port}", f"localhost:{service.port}")
        assert (result.granted, result.reachable) == (True, True)
        # As in a worker, localhost leads to an address of this machine that was granted alone.
        assert probed(f"localhost:{service.port}", f"[::1]:{service.port}").reachable


def test_every_address_of_a_name_is_tried(service: Service) -> None:
    declared = f"private:db.internal:{service.port}"
    assert probed(declared, declared, resolve=answering(["127.0.0.9", "127.0.0.1"])).reachable


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up once, so that a second answer cannot lead elsewhere."""
    connected: list[tuple[str, int]] = []

    def connect(address: IPAddress, port: int, seconds: float) -> socket.socket:
        connected.append((str(address), port))
        return socket.socket()

    monkeypatch.setattr(gateway_, "_connected", connect)
    resolve = answering([PUBLIC], ["127.0.0.1"])
    assert probed("api.example.com:443", "api.example.com:443", resolve=resolve).reachable
    assert connected == [(PUBLIC, 443)]


@pytest.mark.parametrize("declared", ["http://example.com/", "no-port", "", "x" * 5000, "10.0.0.*:80"])
def test_what_is_no_endpoint_is_said_to_be_none(declared: str) -> None:
    result = probed(declared, "example.com:80")
    assert (result.granted, result.reachable) == (False, False)
    assert "was not tried: " in result.words or len(result.words) > 500
    assert len(result.words) < 600


def test_several_are_probed_at_once_and_told_in_their_order(service: Service) -> None:
    """The name is looked up only when another has connected."""
    came = threading.Event()

    def resolve(*_: object, **__: object) -> Any:
        assert came.wait(SECONDS)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def accept() -> None:
        service.socket.accept()[0].close()
        came.set()

    declared = ["a.example.com:1", f"127.0.0.1:{service.port}", "a.example.com:1", "b.example.com:1"]
    gateway = Gateway(resolve)
    thread = threading.Thread(target=accept)
    thread.start()
    results = probe(gateway, declared, tuple(map(parse_endpoint, declared[:2])), SECONDS)
    thread.join()
    gateway.close()
    assert [(result.endpoint, result.granted, result.reachable) for result in results.values()] == [
        ("a.example.com:1", True, False),
        (f"127.0.0.1:{service.port}", True, True),
        ("b.example.com:1", False, False),
    ]
    assert list(results) == [result.endpoint for result in results.values()]


def test_so_many_are_looked_at_and_no_more(service: Service) -> None:
    gateway = Gateway(no_lookup)
    declared = [f"127.0.0.1:{port}" for port in range(1, 30)]
    assert list(probe(gateway, declared, (), SECONDS)) == declared[:MAX_ENDPOINTS]
    gateway.close()


def test_a_host_without_a_thread_to_spare_makes_no_service_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    gateway = Gateway(no_lookup)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert probe(gateway, ["127.0.0.1:80"], (parse_endpoint("127.0.0.1:80"),), SECONDS) == {}
    gateway.close()
