"""Where a worker wants to connect to, and which addresses that may lead to."""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from struct import unpack_from
from typing import Any, NamedTuple

from cadence_sdk._runtime.endpoint import (
    LOCALHOST,
    LOOPBACK,
    Endpoint,
    IPAddress,
    host_and_port,
    literal,
    stand_ins,
    unmapped,
)

#: As :func:`socket.getaddrinfo`: host, port, and ``type``.
Resolve = Callable[..., Sequence[tuple[Any, ...]]]

#: As large as the largest that is read, ``struct sockaddr_in6``; and the least of it that ``connect`` takes.
MAX_ADDRESS_BYTES = 28
_MIN_BYTES = {socket.AF_INET: 16, socket.AF_INET6: 24}
#: Addresses of one name that are tried.
_MAX_ADDRESSES = 8

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Beside what :mod:`ipaddress` calls not global, which differs with its version: protocol assignments, the relays of
#: 6to4, networks for tests; in IPv6 what tunnels to an IPv4 address (Teredo, 6to4), and documentation.
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "2001::/32", "2002::/16", "2001:db8::/32", "3fff::/20"),
    )
)
#: What a name may lead to that may be private: this machine, and networks of one's own (RFC 1918, 6598 and 4193).
#: Link-local addresses are not among them: behind 169.254.169.254 clouds keep the credentials of the machine.
_INSIDE = tuple(
    map(
        ipaddress.ip_network,
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7"),
    )
)


class Refused(Exception):
    """The connection is not to be made; the words say why."""


class NotGranted(Refused):
    """Nobody granted it, whatever it leads to."""


class Unresolved(Exception):
    """The name is granted but leads nowhere; the words say why."""


class Destination(NamedTuple):
    """What a worker put into ``connect``: for a granted name, the address that stands for it."""

    address: IPAddress
    port: int
    scope: int = 0


def parse(data: bytes) -> Destination | int:
    """Read a socket address.

    :param data: at most :data:`MAX_ADDRESS_BYTES` of it.
    :returns: the destination, or the address family where it is not one of IP.
    :raises ValueError: when it is too short.
    """
    if len(data) < 2:
        raise ValueError("no address family")
    (family,) = unpack_from("=H", data)
    if family not in _MIN_BYTES:
        return int(family)
    if len(data) < _MIN_BYTES[family]:
        raise ValueError("an address that is cut off")
    (port,) = unpack_from("!H", data, 2)
    if family == socket.AF_INET:
        return Destination(ipaddress.IPv4Address(data[4:8]), port)
    # Shorter addresses have no scope: SIN6_LEN_RFC2133.
    scope = unpack_from("=I", data, 24)[0] if len(data) >= MAX_ADDRESS_BYTES else 0
    return Destination(unmapped(ipaddress.IPv6Address(data[8:24])), port, scope)


def is_public(address: IPAddress) -> bool:
    """Whether an address is one of the internet, and leads nowhere else."""
    address = unmapped(address)
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:  # what names of IPv4 hosts lead to in networks of IPv6 (RFC 6052)
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_PUBLIC)


def is_inside(address: IPAddress) -> bool:
    """Whether an address is of this machine or of a network of one's own, so that a private name may lead to it."""
    return any(unmapped(address) in network for network in _INSIDE)


class Destinations:
    """What one worker may connect to.

    :param endpoints: what it was granted.
    :param resolve: looks a name up.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...], resolve: Resolve) -> None:
        self._resolve = resolve
        by_width = sorted(endpoints, key=lambda endpoint: endpoint.private)  # what is granted twice is so as private
        self._granted = {(endpoint.host, endpoint.port): endpoint for endpoint in by_width}
        self._names = {ipaddress.ip_address(address): host for host, address in stand_ins(endpoints).items()}

    def ways(self, endpoint: Endpoint) -> tuple[Destination, ...]:
        """What a worker's ``connect`` is given for an endpoint, in the order in which programs try them.

        :raises NotGranted: for a name that was not granted: a worker could not look it up.
        """
        if endpoint.host == LOCALHOST:
            hosts: tuple[str, ...] = LOOPBACK
        elif literal(endpoint.host) is not None:
            hosts = (endpoint.host,)
        else:
            hosts = tuple(str(address) for address, name in self._names.items() if name == endpoint.host)
        if not hosts:
            raise NotGranted(f"network access to {host_and_port(endpoint.host, endpoint.port)} is not granted")
        return tuple(Destination(ipaddress.ip_address(host), endpoint.port) for host in hosts)

    def describe(self, destination: Destination) -> str:
        """``host:port``, as an operator would grant it."""
        address = destination.address
        return host_and_port(self._names.get(address, str(address)), destination.port)

    def addresses(self, destination: Destination) -> tuple[IPAddress, ...]:
        """The addresses that may be connected to, in the order to try them. Looks the name up, anew each time.

        :raises Refused: when it was not granted (:class:`NotGranted`), or leads to what was not.
        :raises Unresolved: when the name leads nowhere.
        """
        address, port, scope = destination
        name = self._names.get(address)
        if name is not None and (name, port) in self._granted:
            return self._named(self._granted[name, port])
        literal = (str(address), port) in self._granted
        local = str(address) in LOOPBACK and (LOCALHOST, port) in self._granted
        if name is not None or scope or not (literal or local):
            raise NotGranted(f"network access to {self.describe(destination)} is not granted")
        return (address,)

    def _named(self, endpoint: Endpoint) -> tuple[IPAddress, ...]:
        found = self._look_up(endpoint)
        allowed = tuple(one for one in found if is_public(one) or (endpoint.private and is_inside(one)))
        if not allowed:
            raise Refused(_inside_words(endpoint, found[0]))
        return allowed[:_MAX_ADDRESSES]

    def _look_up(self, endpoint: Endpoint) -> list[IPAddress]:
        try:
            answers = self._resolve(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            # An address with a scope (%eth0) is link-local and so neither public nor inside; the scope may go.
            texts = [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in answers]
            found = [unmapped(ipaddress.ip_address(text)) for text in dict.fromkeys(texts)]
        except (OSError, UnicodeError, ValueError) as error:
            raise Unresolved(f"{endpoint.host} could not be looked up: {error}") from None
        if not found:
            raise Unresolved(f"{endpoint.host} has no address")
        return found


def _inside_words(endpoint: Endpoint, address: IPAddress) -> str:
    words = f"network access to {endpoint} is refused: it leads to {address}, which is not a public address"
    if endpoint.private:
        return f"{words}, nor one that a private name may lead to; such an address is granted by itself"
    if is_inside(address):
        return f"{words}; grant private:{endpoint} if it may"
    return words
