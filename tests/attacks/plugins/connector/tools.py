"""Speaks to whom it may not: each tool tries to bring bytes to a listener, or to be one."""

import ctypes
import fcntl
import os
import socket
import struct
import threading
import time

from cadence_sdk import tool

_libc = ctypes.CDLL(None, use_errno=True)

_MPTCP = 262  # linux/in.h
_IPV6 = 0x86DD  # linux/if_ether.h
_FAST_OPEN = 0x20000000  # MSG_FASTOPEN, linux/socket.h

#: What listens must not be collected.
_listening: list[socket.socket] = []


def _connect(connection: socket.socket, address: object, text: str) -> None:
    with connection:
        connection.settimeout(3)
        connection.connect(address)
        connection.sendall(text.encode())


@tool
def tcp(host: str, port: int, text: str) -> None:
    """By TCP."""
    _connect(socket.socket(), (host, port), text)


@tool
def tcp_by_six(host: str, port: int, text: str) -> None:
    """By TCP over IPv6."""
    _connect(socket.socket(socket.AF_INET6), (host, port), text)


@tool
def create_connection(host: str, port: int, text: str) -> None:
    """As libraries do it."""
    with socket.create_connection((host, port), 3) as connection:
        connection.sendall(text.encode())


@tool
def tcp_without_waiting(host: str, port: int, text: str) -> None:
    """By TCP, not waiting for the connection."""
    with socket.socket() as connection:
        connection.setblocking(False)
        error = connection.connect_ex((host, port))
        connection.setblocking(True)
        connection.settimeout(3)
        if error not in (0, 115):  # EINPROGRESS
            raise OSError(error, os.strerror(error))
        connection.sendall(text.encode())


@tool
def multipath_tcp(host: str, port: int, text: str) -> None:
    """By multipath TCP, which some checks of TCP do not know."""
    _connect(socket.socket(socket.AF_INET, socket.SOCK_STREAM, _MPTCP), (host, port), text)


@tool
def fast_open(host: str, port: int, text: str) -> None:
    """By TCP, with the first bytes, without connect(2)."""
    with socket.socket() as connection:
        connection.sendto(text.encode(), _FAST_OPEN, (host, port))


@tool
def fast_open_message(host: str, port: int, text: str) -> None:
    """The same by sendmsg(2)."""
    with socket.socket() as connection:
        connection.sendmsg([text.encode()], [], _FAST_OPEN, (host, port))


@tool
def reconnected(first: str, first_port: int, host: str, port: int, text: str) -> None:
    """Connect where it may, then connect the same socket to somewhere else."""
    with socket.socket() as connection:
        connection.settimeout(3)
        connection.connect((first, first_port))
        _dissolve(connection)
        connection.connect((host, port))
        connection.sendall(text.encode())


def _dissolve(connection: socket.socket) -> None:
    """Take the socket back to where it was before it was connected (connect(2), AF_UNSPEC)."""
    _libc.connect(connection.fileno(), bytes(16), 16)


@tool
def racing(first: str, first_port: int, host: str, port: int, text: str) -> int:
    """Connect where it may, with an address that changes while it is looked at; the number of connections."""
    allowed, wanted = (
        struct.pack("=HH4s8x", socket.AF_INET, socket.htons(number), socket.inet_aton(name))
        for name, number in ((first, first_port), (host, port))
    )
    address = ctypes.create_string_buffer(allowed, len(allowed))
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            for one in (wanted, allowed):
                ctypes.memmove(address, one, len(one))
                time.sleep(0.0001)

    changing = threading.Thread(target=change)
    connections = [socket.socket() for _ in range(60)]
    changing.start()
    try:
        return sum(_connected(one, address, text) for one in connections)
    finally:
        over.set()
        changing.join()


def _connected(connection: socket.socket, address: ctypes.Array[ctypes.c_char], text: str) -> bool:
    with connection:
        time.sleep(0.0003)
        connected = _libc.connect(connection.fileno(), address, len(address)) == 0
        if connected:
            connection.sendall(text.encode())
    return connected


