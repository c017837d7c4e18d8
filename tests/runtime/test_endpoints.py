import ipaddress
import socket
from struct import pack
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.runtime.destination import Destination, Destinations, Refused, Unresolved, is_inside, is_public, parse
from cadence_sdk._runtime.endpoint import Endpoint, parse_endpoint, stand_ins
from tests.runtime.confined import answering


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api.example.com:443", Endpoint("api.example.com", 443)),
        (" API.Example.COM.:443 ", Endpoint("api.example.com", 443)),
        ("bücher.example:80", Endpoint("xn--bcher-kva.example", 80)),
        ("_srv.host_1:1", Endpoint("_srv.host_1", 1)),
        ("db:65535", Endpoint("db", 65535)),
        ("localhost:80", Endpoint("localhost", 80)),
        ("LOCALHOST:80", Endpoint("localhost", 80)),
        ("10.0.0.5:80", Endpoint("10.0.0.5", 80)),
        ("169.254.169.254:80", Endpoint("169.254.169.254", 80)),
        ("[::1]:80", Endpoint("::1", 80)),
        ("[2001:DB8:0::1]:80", Endpoint("2001:db8::1", 80)),
        ("[::ffff:10.0.0.5]:80", Endpoint("10.0.0.5", 80)),
        ("private:db.internal:5432", Endpoint("db.internal", 5432, private=True)),
        ("Private:db.internal:5432", Endpoint("db.internal", 5432, private=True)),
        ("private:5432", Endpoint("private", 5432)),
        ("private:10.0.0.5:80", Endpoint("10.0.0.5", 80)),
        ("private:localhost:80", Endpoint("localhost", 80)),
        ("private:[::1]:80", Endpoint("::1", 80)),
    ],
)
def test_an_endpoint_is_read_and_written_back(text: str, expected: Endpoint) -> None:
    assert parse_endpoint(text) == expected
    assert parse_endpoint(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not an endpoint"),
        ("api.example.com", "not an endpoint"),
        (":443", "not an endpoint"),
        ("https://api.example.com:443", "scheme or path"),
        ("https://api.example.com", "scheme or path"),
        ("api.example.com:443/path", "scheme or path"),
        ("api.example.com:", "is not a port"),
        ("api.example.com:https", "is not a port"),
        ("api.example.com:0", "is not a port"),
        ("api.example.com:65536", "is not a port"),
        ("api.example.com:-1", "is not a port"),
        ("api.example.com:+80", "is not a port"),
        ("api.example.com:8\u0660", "is not a port"),
        ("api.example.com: 80", "is not a port"),
        ("api.example.com:1-80", "is not a port"),
        ("*:443", "is a pattern"),
        ("*.example.com:443", "is a pattern"),
        ("api.example.com:*", "is not a port"),
        ("::1:80", "IPv6 address stands in brackets"),
        ("[::1]", "is not a port"),
        ("[::g]:80", "not an IPv6 address"),
        ("[10.0.0.5]:80", "not an IPv6 address"),
        ("[fe80::1%eth0]:80", "names an interface"),
        ("a..b:80", "not a host name"),
        (".:80", "not a host name"),
        ("-a.example:80", "not a host name"),
        ("a b.example:80", "not a host name"),
        ("user@host.example:80", "not a host name"),
        ("a\0b:80", "not a host name"),
        (f"{'a' * 64}.example:80", "not a host name"),
        (f"{'a.' * 127}example:80", "not a host name"),
        ("127.1:80", "neither a host name nor an address"),
        ("2130706433:80", "neither a host name nor an address"),
        ("0x7f000001:80", "neither a host name nor an address"),
        ("0177.0.0.1:80", "neither a host name nor an address"),
        ("10.0.0.5.:80", "neither a host name nor an address"),
        ("10.0.0.0/8:80", "scheme or path"),
        ("0.0.0.0:80", "names no host"),
        ("[::]:80", "names no host"),
        ("[::ffff:0.0.0.0]:80", "names no host"),
        ("224.0.0.1:80", "is not the address of one host"),
        ("[ff02::1]:80", "is not the address of one host"),
        ("240.0.0.1:80", "is not the address of one host"),
        ("255.255.255.255:80", "is not the address of one host"),
    ],
)
def test_what_is_no_endpoint_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_endpoint(text)


@given(st.text())
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return
    assert parse_endpoint(str(endpoint)) == endpoint


def test_an_endpoint_crosses_the_wire() -> None:
    endpoint = parse_endpoint("private:db.internal:5432")
    assert msgspec.json.decode(msgspec.json.encode(endpoint), type=Endpoint) == endpoint


