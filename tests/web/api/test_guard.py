"""Who may speak to the server: its own machine, by its own names, and no page of another site."""

from collections.abc import Mapping

import pytest
from flask.testing import FlaskClient

from cadence.parts import Parts
from tests.web.api.asking import call, install, refused, traces, upload

FOREIGN: Mapping[str, dict[str, str]] = {
    "host": {"Host": "evil.example"},
    "host_with_port": {"Host": "evil.example:8000"},
    "private_address": {"Host": "10.0.0.1"},
    "looks_like_localhost": {"Host": "localhost.evil.example"},
    "user_before_host": {"Host": "localhost@evil.example"},
    "no_host": {"Host": ""},
    "open_bracket": {"Host": "[::1"},
    "name_in_brackets": {"Host": "[evil]"},
    "origin_of_another_port": {"Host": "localhost:8000", "Origin": "http://localhost:3000"},
    "origin_of_another_name": {"Host": "localhost:8000", "Origin": "http://127.0.0.1:8000"},
    "origin_of_another_scheme": {"Host": "localhost:8000", "Origin": "https://localhost:8000"},
    "origin_of_another_site": {"Host": "localhost:8000", "Origin": "http://evil.example"},
    "origin_null": {"Host": "localhost:8000", "Origin": "null"},
    "origin_empty": {"Host": "localhost:8000", "Origin": ""},
    "cross_site": {"Host": "localhost:8000", "Sec-Fetch-Site": "cross-site"},
}

OWN: Mapping[str, dict[str, str]] = {
    "localhost": {"Host": "localhost"},
    "in_capitals": {"Host": "LOCALHOST:8000"},
    "address": {"Host": "127.0.0.1:8000"},
    "another_loopback_address": {"Host": "127.0.0.2"},
    "version_6": {"Host": "[::1]:8000"},
    "version_6_without_port": {"Host": "[::1]"},
    "own_origin": {"Host": "localhost:8000", "Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
    "own_origin_version_6": {"Host": "[::1]:8000", "Origin": "http://[::1]:8000"},
    "typed_address": {"Host": "localhost:8000", "Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_a_request_from_elsewhere_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    refused(client.get("/api/v1/plugins", headers=headers), 403, "Forbidden")


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_a_page_from_elsewhere_is_refused_by_a_page(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.get("/plugins", headers=headers)
    assert (answer.status_code, answer.mimetype) == (403, "text/html")


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "::2", "", "fe80::1%eth0"])
def test_another_machine_is_refused(client: FlaskClient, address: str) -> None:
    answer = client.get("/api/v1/plugins", environ_overrides={"REMOTE_ADDR": address})
    refused(answer, 403, "Forbidden")


def test_addresses_forwarded_by_a_client_are_not_believed(client: FlaskClient) -> None:
    answer = client.get(
        "/api/v1/plugins",
        environ_overrides={"REMOTE_ADDR": "10.0.0.1"},
        headers={"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Forwarded-Host": "localhost"},
    )
    refused(answer, 403, "Forbidden")


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_a_request_of_this_machine_passes(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/api/v1/plugins", headers=headers).status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1"])
def test_each_loopback_address_passes(client: FlaskClient, address: str) -> None:
    assert client.get("/api/v1/plugins", environ_overrides={"REMOTE_ADDR": address}).status_code == 200


def test_a_foreign_page_can_neither_install_nor_call_nor_delete(client: FlaskClient, parts: Parts) -> None:
    install(client)
    before = traces(parts)
    foreign = FOREIGN["origin_of_another_site"]
    refused(upload(client, filename="other-1.0.0.zip", headers=foreign), 403, "Forbidden")
    refused(client.post("/api/v1/plugins/demo_plugin/tools/add", json={}, headers=foreign), 403, "Forbidden")
    refused(client.delete("/api/v1/plugins/uploaded/demo_plugin/1.0.0", headers=foreign), 403, "Forbidden")
    assert traces(parts) == before
    assert call(client).status_code == 200


def test_also_errors_and_files_are_only_for_this_machine(client: FlaskClient) -> None:
    for path in ("/nowhere", "/static/cadence.css", "/api/v1/nowhere", "/api/v1/openapi.json"):
        assert client.get(path, headers={"Host": "evil.example"}).status_code == 403
