import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

_HEAD = """
import json, socket
from cadence_sdk._runtime.endpoint import parse_endpoint
from cadence_sdk._runtime.lockdown import names
names.install(tuple(map(parse_endpoint, {grants!r})), "demo")
def words(call, *args, **kwargs):
    try:
        return ["no error", call(*args, **kwargs)]
    except OSError as error:
        return [type(error).__name__, error.errno, str(error)]
"""
GRANTS = ["api.example:443", "bücher.example:80", "localhost:8080", "10.0.0.5:80", "private:db.internal:5432"]


def run(code: str, grants: list[str] | None = None) -> Any:
    """What ``result`` is in a process of its own, which knows only granted names."""
    head = _HEAD.format(grants=GRANTS if grants is None else grants)
    program = f"{head}\n{textwrap.dedent(code)}\nprint(json.dumps(result))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("'api.example', 443", [["240.0.0.1", 443]]),
        ("'API.Example.', 443", [["240.0.0.1", 443]]),
        ("b'api.example', b'443'", [["240.0.0.1", 443]]),
        ("'api.example', '443'", [["240.0.0.1", 443]]),
        ("'api.example', 'https'", [["240.0.0.1", 443]]),
        ("'api.example', None", [["240.0.0.1", 0]]),
        ("'api.example', 81", [["240.0.0.1", 81]]),
        ("'api.example', 443, flags=socket.AI_ADDRCONFIG", [["240.0.0.1", 443]]),
        ("'bücher.example', 80", [["240.0.0.2", 80]]),
        ("'xn--bcher-kva.example', 80", [["240.0.0.2", 80]]),
        ("'api.example', 443, socket.AF_INET", [["240.0.0.1", 443]]),
        ("'api.example', 443, socket.AF_INET6, flags=socket.AI_V4MAPPED", [["::ffff:240.0.0.1", 443, 0, 0]]),
        ("'localhost', 8080", [["127.0.0.1", 8080], ["::1", 8080, 0, 0]]),
        ("'localhost', 8080, socket.AF_INET6", [["::1", 8080, 0, 0]]),
        ("'10.0.0.5', 80", [["10.0.0.5", 80]]),
        ("'93.184.215.14', 80", [["93.184.215.14", 80]]),
        ("'::1', 80", [["::1", 80, 0, 0]]),
        ("'fe80::1%1', 80", [["fe80::1", 80, 0, 1]]),
        ("None, 80", [["::1", 80, 0, 0], ["127.0.0.1", 80]]),
    ],
)
def test_names_are_answered_without_a_look_up(arguments: str, expected: list[Any]) -> None:
    code = f"result = [answer[4] for answer in socket.getaddrinfo({arguments}, type=socket.SOCK_STREAM)]"
    assert sorted(run(code)) == sorted(expected)


def test_answers_have_the_form_of_the_original() -> None:
    code = """
        result = [
            socket.getaddrinfo("api.example", 443, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME),
            socket.getaddrinfo("api.example", 443, proto=socket.IPPROTO_TCP),
            len(socket.getaddrinfo("api.example", 443)),
        ]
        assert isinstance(socket.getaddrinfo("api.example", 443)[0][0], socket.AddressFamily)
    """
    canonical, tcp, all_types = run(code)
    assert canonical == [[2, 1, 6, "api.example", ["240.0.0.1", 443]]]
    assert tcp == [[2, 1, 6, "", ["240.0.0.1", 443]]]
    assert all_types == 3


@pytest.mark.parametrize(
    "call",
    [
        "socket.getaddrinfo, 'evil.example', 443",
        "socket.getaddrinfo, b'evil.example', '443'",
        "socket.create_connection, ('evil.example', 443)",
        "socket.socket().connect, ('evil.example', 443)",
        "socket.socket().connect_ex, ('evil.example', 443)",
        "socket.socket(socket.AF_INET6).connect, ('evil.example', 443, 0, 0)",
    ],
)
def test_other_names_are_refused_in_words(call: str) -> None:
    kind, _, words = run(f"result = words({call})")
    assert kind == "gaierror"
    assert "Network access to evil.example:443 is not granted." in words
    assert "flask plugins grant demo --network evil.example:443" in words


@pytest.mark.parametrize("name", ["gethostbyname", "gethostbyname_ex"])
def test_other_names_are_refused_also_without_a_port(name: str) -> None:
    kind, _, words = run(f"result = words(socket.{name}, 'evil.example')")
    assert kind == "gaierror"
    assert "flask plugins grant demo --network evil.example:port" in words