def test_only_names_have_stand_ins_and_one_each() -> None:
    endpoints = map(
        parse_endpoint, ["b.example:443", "a.example:80", "b.example:80", "localhost:1", "10.0.0.5:80", "[::1]:80"]
    )
    assert stand_ins(endpoints) == {"b.example": "240.0.0.1", "a.example": "240.0.0.2"}


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "1.1.1.1", "2606:2800:21f::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e", "192.1.0.1"],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
        *("192.168.0.1", "100.64.0.1", "100.127.255.255", "169.254.169.254", "192.0.0.8", "192.0.2.1"),
        *("192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
        *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:5db8:d70e::1"),
        *("2001:0:7f00:1::", "2001::1", "4000::1", "e000::1"),
    ],
)
def test_all_other_addresses_are_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"],
)
def test_own_networks_are_inside(address: str) -> None:
    assert is_inside(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "93.184.215.14"],
)
def test_what_is_nowhere_or_the_clouds_own_is_not_inside(address: str) -> None:
    assert not is_inside(ipaddress.ip_address(address))


def _to(address: str, port: int, scope: int = 0) -> Destination:
    return Destination(ipaddress.ip_address(address), port, scope)


def _found(grants: list[str], to: Destination, *answers: str) -> list[str]:
    endpoints = tuple(map(parse_endpoint, grants))
    return [str(address) for address in Destinations(endpoints, answering(list(answers))).addresses(to)]


def test_a_stand_in_leads_to_the_public_addresses_of_its_name() -> None:
    answers = ("93.184.215.14", "10.0.0.1", "2606:2800:21f::1", "fe80::1%3", "93.184.215.14")
    assert _found(["a.example:443"], _to("240.0.0.1", 443), *answers) == ["93.184.215.14", "2606:2800:21f::1"]


def test_a_private_name_may_lead_inside_but_not_to_the_clouds_own() -> None:
    grants = ["private:a.example:443"]
    assert _found(grants, _to("240.0.0.1", 443), "169.254.169.254", "10.0.0.1", "0.0.0.0") == ["10.0.0.1"]
    with pytest.raises(Refused, match="granted by itself"):
        _found(grants, _to("240.0.0.1", 443), "169.254.169.254")


@pytest.mark.parametrize("grants", [["a.example:1", "private:a.example:1"], ["private:a.example:1", "a.example:1"]])
def test_the_wider_of_two_grants_counts(grants: list[str]) -> None:
    assert _found(grants, _to("240.0.0.1", 1), "10.0.0.1") == ["10.0.0.1"]


def test_a_granted_address_is_itself_whatever_it_is() -> None:
    assert _found(["169.254.169.254:80"], _to("169.254.169.254", 80)) == ["169.254.169.254"]


@pytest.mark.parametrize(
    ("grants", "to"),
    [
        (["a.example:443"], _to("240.0.0.1", 80)),
        (["a.example:443"], _to("240.0.0.2", 443)),
        (["a.example:443"], _to("93.184.215.14", 443)),
        (["a.example:443", "b.example:80"], _to("240.0.0.1", 80)),
        (["localhost:80"], _to("127.0.0.2", 80)),
        (["localhost:80"], _to("0.0.0.0", 80)),
        (["localhost:80"], _to("127.0.0.1", 81)),
        (["[fe80::1]:80"], _to("fe80::1", 80, scope=2)),
        ([], _to("93.184.215.14", 443)),
    ],
)
def test_nothing_else_is_granted(grants: list[str], to: Destination) -> None:
    with pytest.raises(Refused, match="is not granted"):
        _found(grants, to, "93.184.215.14")


def test_not_more_than_some_addresses_are_tried() -> None:
    answers = [f"93.184.215.{number}" for number in range(1, 100)]
    assert _found(["a.example:1"], _to("240.0.0.1", 1), *answers) == answers[:8]


@pytest.mark.parametrize("answers", [[], ["not an address"], [""]])
def test_a_resolver_that_answers_nonsense_leads_nowhere(answers: list[Any]) -> None:
    with pytest.raises(Unresolved):
        _found(["a.example:1"], _to("240.0.0.1", 1), *answers)


def _ipv6(address: str, port: int, scope: int) -> bytes:
    return (
        pack("=H", socket.AF_INET6)
        + pack("!HI", port, 0)
        + socket.inet_pton(socket.AF_INET6, address)
        + pack("=I", scope)
    )


def test_socket_addresses_are_read() -> None:
    ipv4 = pack("=H", socket.AF_INET) + pack("!H", 443) + socket.inet_aton("10.0.0.5") + bytes(8)
    assert parse(ipv4) == _to("10.0.0.5", 443)
    assert parse(_ipv6("2001:db8::1", 80, 7)) == _to("2001:db8::1", 80, 7)
    assert parse(_ipv6("2001:db8::1", 80, 7)[:24]) == _to("2001:db8::1", 80)
    assert parse(_ipv6("::ffff:127.0.0.1", 80, 0)) == _to("127.0.0.1", 80)
    assert parse(pack("=H", socket.AF_UNIX) + b"/run/x") == socket.AF_UNIX


@given(st.binary(max_size=28))
def test_any_bytes_are_a_socket_address_or_none(data: bytes) -> None:
    try:
        found = parse(data)
    except ValueError:
        return
    assert isinstance(found, int | Destination)


@pytest.mark.parametrize("size", [0, 1, 2, 15])
def test_a_socket_address_that_is_cut_off_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"cut off|no address family"):
        parse((pack("=H", socket.AF_INET) + bytes(14))[:size])
