"""Host names in a worker, which has no way to look them up: granted ones lead to the addresses that stand for them.

This is for convenience, that libraries work as they are and errors say what to do; nothing here is relied on for
safety. The server answers ``connect`` (:mod:`cadence_sdk._runtime.lockdown.connect`): it knows what a stand-in stands
for, and looks the name up itself. TLS is not concerned: certificates are checked against the name a program asked for.
"""

import functools
import socket
from collections.abc import Callable
from typing import Any

from cadence_sdk._runtime.endpoint import (
    LOCALHOST,
    LOOPBACK,
    Endpoint,
    host_and_port,
    literal,
    normal_name,
    stand_ins,
)

#: What :func:`socket.getaddrinfo` returns.
_Answers = list[tuple[Any, ...]]


def install(endpoints: tuple[Endpoint, ...] = (), plugin: str = "") -> "Names":
    """Have this process's :mod:`socket` know the granted names and no others, and explain what is refused.

    ``loop.getaddrinfo`` of asyncio, ``socket.create_connection`` and libraries ask :mod:`socket` in turn; only
    ``connect`` of a socket, given a name, would look it up by itself.

    :returns: what it knows, to which a worker adds what it was granted: the rest is done once, for all of them, and
        costs none of them memory of its own.
    """
    names = Names(endpoints, plugin)
    lookups: dict[str, Callable[..., Any]] = {
        "getaddrinfo": _getaddrinfo(names, socket.getaddrinfo),
        "gethostbyname": lambda hostname: names.ipv4(hostname),
        "gethostbyname_ex": lambda hostname: (hostname, [], [names.ipv4(hostname)]),
    }
    for name, function in lookups.items():
        setattr(socket, name, function)
    methods: dict[str, Callable[..., Any]] = {
        "__init__": _init(names, socket.socket.__init__),
        "connect": _connect(names, socket.socket.connect),
        "connect_ex": _connect_ex(names, socket.socket.connect_ex),
    }
    for name, method in methods.items():
        setattr(socket.socket, name, method)
    return names


class Names:
    """What the worker knows about hosts."""

    def __init__(self, endpoints: tuple[Endpoint, ...], plugin: str) -> None:
        self.grant(endpoints, plugin)

    def grant(self, endpoints: tuple[Endpoint, ...], plugin: str) -> None:
        """Know these from now on, and no others.

        :param plugin: its name, for the words.
        """
        self._plugin = plugin
        self._endpoints = frozenset((endpoint.host, endpoint.port) for endpoint in endpoints)
        addresses = stand_ins(endpoints)
        self._names = {address: host for host, address in addresses.items()}
        self._addresses: dict[str, tuple[str, ...]] = {host: (address,) for host, address in addresses.items()}
        granted = {endpoint.host for endpoint in endpoints}
        loopback = LOOPBACK if LOCALHOST in granted else tuple(sorted(filter(_is_loopback, granted)))
        if loopback:
            self._addresses[LOCALHOST] = loopback

    def addresses(self, host: str | bytes, port: object = None) -> tuple[str, ...]:
        """The addresses of a host, without a look-up.

        :raises socket.gaierror: in words, when its name was not granted.
        """
        text = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
        if literal(text.partition("%")[0]) is not None:
            return (text,)
        try:
            found = self._addresses.get(normal_name(text))
        except ValueError:
            found = None
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, self._words(text, port))
        return found

    def ipv4(self, host: str | bytes) -> str:
        """The IPv4 address of a host.

        :raises socket.gaierror: in words, when its name was not granted, or it has none.
        """
        for address in self.addresses(host):
            if ":" not in address:
                return address
        raise socket.gaierror(socket.EAI_ADDRFAMILY, f"{host!r} has no IPv4 address")

    def without_name(self, family: int, address: Any) -> Any:
        """What ``connect`` was given, with an address in place of a host name.

        :raises socket.gaierror: in words, when the name was not granted.
        """
        if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple) or not address:
            return address
        host, *rest = address
        if not host or not isinstance(host, str | bytes | bytearray) or host == "<broadcast>":
            return address
        found = self.addresses(bytes(host) if isinstance(host, bytearray) else host, rest[0] if rest else None)
        if family == socket.AF_INET:
            return (next((one for one in found if ":" not in one), found[0]), *rest)
        return (next((one for one in found if ":" in one), f"::ffff:{found[0]}"), *rest)

    def refusal(self, address: Any) -> str:
        """Why a socket could not be connected to ``address``, as it was given to ``connect``."""
        if not isinstance(address, tuple) or len(address) < 2:
            return f"Access to {address!r} is not granted: a plugin can be granted TCP connections only."
        host, port = self._names.get(str(address[0]), str(address[0])), address[1]
        if (host, port) in self._endpoints and literal(host) is None:
            private = Endpoint(host, port, private=True)
            return f"{host_and_port(host, port)} leads to an address that is not public. {self._how(str(private))}"
        return self._words(host, port)

    def no_socket(self) -> str:
        """Why a socket could not be made."""
        if self._endpoints:
            return "A plugin can be granted TCP connections only; other sockets cannot be made."
        return f"Network access is not granted. {self._how('host:port')}"

    def _words(self, host: str, port: object) -> str:
        endpoint = host_and_port(host, port if isinstance(port, int | str) and port else "port")
        return f"Network access to {endpoint} is not granted. {self._how(endpoint)}"

    def _how(self, endpoint: str) -> str:
        return f"An operator can grant it: flask plugins grant {self._plugin} --network {endpoint}"


def _is_loopback(host: str) -> bool:
    address = literal(host)
    return address is not None and address.is_loopback


def _getaddrinfo(names: Names, original: Callable[..., _Answers]) -> Callable[..., _Answers]:
    def getaddrinfo(
        host: str | bytes | None,
        port: str | bytes | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> _Answers:
        """As :func:`socket.getaddrinfo`, for what the plugin was granted."""
        if not host or flags & socket.AI_NUMERICHOST:
            return original(host, port, family, type, proto, flags | (socket.AI_NUMERICHOST if host else 0))
        addresses = names.addresses(host, port.decode() if isinstance(port, bytes) else port)
        # Which families the worker's own, empty network has says nothing about the server's.
        numeric = (flags | socket.AI_NUMERICHOST) & ~socket.AI_ADDRCONFIG
        answers: _Answers = []
        for address in addresses:
            try:
                answers += original(address, port, family, type, proto, numeric)
            except socket.gaierror:
                if len(addresses) == 1:  # else another address is of the family
                    raise
        if not answers:
            raise socket.gaierror(socket.EAI_ADDRFAMILY, f"{host!r} has no address of this family")
        name = host.decode() if isinstance(host, bytes | bytearray) else host
        return [(*answer[:3], answer[3] and name, *answer[4:]) for answer in answers]

    return getaddrinfo


def _init(names: Names, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: N807  (it becomes one)
        try:
            original(self, *args, **kwargs)
        except PermissionError as error:
            raise PermissionError(error.errno, names.no_socket()) from None

    return functools.wraps(original)(__init__)


def _connect(names: Names, original: Callable[..., None]) -> Callable[..., None]:
    def connect(self: socket.socket, address: Any, /) -> None:
        try:
            original(self, names.without_name(self.family, address))
        except PermissionError as error:
            raise PermissionError(error.errno, names.refusal(address)) from None

    return functools.wraps(original)(connect)


def _connect_ex(names: Names, original: Callable[..., int]) -> Callable[..., int]:
    def connect_ex(self: socket.socket, address: Any, /) -> int:
        return original(self, names.without_name(self.family, address))

    return functools.wraps(original)(connect_ex)
