import errno
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cadence.runtime.gateway import Gateway, GatewayLimits
from tests.runtime.confined import Confined, Listener, answering

ROOT = Path(__file__).parents[2]
PUBLIC = "93.184.215.14"

READ = """
    import socket
    with socket.create_connection(("{host}", {port})) as connection:
        result = connection.recv(100).decode()
"""


def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture
def other() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


def test_a_granted_endpoint_is_reached(gateway: Gateway, listener: Listener) -> None:
    grant = f"127.0.0.1:{listener.port}"
    with Confined(gateway, [grant], READ.format(host="127.0.0.1", port=listener.port)) as worker:
        assert worker.result() == str(listener.port)
        assert worker.notes == []


def test_ipv6_is_reached_where_it_is_granted(gateway: Gateway) -> None:
    with Listener("::1") as listener:
        code = READ.format(host="::1", port=listener.port)
        with Confined(gateway, [f"[::1]:{listener.port}"], code) as worker:
            assert worker.result() == str(listener.port)


def test_localhost_leads_to_this_machine_where_it_is_granted(gateway: Gateway, listener: Listener) -> None:
    code = READ.format(host="localhost", port=listener.port)
    with Confined(gateway, [f"localhost:{listener.port}"], code) as worker:
        assert worker.result() == str(listener.port)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::7f00:1"])
def test_what_is_not_granted_is_not_connected(gateway: Gateway, listener: Listener, address: str) -> None:
    """Neither by another address nor by another way to write one, though the port is granted for another host."""
    code = f"""
        import socket
        socket.socket({"socket.AF_INET6" if ":" in address else ""}).connect(("{address}", {listener.port}))
    """
    with Confined(gateway, [f"10.9.8.7:{listener.port}"], code) as worker:
        outcome = worker.outcome()
        assert outcome["errno"] == errno.EACCES
        assert "not granted" in outcome["error"]
        assert "flask plugins grant demo --network" in outcome["error"]
        assert len(worker.notes) == 1
        assert "is not granted" in worker.notes[0]
    assert listener.came == 0


def test_another_port_of_a_granted_host_is_not_reached(gateway: Gateway, listener: Listener, other: Listener) -> None:
    code = READ.format(host="localhost", port=other.port)
    with Confined(gateway, [f"localhost:{listener.port}", f"127.0.0.1:{listener.port}"], code) as worker:
        assert worker.outcome()["errno"] == errno.EACCES
        assert f"network access to 127.0.0.1:{other.port} is not granted" in worker.notes
    assert other.came == 0


def test_a_granted_address_is_reached_through_its_ipv6_form(gateway: Gateway, listener: Listener) -> None:
    code = f"""
        import socket
        connection = socket.socket(socket.AF_INET6)
        connection.connect(("::ffff:127.0.0.1", {listener.port}))
        result = connection.recv(100).decode()
    """
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        assert worker.result() == str(listener.port)


def test_each_refusal_is_written_once(gateway: Gateway) -> None:
    code = """
        import socket
        for _ in range(5):
            for address in [("10.0.0.5", 80), ("10.0.0.5", 81)]:
                socket.socket().connect_ex(address)
    """
    with Confined(gateway, [], code) as worker:
        worker.result()
        words = "network access to 10.0.0.5:{} is not granted"
        assert worker.notes == [words.format(80), words.format(81)]


def test_a_flood_of_refusals_does_not_fill_the_log() -> None:
    gateway = Gateway(limits=GatewayLimits(burst=1000))
    code = """
        import socket
        for port in range(1, 301):
            socket.socket().connect_ex(("10.0.0.5", port))
    """
    with Confined(gateway, [], code) as worker:
        worker.result()
        assert len(worker.notes) == 101
        assert worker.notes[-1] == "further refusals of network access are not written"
    gateway.close()


def test_errors_are_those_of_the_connection(gateway: Gateway) -> None:
    with socket.socket() as closed:  # bound and not listening: nobody else gets the port meanwhile
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with Confined(gateway, [f"127.0.0.1:{port}"], READ.format(host="127.0.0.1", port=port)) as worker:
            assert worker.outcome()["errno"] == errno.ECONNREFUSED