@tool
def udp(host: str, port: int, text: str) -> None:
    """By UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), (host, port))


@tool
def udp_by_six(host: str, port: int, text: str) -> None:
    """By UDP over IPv6."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), (host, port))


@tool
def udp_raw(host: str, port: int, text: str) -> None:
    """By UDP, with a header of its own making."""
    payload = text.encode()
    header = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as sender:
        sender.sendto(header + payload, (host, 0))


@tool
def udp_packet(host: str, port: int, text: str) -> None:
    """By UDP over IPv6, as a frame given to the loopback device."""
    payload = text.encode()
    address, length = socket.inet_pton(socket.AF_INET6, host), 8 + len(payload)
    # The sum that is checked covers addresses, length and protocol too.
    summed = address + address + struct.pack("!II", length, socket.IPPROTO_UDP)
    summed += struct.pack("!HHHH", 40000, port, length, 0) + payload + b"\0" * (len(payload) % 2)
    checksum = ~_folded(sum(struct.unpack(f"!{len(summed) // 2}H", summed))) & 0xFFFF
    datagram = struct.pack("!HHHH", 40000, port, length, checksum) + payload
    header = struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, 64) + address + address
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV6)) as sender:
        sender.sendto(header + datagram, ("lo", _IPV6, 0, 0, b"\0" * 6))


def _folded(total: int) -> int:
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@tool
def name_query(host: str, port: int, name: str) -> None:
    """Ask a name server."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect((host, port))
        asker.send(query)


@tool
def unix_stream(address: str, text: str) -> None:
    """By a Unix socket; an address that begins with @ is abstract."""
    _connect(socket.socket(socket.AF_UNIX), _unix(address), text)


@tool
def unix_datagram(address: str, text: str) -> None:
    """By a Unix datagram socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), _unix(address))


@tool
def datagram_pair(address: str, text: str) -> None:
    """By one of a pair of Unix datagram sockets, which is connected but can send elsewhere."""
    one, _other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(text.encode(), _unix(address))


@tool
def datagram_pair_connected(address: str, text: str) -> None:
    """By one of such a pair, connected anew."""
    one, _other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.connect(_unix(address))
    one.send(text.encode())


@tool
def channel_reconnected(address: str, text: str) -> None:
    """By the sockets that this process has already, made to lead elsewhere."""
    for number in range(1024):
        try:
            os.fstat(number)
            candidate = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        with candidate:
            try:
                candidate.connect(_unix(address))
                candidate.sendall(text.encode())
            except OSError:
                continue
            return
    raise ConnectionRefusedError("no socket would")


def _unix(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address


@tool
def listen(port: int) -> None:
    """Take connections."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    _hold(server)


@tool
def listen_by_six(port: int) -> None:
    """Take connections over IPv6."""
    server = socket.socket(socket.AF_INET6)
    server.bind(("::1", port))
    _hold(server)


@tool
def listen_unbound() -> int:
    """Take connections at a port of the kernel's choice, without bind(2); gives the port."""
    server = socket.socket()
    _hold(server)
    return int(server.getsockname()[1])


@tool
def listen_unix(address: str) -> None:
    """Take connections at a Unix socket's address."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(_unix(address))
    _hold(server)


def _hold(server: socket.socket) -> None:
    server.listen()
    _listening.append(server)


@tool
def interfaces() -> list[str]:
    """The host's network devices, asked by netlink."""
    return [name for _, name in socket.if_nameindex()]


@tool
def device_address(name: str) -> str:
    """The address of one of them, asked by ioctl(2)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, 0x8915, struct.pack("256s", name.encode()))
    return socket.inet_ntoa(answer[20:24])


TOOLS = [
    tcp,
    tcp_by_six,
    create_connection,
    tcp_without_waiting,
    multipath_tcp,
    fast_open,
    fast_open_message,
    reconnected,
    racing,
    udp,
    udp_by_six,
    udp_raw,
    udp_packet,
    name_query,
    unix_stream,
    unix_datagram,
    datagram_pair,
    datagram_pair_connected,
    channel_reconnected,
    listen,
    listen_by_six,
    listen_unbound,
    listen_unix,
    interfaces,
    device_address,
]
