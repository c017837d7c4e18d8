"""Where a plugin may connect to: ``host:port``.

A host is a name, or an IP address, which for IPv6 stands in brackets. A name that leads to an address that is not
public is refused, so that nobody outside decides by a DNS record what a plugin reaches inside. What is inside is
granted as such: by its address (``10.0.0.5:5432``, ``[::1]:80``), as ``localhost:port``, or as a name that may be
private (``private:db.internal:5432``).
"""

import ipaddress
import re
from collections.abc import Iterable

from msgspec import Struct

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: What a worker that was granted endpoints first sends, with the descriptor by which the server answers its connects: a
#: descriptor needs a byte to travel with.
LISTENER_MARK = b"L"
LOCALHOST = "localhost"
#: What :data:`LOCALHOST` leads to, whatever the host's own files say.
LOOPBACK = ("127.0.0.1", "::1")
_PRIVATE_PREFIX = "private:"
_EXAMPLE = "Write it as host:port, such as api.example.com:443, [2001:db8::1]:443 or private:db.internal:5432."
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_MAX_NAME_CHARACTERS = 253  # RFC 1035, section 2.3.4, without the length bytes
#: Class E (RFC 1112, section 4): reserved, never routed; so an address of it can stand for a name.
_CLASS_E = ipaddress.ip_network("240.0.0.0/4")
#: Resolvers read names that end so as numbers (inet_aton(3): ``127.1``, ``0x7f000001``), hence as addresses.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Endpoint(Struct, frozen=True):
    """One endpoint. With ``private`` its name may resolve to an address that is not public.

    ``host`` is as :func:`parse_endpoint` gives it: a name in lower case and ASCII, or an address without brackets.
    """

    host: str
    port: int
    private: bool = False

    def __str__(self) -> str:
        return (_PRIVATE_PREFIX if self.private else "") + host_and_port(self.host, self.port)


def host_and_port(host: str, port: int | str) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_endpoint(text: str) -> Endpoint:
    """Read what an operator wrote.

    :param text: ``host:port`` or ``private:name:port``.
    :raises ValueError: in words that say what is wrong and how it is written.
    """
    rest = text.strip()
    if "/" in rest:
        raise ValueError(f"{text!r} is not an endpoint: it has a host and a port, and no scheme or path. {_EXAMPLE}")
    private = rest.lower().startswith(_PRIVATE_PREFIX) and rest.count(":") > 1
    host, colon, port = rest[len(_PRIVATE_PREFIX) if private else 0 :].rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not an endpoint. {_EXAMPLE}")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError(f"{port!r} in {text!r} is not a port: it is a number between 1 and 65535. {_EXAMPLE}")
    if host.startswith("[") and host.endswith("]"):
        return Endpoint(_granted(_ipv6(host[1:-1], text), text), int(port))
    if ":" in host:
        raise ValueError(f"{text!r} is not an endpoint: an IPv6 address stands in brackets. {_EXAMPLE}")
    address = literal(host)
    if address is not None:  # granted as such, whatever it is
        return Endpoint(_granted(address, text), int(port))
    name = normal_name(host)
    return Endpoint(name, int(port), private and name != LOCALHOST)


def normal_name(name: str) -> str:
    """A host name as it is compared: lower case, ASCII (IDNA, RFC 3490), without the dot at its end.

    :raises ValueError: in words, where it is no name of one host.
    """
    if "*" in name:
        raise ValueError(f"{name!r} is a pattern; each host is granted by its own name.")
    words = f"{name!r} is not a host name. {_EXAMPLE}"
    try:
        text = (name if name.isascii() else name.encode("idna").decode("ascii")).lower().removesuffix(".")
    except UnicodeError:
        raise ValueError(words) from None
    labels = text.split(".")
    if len(text) > _MAX_NAME_CHARACTERS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(words)
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError(f"{name!r} is neither a host name nor an address. Write an address as four numbers, 10.0.0.5.")
    return text


def literal(host: str) -> IPAddress | None:
    """The address that ``host`` is, without an IPv6 address around it, or None where it is a name."""
    try:
        return unmapped(ipaddress.ip_address(host))
    except ValueError:
        return None


def unmapped(address: IPAddress) -> IPAddress:
    """The address that is reached: an IPv4-mapped one (RFC 4291, section 2.5.5.2) is its IPv4 address."""
    return address.ipv4_mapped or address if address.version == 6 else address


def stand_ins(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """The addresses that stand for granted names in a worker, which cannot look names up: ``{host: address}``.

    They are 240.0.0.1, 240.0.0.2 … in the order of the endpoints, so that server and worker come to the same ones.
    Addresses and :data:`LOCALHOST` need none.
    """
    named = (endpoint.host for endpoint in endpoints if endpoint.host != LOCALHOST and literal(endpoint.host) is None)
    return {host: str(_CLASS_E[number]) for number, host in enumerate(dict.fromkeys(named), start=1)}


def _ipv6(text: str, whole: str) -> IPAddress:
    if "%" in text:
        raise ValueError(f"{whole!r} names an interface; an endpoint has an address alone.")
    try:
        return unmapped(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError(f"{text!r} in {whole!r} is not an IPv6 address. {_EXAMPLE}") from None


def _granted(address: IPAddress, text: str) -> str:
    """The address in its shortest form, where it is one that can be connected to."""
    if address.is_unspecified:
        raise ValueError(f"{text!r} names no host. For this machine write {LOCALHOST}:port.")
    if address.is_multicast or address in _CLASS_E:
        raise ValueError(f"{text!r} cannot be connected to: {address} is not the address of one host.")
    return str(address)