@pytest.mark.parametrize("host", ["*", "a..b", "x" * 300, "2130706433", "127.1", "0x7f.1", "\\u2488com", "a b"])
def test_what_is_no_name_is_not_looked_up_either(host: str) -> None:
    assert run(f"result = words(socket.getaddrinfo, '{host}', 80)")[0] == "gaierror"


def test_localhost_is_known_only_where_it_is_granted() -> None:
    code = "result = words(socket.getaddrinfo, 'localhost', 80)"
    assert run(code, ["api.example:443"])[0] == "gaierror"


def test_localhost_is_a_loopback_address_that_is_granted() -> None:
    code = "result = socket.gethostbyname('localhost')"
    assert run(code, ["127.0.0.1:80"]) == "127.0.0.1"


def test_the_older_look_ups_know_the_same_names() -> None:
    code = """
        result = [socket.gethostbyname("api.example"), socket.gethostbyname("10.0.0.5"),
                  socket.gethostbyname_ex("localhost"), words(socket.gethostbyname, "::1")[0]]
    """
    assert run(code) == ["240.0.0.1", "10.0.0.5", ["localhost", [], ["127.0.0.1"]], "gaierror"]


def test_a_name_where_an_address_must_be_is_refused() -> None:
    code = "result = words(socket.getaddrinfo, 'api.example', 443, flags=socket.AI_NUMERICHOST)"
    kind, number, _ = run(code)
    assert (kind, number) == ("gaierror", -2)


def test_asyncio_knows_the_same_names() -> None:
    code = """
        import asyncio
        async def look_up():
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo("api.example", 443, type=socket.SOCK_STREAM)
            try:
                await asyncio.open_connection("evil.example", 443)
            except OSError as error:
                return [found[0][4], str(error)]
        result = asyncio.run(look_up())
    """
    address, words = run(code)
    assert address == ["240.0.0.1", 443]
    assert "evil.example:443 is not granted" in words


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("240.0.0.1", 80), "Network access to api.example:80 is not granted."),
        (("10.0.0.6", 80), "Network access to 10.0.0.6:80 is not granted."),
        (("::1", 80, 0, 0), "Network access to [::1]:80 is not granted."),
        (("240.0.0.1", 443), "api.example:443 leads to an address that is not public."),
        (("api.example", 443), "--network private:api.example:443"),
        ("/run/some.sock", "Access to '/run/some.sock' is not granted"),
    ],
)
def test_a_connection_that_the_kernel_refuses_is_explained(address: Any, expected: str) -> None:
    """By a stand-in for the kernel: tests/runtime/test_gateway.py has the real one."""
    family = "AF_UNIX" if isinstance(address, str) else "AF_INET6" if len(address) == 4 else "AF_INET"
    code = f"""
        def refuse(self, address):
            raise PermissionError(13, "Permission denied")
        socket.socket.connect = names._connect(names.Names(tuple(map(parse_endpoint, {GRANTS!r})), "demo"), refuse)
        result = words(socket.socket(socket.{family}).connect, {address!r})
    """
    kind, number, words = run(code)
    assert (kind, number) == ("PermissionError", 13)
    assert expected in words


@pytest.mark.parametrize(
    ("grants", "expected"),
    [([], "flask plugins grant demo --network host:port"), (["api.example:443"], "TCP connections only")],
)
def test_a_socket_that_cannot_be_made_is_explained(grants: list[str], expected: str) -> None:
    code = f"""
        def refuse(self, *args, **kwargs):
            raise PermissionError(13, "Permission denied")
        socket.socket.__init__ = names._init(names.Names(tuple(map(parse_endpoint, {grants!r})), "demo"), refuse)
        result = words(socket.socket)
    """
    kind, number, words = run(code, grants)
    assert (kind, number) == ("PermissionError", 13)
    assert expected in words


def test_sockets_of_other_kinds_work_as_before() -> None:
    code = """
        import os, tempfile
        one, two = socket.socketpair()
        one.sendall(b"x")
        path = os.path.join(tempfile.mkdtemp(), "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        socket.socket(socket.AF_UNIX).connect(path)
        os.unlink(path)
        result = [two.recv(1).decode(), socket.socket().connect.__name__]
    """
    assert run(code) == ["x", "connect"]