def test_a_non_blocking_socket_stays_so_and_is_connected_at_once(gateway: Gateway, listener: Listener) -> None:
    code = f"""
        import fcntl, os, socket
        connection = socket.socket()
        connection.setblocking(False)
        os.set_inheritable(connection.fileno(), True)
        found = [connection.connect_ex(("127.0.0.1", {listener.port}))]
        flags = fcntl.fcntl(connection, fcntl.F_GETFL)
        result = [*found, bool(flags & os.O_NONBLOCK), os.get_inheritable(connection.fileno()),
                  connection.getpeername()[1]]
    """
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        assert worker.result() == [0, True, True, listener.port]


def test_a_blocking_socket_stays_so_and_keeps_its_number(gateway: Gateway, listener: Listener) -> None:
    code = f"""
        import fcntl, os, socket
        connection = socket.socket()
        number = connection.fileno()
        connection.connect(("127.0.0.1", {listener.port}))
        flags = fcntl.fcntl(connection, fcntl.F_GETFL)
        result = [connection.fileno() == number, bool(flags & os.O_NONBLOCK), os.get_inheritable(number),
                  connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)]
    """
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        assert worker.result() == [True, False, False, 1]


def test_asyncio_connects(gateway: Gateway, listener: Listener) -> None:
    code = f"""
        import asyncio
        async def read():
            reader, writer = await asyncio.open_connection("localhost", {listener.port})
            data = await reader.read()
            writer.close()
            await writer.wait_closed()
            return data.decode()
        result = asyncio.run(read())
    """
    with Confined(gateway, [f"localhost:{listener.port}"], code) as worker:
        assert worker.result() == str(listener.port)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize(
    "code",
    [
        "import requests; result = requests.get('http://api.example:{port}/', timeout=20).text",
        "import httpx; result = httpx.get('http://api.example:{port}/', timeout=20).text",
        "import urllib.request; result = urllib.request.urlopen('http://api.example:{port}/').read().decode()",
    ],
    ids=["requests", "httpx", "urllib"],
)
def test_http_libraries_work_by_name(code: str) -> None:
    gateway = Gateway(resolve=answering(["127.0.0.1"]))
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        with Confined(gateway, [f"private:api.example:{port}"], code.format(port=port)) as worker:
            assert worker.result() == f"api.example:{port}"
        server.shutdown()
        thread.join()
    gateway.close()


def test_a_name_that_leads_to_a_private_address_is_not_connected(listener: Listener) -> None:
    gateway = Gateway(resolve=answering(["127.0.0.1"]))
    grant = f"api.example:{listener.port}"
    with Confined(gateway, [grant], READ.format(host="api.example", port=listener.port)) as worker:
        outcome = worker.outcome()
        assert outcome["errno"] == errno.EACCES
        assert f"--network private:{grant}" in outcome["error"]
        assert worker.notes == [
            f"network access to {grant} is refused: it leads to 127.0.0.1, which is not a public address;"
            f" grant private:{grant} if it may"
        ]
    assert listener.came == 0
    gateway.close()


def test_a_private_address_among_public_ones_is_left_out(listener: Listener) -> None:
    """Were it not, whoever owns the name could have the server fall back to it."""
    gateway = Gateway(resolve=answering(["192.0.2.1", "::1", "127.0.0.1", "169.254.169.254"]))
    code = READ.format(host="api.example", port=listener.port)
    with Confined(gateway, [f"api.example:{listener.port}"], code) as worker:
        assert worker.outcome()["errno"] == errno.EACCES
    assert listener.came == 0
    gateway.close()


