"""Attacks that speak to somebody over a network or a socket, or are there to be spoken to."""

import socket
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.attacks.attack import Attacks, Outcome, Run
from tests.attacks.stage import Stage
from tests.attacks.witness import answers_at, listening
from tests.server.process import free_port

ATTACKS = Attacks()
RAW = "raw sockets need CAP_NET_RAW"
HOME, HOME_SIX = "127.0.0.1", "::1"


def _multipath_missing() -> str:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError as error:
        return f"this kernel has no multipath TCP: {error.strerror}"
    return ""


def _says(tool: str, family: int, kind: int, host: str) -> Run:
    """Says something to a listener on loopback."""

    def run(stage: Stage) -> Outcome:
        with listening(family, kind, (host, 0)) as listener:
            text = uuid.uuid4().hex
            answer = stage.call("connector", tool, host=host, port=listener.port, text=text)
            return Outcome(answer, listener.heard(text))

    return run


for _tool in ("tcp", "create_connection", "tcp_without_waiting", "fast_open", "fast_open_message"):
    ATTACKS.add(f"connect_by_{_tool}", _says(_tool, socket.AF_INET, socket.SOCK_STREAM, HOME))
ATTACKS.add(
    "connect_by_multipath_tcp",
    _says("multipath_tcp", socket.AF_INET, socket.SOCK_STREAM, HOME),
    root=_multipath_missing(),
    ordinary=_multipath_missing(),
)
ATTACKS.add("connect_by_tcp_over_ipv6", _says("tcp_by_six", socket.AF_INET6, socket.SOCK_STREAM, HOME_SIX))
ATTACKS.add("send_by_udp", _says("udp", socket.AF_INET, socket.SOCK_DGRAM, HOME))
ATTACKS.add("send_by_udp_over_ipv6", _says("udp_by_six", socket.AF_INET6, socket.SOCK_DGRAM, HOME_SIX))
ATTACKS.add("send_by_raw_socket", _says("udp_raw", socket.AF_INET, socket.SOCK_DGRAM, HOME), ordinary=RAW)
ATTACKS.add("send_by_packet_socket", _says("udp_packet", socket.AF_INET6, socket.SOCK_DGRAM, HOME_SIX), ordinary=RAW)


def _says_past_a_permitted_one(tool: str) -> Run:
    """Says something to a listener by way of the endpoint that a plugin with grants may connect to."""

    def run(stage: Stage) -> Outcome:
        with listening(socket.AF_INET, socket.SOCK_STREAM, (HOME, 0)) as listener:
            text = uuid.uuid4().hex
            where = {"first": HOME, "first_port": stage.permitted.getsockname()[1], "host": HOME, "port": listener.port}
            answer = stage.call("connector", tool, **where, text=text)
            return Outcome(answer, listener.heard(text), untold=tool == "racing")

    return run


for _tool in ("reconnected", "racing"):
    ATTACKS.add(f"connect_by_{_tool}_socket", _says_past_a_permitted_one(_tool))


@ATTACKS.attack()
def ask_a_name_server(stage: Stage) -> Outcome:
    with listening(socket.AF_INET, socket.SOCK_DGRAM, (HOME, 0)) as resolver:
        label = uuid.uuid4().hex
        name = f"{label}.example"
        answer = stage.call("connector", "name_query", host=HOME, port=resolver.port, name=name)
        return Outcome(answer, resolver.heard(label))


def _says_by_unix(tool: str, kind: int, address: Callable[[Stage], str]) -> Run:
    """Says something to a listener at a Unix socket's address."""

    def run(stage: Stage) -> Outcome:
        stage.install("connector")
        where = address(stage)
        bound = "\0" + where[1:] if where.startswith("@") else where
        with listening(socket.AF_UNIX, kind, bound) as listener:
            if bound == where:
                Path(where).chmod(0o777)
            text = uuid.uuid4().hex
            answer = stage.call("connector", tool, address=where, text=text)
            return Outcome(answer, listener.heard(text))

    return run


def _abstract(_: Stage) -> str:
    return f"@cadence-attacks-{uuid.uuid4().hex}"


def _path(stage: Stage) -> str:
    return str(stage.outside / uuid.uuid4().hex)


def _path_in_its_data(stage: Stage) -> str:
    return str(stage.data("connector") / uuid.uuid4().hex[:8])


for _name, _address in {
    "abstract_socket": _abstract,
    "unix_path": _path,
    "unix_path_in_its_data": _path_in_its_data,
}.items():
    ATTACKS.add(f"connect_to_{_name}", _says_by_unix("unix_stream", socket.SOCK_STREAM, _address))
    for _tool in ("unix_datagram", "datagram_pair", "datagram_pair_connected"):
        ATTACKS.add(f"send_to_{_name}_by_{_tool}", _says_by_unix(_tool, socket.SOCK_DGRAM, _address))
ATTACKS.add(
    "reconnect_a_socket_it_has",
    _says_by_unix("channel_reconnected", socket.SOCK_STREAM, _abstract),
    root="a connected socket cannot be connected anew",
    ordinary="a connected socket cannot be connected anew",
)


@ATTACKS.attack()
def listen_by_tcp(stage: Stage) -> Outcome:
    port = free_port()
    answer = stage.call("connector", "listen", port=port)
    return Outcome(answer, answers_at(socket.AF_INET, (HOME, port)))


@ATTACKS.attack()
def listen_by_tcp_over_ipv6(stage: Stage) -> Outcome:
    port = free_port()
    answer = stage.call("connector", "listen_by_six", port=port)
    return Outcome(answer, answers_at(socket.AF_INET6, (HOME_SIX, port)))


@ATTACKS.attack()
def listen_without_binding(stage: Stage) -> Outcome:
    answer = stage.call("connector", "listen_unbound")
    return Outcome(answer, answer.ok and answers_at(socket.AF_INET, (HOME, answer.result)))


@ATTACKS.attack()
def listen_at_an_abstract_address(stage: Stage) -> Outcome:
    address = _abstract(stage)
    answer = stage.call("connector", "listen_unix", address=address)
    return Outcome(answer, answers_at(socket.AF_UNIX, "\0" + address[1:]))


@ATTACKS.attack()
def listen_at_a_unix_path(stage: Stage) -> Outcome:
    address = _path_in_its_data(stage)
    answer = stage.call("connector", "listen_unix", address=address)
    return Outcome(answer, answers_at(socket.AF_UNIX, address))


@ATTACKS.attack()
def list_the_hosts_interfaces(stage: Stage) -> Outcome:
    answer = stage.call("connector", "interfaces")
    return Outcome(answer, answer.result == [name for _, name in socket.if_nameindex()])


@ATTACKS.attack()
def ask_for_the_address_of_an_interface(stage: Stage) -> Outcome:
    answer = stage.call("connector", "device_address", name="lo")
    return Outcome(answer, answer.result == HOME)
