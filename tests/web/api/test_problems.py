"""Every error under ``/api`` is the seed's JSON, whatever it is an error of; elsewhere it is a page."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence.parts import Parts
from tests.web.api.asking import refused


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1", "/api/v1/", "/api/v2/plugins", "/api/v1/plugins/", "/api/v1/x%00"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_is_not_found_in_json(client: FlaskClient, path: str, method: str) -> None:
    assert "/api/v1/openapi.json" in refused(client.open(path, method=method), 404, "Not found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/plugins/uploaded", {"GET"}),
        ("PUT", "/plugins/upload", {"POST"}),
        ("POST", "/plugins/uploaded/demo_plugin/1.0.0", {"DELETE", "GET"}),
        ("GET", "/plugins/demo_plugin/tools/add", {"POST"}),
        ("DELETE", "/installs", {"GET"}),
        ("POST", "/openapi.json", {"GET"}),
    ],
)
def test_a_method_that_is_not_taken_is_told_with_those_that_are(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(f"/api/v1{path}", method=method)
    refused(answer, 405, "Method Not Allowed")
    assert allowed <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("path", ["/plugins/upload", "/plugins/reload"])
def test_an_address_for_posts_is_no_plugin_when_it_is_read(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/api/v1{path}")
    refused(answer, 405, "Method Not Allowed")
    assert "POST" in answer.headers["Allow"]


def test_an_error_of_the_server_is_told_without_its_reason(
    app: Flask, client: FlaskClient, parts: Parts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(parts.index, "versions", broken)
    answer = client.get("/api/v1/plugins/uploaded")
    refused(answer, 500, "Something went wrong on the server")
    assert "secret" not in answer.text
    assert "a secret of the server" in caplog.text


def test_errors_elsewhere_are_pages(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_answers_forbid_to_be_taken_for_anything_else(client: FlaskClient) -> None:
    for path in ("/api/v1/health", "/api/v1/nowhere"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"] == "application/json"