def test_a_name_is_looked_up_once_for_each_connection(listener: Listener) -> None:
    """DNS rebinding: the address that was checked is the one that is connected."""
    looked_up: list[None] = []
    gateway = Gateway(resolve=answering(["127.0.0.1"], ["169.254.169.254"], meanwhile=lambda: looked_up.append(None)))
    code = f"""
        import socket
        first = socket.create_connection(("api.example", {listener.port})).recv(100).decode()
        second = socket.socket().connect_ex(("api.example", {listener.port}))
        result = [first, second]
    """
    with Confined(gateway, [f"private:api.example:{listener.port}"], code) as worker:
        assert worker.result() == [str(listener.port), errno.EACCES]
        assert "169.254.169.254" in worker.notes[0]
    assert len(looked_up) == 2
    gateway.close()


def test_a_name_that_cannot_be_looked_up_is_said_so() -> None:
    def nowhere(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    gateway = Gateway(resolve=nowhere)
    with Confined(gateway, ["api.example:80"], READ.format(host="api.example", port=80)) as worker:
        assert worker.outcome()["errno"] == errno.EHOSTUNREACH
        assert "api.example could not be looked up" in worker.notes[0]
    gateway.close()


def test_the_second_address_is_tried_when_the_first_refuses() -> None:
    with Listener("::1") as listener:
        gateway = Gateway(resolve=answering(["127.0.0.1", "::1"]))
        code = READ.format(host="api.example", port=listener.port)
        with Confined(gateway, [f"private:api.example:{listener.port}"], code) as worker:
            assert worker.result() == str(listener.port)
        gateway.close()


class _Gate:
    """Has a worker do something while the gateway is in the middle of its connect."""

    def __init__(self) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._reached.set()
        assert self._opened.wait(60)

    def result(self, worker: Confined) -> Any:
        assert self._reached.wait(60)
        worker.say("now")
        assert worker.hear() == "done"
        self._opened.set()
        return worker.result()


def _meanwhile(listener: Listener, action: str) -> str:
    """Code that connects to a name while another thread waits for the gateway to look that name up."""
    return f"""
        import ctypes, os, socket, threading
        connection = socket.socket()
        number = connection.fileno()
        address = sockaddr("240.0.0.1", {listener.port})
        def change():
            hear()
            {action}
            say("done")
        threading.Thread(target=change, daemon=True).start()
        error = raw_connect(number, address)
        result = [error, socket.socket(fileno=os.dup(number)).recv(100).decode() if not error else None]
    """


def test_an_address_changed_during_the_call_changes_nothing(listener: Listener, other: Listener) -> None:
    gate = _Gate()
    gateway = Gateway(resolve=answering(["127.0.0.1"], meanwhile=gate))
    action = f"address[:] = bytes(sockaddr('127.0.0.1', {other.port}))"
    with Confined(gateway, [f"private:api.example:{listener.port}"], _meanwhile(listener, action)) as worker:
        assert gate.result(worker) == [0, str(listener.port)]
    assert other.came == 0
    gateway.close()


def test_an_address_that_changes_all_the_time_leads_nowhere_else(listener: Listener, other: Listener) -> None:
    gateway = Gateway(limits=GatewayLimits(burst=1000))
    code = f"""
        import ctypes, socket, threading
        good, bad = (bytes(sockaddr("127.0.0.1", port)) for port in ({listener.port}, {other.port}))
        address = ctypes.create_string_buffer(good, len(good))
        over = threading.Event()
        def flip():
            while not over.is_set():
                address[:] = bad
                address[:] = good
        thread = threading.Thread(target=flip)
        thread.start()
        peers = []
        for _ in range(300):
            connection = socket.socket()
            if not raw_connect(connection.fileno(), address):
                peers.append(connection.getpeername()[1])
            connection.close()
        over.set()
        thread.join()
        result = [len(peers), sorted(set(peers))]
    """
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        count, peers = worker.result()
    assert peers == [listener.port]
    assert 0 < count <= 300
    assert other.came == 0
    gateway.close()


@pytest.mark.parametrize(
    "action",
    [
        "os.dup2(os.open('/dev/null', os.O_RDWR), number)",
        "os.dup2(socket.socket().detach(), number)",
        "os.close(number)",
    ],
    ids=["file", "socket", "closed"],
)
def test_a_descriptor_swapped_meanwhile_is_left_alone(listener: Listener, action: str) -> None:
    gate = _Gate()
    gateway = Gateway(resolve=answering(["127.0.0.1"], meanwhile=gate))
    before = open_descriptors()
    with Confined(gateway, [f"private:api.example:{listener.port}"], _meanwhile(listener, action)) as worker:
        assert gate.result(worker) == [errno.EBADF, None]
    gateway.close()
    until(lambda: open_descriptors() < before)


def test_a_worker_that_dies_in_the_middle_leaves_nothing(listener: Listener) -> None:
    before = open_descriptors()
    started, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        assert go_on.wait(60)

    gateway = Gateway(resolve=answering(["127.0.0.1"], meanwhile=wait))
    code = READ.format(host="api.example", port=listener.port)
    with Confined(gateway, [f"private:api.example:{listener.port}"], code) as worker:
        assert started.wait(60)
        worker.process.kill()
    gateway.close()  # while its connect is worked on
    go_on.set()
    until(lambda: open_descriptors() == before)


def test_the_gateway_closes_what_it_opened(gateway: Gateway, listener: Listener) -> None:
    code = f"""
        import socket
        for _ in range(20):
            socket.create_connection(("127.0.0.1", {listener.port})).recv(10)
            socket.socket().connect_ex(("127.0.0.1", 9))
        say("connected")
        hear()
    """
    before = open_descriptors()
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        assert worker.hear() == "connected"
        # The listener's descriptor, and the process's two pipes.
        until(lambda: open_descriptors() == before + 3)
    until(lambda: open_descriptors() == before)


def test_a_signal_does_not_disturb_a_connect(listener: Listener) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        assert go_on.wait(60)

    gateway = Gateway(resolve=answering(["127.0.0.1"], meanwhile=wait))
    code = f"""
        import signal, socket
        signal.signal(signal.SIGUSR1, lambda *_: None)
        result = socket.create_connection(("api.example", {listener.port})).recv(100).decode()
    """
    with Confined(gateway, [f"private:api.example:{listener.port}"], code) as worker:
        assert started.wait(60)
        for _ in range(3):
            worker.process.send_signal(signal.SIGUSR1)
        go_on.set()
        assert worker.result() == str(listener.port)
    gateway.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for ``api.example`` with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    path, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=api.example", "-addext", "subjectAltName=DNS:api.example"]
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run([openssl, *new, *subject, "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


@pytest.mark.parametrize("name", ["api.example", "other.example"])
def test_tls_checks_the_name_that_was_asked_for(certificate: Path, name: str) -> None:
    gateway = Gateway(resolve=answering(["127.0.0.1"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is what is tested
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        code = f"""
            import requests
            try:
                result = requests.get("https://{name}:{port}/", timeout=20, verify={str(certificate)!r}).text
            except requests.exceptions.SSLError:
                result = "another name"
        """
        with Confined(gateway, [f"private:{name}:{port}"], code) as worker:
            assert worker.result() == (f"api.example:{port}" if name == "api.example" else "another name")
        server.shutdown()
        thread.join()
    gateway.close()


def test_what_a_worker_started_is_answered_after_it_ended(gateway: Gateway, listener: Listener) -> None:
    code = f"""
        import os, socket
        if os.fork():
            os._exit(0)
        hear()
        result = socket.create_connection(("127.0.0.1", {listener.port})).recv(100).decode()
    """
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        worker.process.wait()
        worker.say("go on")
        assert worker.result() == str(listener.port)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raw_connect(3333, sockaddr('127.0.0.1', 80))", errno.EBADF),
        ("raw_connect(-1, sockaddr('127.0.0.1', 80))", errno.EBADF),
        ("raw_connect(os.open('/dev/null', 0), sockaddr('127.0.0.1', 80))", errno.ENOTSOCK),
        ("raw_connect(socket.socket(socket.AF_UNIX).detach(), b'\\1\\0/run/some.sock')", errno.EACCES),
        ("raw_connect(socket.socket().detach(), b'\\0' * 16)", errno.EACCES),
        ("raw_connect(socket.socket().detach(), None, 16)", errno.EFAULT),
        ("raw_connect(socket.socket().detach(), ctypes.c_void_p(2**64 - 4096), 16)", errno.EFAULT),
        ("raw_connect(socket.socket().detach(), sockaddr('127.0.0.1', 80), 15)", errno.EINVAL),
        ("raw_connect(socket.socket().detach(), sockaddr('127.0.0.1', 80), 0)", errno.EINVAL),
        ("raw_connect(socket.socket().detach(), sockaddr('127.0.0.1', 80), -1)", errno.EINVAL),
        ("raw_connect(socket.socket().detach(), bytes(4096), 4096)", errno.EINVAL),
    ],
)
def test_nonsense_has_the_errno_of_connect(gateway: Gateway, code: str, expected: int) -> None:
    with Confined(gateway, [], f"import ctypes, os, socket; result = {code}") as worker:
        assert worker.result() == expected


def test_a_socket_cannot_be_made_to_linger(gateway: Gateway) -> None:
    """While gateway and worker both have it open, the gateway would wait for it in ``close``."""
    code = """
        import socket, struct
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1000))
    """
    with Confined(gateway, [], code) as worker:
        assert worker.outcome()["errno"] == errno.EPERM


def test_a_listener_that_never_accepts_times_out_and_holds_nobody_up(listener: Listener) -> None:
    gateway = Gateway(limits=GatewayLimits(connect_seconds=0.5, at_once=2))
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the one that its queue has room for
            code = f"""
                import errno, socket, threading
                found = []
                def connect():
                    found.append(socket.socket().connect_ex(("127.0.0.1", {port})))
                threads = [threading.Thread(target=connect) for _ in range(4)]
                for thread in threads: thread.start()
                say("started")
                for thread in threads: thread.join()
                result = sorted(set(found))
            """
            grants = [f"127.0.0.1:{port}"]
            friendly = READ.format(host="127.0.0.1", port=listener.port)
            with Confined(gateway, grants, code) as stuck:
                assert stuck.hear() == "started"
                with Confined(gateway, [f"127.0.0.1:{listener.port}"], friendly) as worker:
                    assert worker.result() == str(listener.port)
                assert stuck.result() == [errno.ETIMEDOUT]
    gateway.close()


def test_a_worker_has_a_bounded_number_of_connects_under_way(listener: Listener) -> None:
    gate, most = threading.Semaphore(0), [0, 0]
    guard = threading.Lock()

    def wait() -> None:
        with guard:
            most[0] += 1
            most[1] = max(most)
        gate.acquire()
        with guard:
            most[0] -= 1

    gateway = Gateway(resolve=answering(["127.0.0.1"], meanwhile=wait), limits=GatewayLimits(at_once=3))
    code = f"""
        import socket, threading
        def connect():
            found.append(socket.create_connection(("api.example", {listener.port})).recv(100).decode())
        found = []
        threads = [threading.Thread(target=connect) for _ in range(12)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        result = [len(found), sorted(set(found))]
    """
    with Confined(gateway, [f"private:api.example:{listener.port}"], code) as worker:
        until(lambda: most[0] == 3)
        for _ in range(12):
            gate.release()
        assert worker.result() == [12, [str(listener.port)]]
    assert most[1] == 3
    gateway.close()


_FLOOD = """
    import socket
    for count in range(1, 100):
        socket.socket().connect_ex(("10.0.0.5", 80))
        say(count)
"""


def test_a_flood_is_served_at_its_pace() -> None:
    gateway = Gateway(limits=GatewayLimits(per_second=50.0, burst=1))
    with Confined(gateway, [], _FLOOD) as flooding:
        assert [flooding.hear() for _ in range(10)] == list(range(1, 11))
    gateway.close()


def test_a_flood_waits_and_another_worker_does_not(listener: Listener) -> None:
    served: list[None] = []
    gateway = Gateway(
        resolve=answering(["127.0.0.1"], meanwhile=lambda: served.append(None)),
        limits=GatewayLimits(per_second=0.001, burst=5),
    )
    flood = _FLOOD.replace("10.0.0.5", "api.example")
    with Confined(gateway, ["api.example:80"], flood) as flooding:
        assert [flooding.hear() for _ in range(5)] == [1, 2, 3, 4, 5]
        friendly = READ.format(host="127.0.0.1", port=listener.port)
        with Confined(gateway, [f"127.0.0.1:{listener.port}"], friendly) as worker:
            assert worker.result() == str(listener.port)
        assert len(served) == 5  # the sixth had the time of a whole other process
    gateway.close()


@pytest.mark.parametrize("kind", ["socket.AF_INET, socket.SOCK_DGRAM", "socket.AF_UNIX, socket.SOCK_STREAM"])
def test_only_sockets_of_tcp_are_connected(gateway: Gateway, listener: Listener, kind: str) -> None:
    code = f"""
        import socket
        result = raw_connect(socket.socket({kind}).detach(), sockaddr("127.0.0.1", {listener.port}))
    """
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        assert worker.result() == errno.EACCES
    assert listener.came == 0


def test_a_network_without_addresses_does_not_matter_to_names(gateway: Gateway) -> None:
    code = """
        import socket
        found = socket.getaddrinfo("api.example", 80, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        result = found[0][4]
    """
    with Confined(gateway, ["api.example:80"], code) as worker:
        assert worker.result() == ["240.0.0.1", 80]


def test_a_closed_gateway_leaves_workers_without_connections(listener: Listener) -> None:
    before = open_descriptors()
    gateway = Gateway()
    code = f"""
        import socket
        hear()
        result = socket.socket().connect_ex(("127.0.0.1", {listener.port}))
    """
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        gateway.close()
        gateway.close()
        worker.say("go on")
        assert worker.result() == errno.ENOSYS
    assert listener.came == 0
    assert open_descriptors() == before


def test_a_listener_that_comes_after_the_end_is_closed(gateway: Gateway, listener: Listener) -> None:
    gateway.close()
    code = READ.format(host="127.0.0.1", port=listener.port)
    with Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as worker:
        assert worker.outcome()["errno"] == errno.ENOSYS


def test_one_worker_has_not_the_grants_of_another(gateway: Gateway, listener: Listener, other: Listener) -> None:
    code = f"""
        import socket
        hear()
        result = [socket.socket().connect_ex(("127.0.0.1", port)) for port in ({listener.port}, {other.port})]
    """
    with (
        Confined(gateway, [f"127.0.0.1:{listener.port}"], code) as one,
        Confined(gateway, [f"127.0.0.1:{other.port}"], code) as two,
    ):
        one.say("go on")
        two.say("go on")
        assert one.result() == [0, errno.EACCES]
        assert two.result() == [errno.EACCES, 0]


@pytest.mark.parametrize("names", [True, False], ids=["names known", "as the kernel has it"])
def test_the_kernel_enforces_whatever_the_worker_does_to_its_modules(
    gateway: Gateway, listener: Listener, names: bool
) -> None:
    code = f"""
        import _socket
        result = _socket.socket().connect_ex(("127.0.0.1", {listener.port}))
    """
    with Confined(gateway, [], code, names=names) as worker:
        assert worker.result() == errno.EACCES
    assert listener.came == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
@pytest.mark.parametrize("server", ["root", "user"])
@pytest.mark.parametrize("worker", ["user", "namespace"])
def test_an_ordinary_user_can_do_it_too(server: str, worker: str) -> None:
    program = Path(__file__).with_name("confined_by_user.py")
    done = subprocess.run(
        [sys.executable, str(program), server, worker],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    if "no user namespaces here" in done.stderr:
        pytest.skip("the host has no user namespaces")
    assert done.stdout == "connected refused\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
def test_a_server_that_may_not_look_into_its_workers_refuses_and_says_why() -> None:
    program = Path(__file__).with_name("confined_by_user.py")
    done = subprocess.run(
        [sys.executable, str(program), "user", "undumpable"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stdout == "refused refused\n", done.stderr
    assert "may not look into its workers" in done.stderr
