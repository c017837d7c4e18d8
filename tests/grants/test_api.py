"""``GET`` and ``PUT /api/v1/plugins/<name>/grants``."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.grants import AMOUNTS, MAX_REQUEST_BYTES
from tests.building import archive_bytes, plugin_files
from tests.conftest import parts_of
from tests.grants.plugins import CLINGING, PARTICULAR, SECRET, TELLING
from tests.web.api.asking import call, install, refused, upload

PATH = "/api/v1/plugins/demo_plugin/grants"
#: PluginMetadata is the last call in plugin.py; these stand at its end.
ASKING = 'dependencies=[], network=["api.example.com:443", "b:1"], memory_mb=700'


def asking(**options: Any) -> dict[str, str]:
    files = plugin_files(**options)
    return files | {"plugin.py": files["plugin.py"].replace("dependencies=[]", ASKING)}


def put(client: FlaskClient, raw: object) -> TestResponse:
    return client.put(PATH, json=raw)


def test_a_plugin_begins_with_nothing_granted_and_the_servers_limits(client: FlaskClient) -> None:
    install(client)
    answer = client.get(PATH).get_json()
    assert answer["grants"] == {"network": [], "env": {}} | dict.fromkeys(AMOUNTS)
    assert (answer["limits"]["memory_mb"], answer["limits"]["call_seconds"]) == (512, 20.0)
    assert answer["requested"] == {"network": [], "memory_mb": None}
    assert (answer["success"], answer["plugin_name"], answer["in_force"]) == (True, "demo_plugin", True)


def test_what_is_put_is_in_force_when_it_is_answered(client: FlaskClient) -> None:
    install(client, tools=TELLING)
    answer = put(client, {"memory_mb": 700, "call_seconds": 5, "env": {"KEY": SECRET}})
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["grants"]["memory_mb"], body["limits"]["memory_mb"], body["limits"]["threads"]) == (700, 700, 128)
    assert body["grants"]["env"] == {"KEY": None}
    assert (body["in_force"], body["message"]) == (True, "demo_plugin runs with these grants.")
    assert call(client, "env", {"name": "KEY"}).get_json()["result"] == SECRET
    assert client.get(PATH).get_json() == body


def test_put_takes_the_place_of_the_whole_and_null_keeps_a_value(client: FlaskClient) -> None:
    install(client, tools=TELLING)
    put(client, {"memory_mb": 700, "env": {"KEY": SECRET, "OTHER": "1"}})
    body = put(client, {"env": {"KEY": None}}).get_json()
    assert (body["grants"]["memory_mb"], body["grants"]["env"]) == (None, {"KEY": None})
    assert call(client, "env", {"name": "KEY"}).get_json()["result"] == SECRET
    assert call(client, "env", {"name": "OTHER"}).get_json()["result"] is None


def test_every_fault_is_told_and_nothing_is_changed(client: FlaskClient) -> None:
    install(client)
    put(client, {"threads": 64})
    details = refused(put(client, {"memory_mb": 1, "network": ["x"], "threads": 32}), 422, "Invalid grants")
    assert len(details) == 2
    assert client.get(PATH).get_json()["grants"]["threads"] == 64


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"env": {"A": "\xff"}}', b"[" * 5000])
def test_what_is_no_json_object_is_refused(client: FlaskClient, body: bytes) -> None:
    install(client)
    answer = client.put(PATH, data=body, content_type="application/json")
    assert "must be a JSON object with the grants" in refused(answer, 400, "Invalid request")


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    install(client)
    refused(put(client, {"env": {"A": "x" * MAX_REQUEST_BYTES}}), 413, "Request too large")


def test_a_plugin_that_is_not_installed_has_no_grants(client: FlaskClient) -> None:
    assert "demo_plugin" in refused(client.get(PATH), 404, "Not found")


def test_grants_the_plugin_does_not_start_with_are_refused_in_words(client: FlaskClient) -> None:
    install(client, tools=PARTICULAR)
    details = refused(put(client, {"env": {"MODE": "bad"}}), 422, "The plugin does not start with these grants")
    assert "no such mode" in details[0]
    assert details[-1] == "The grants are as they were, and so is the plugin."
    body = client.get(PATH).get_json()
    assert (body["grants"]["env"], body["in_force"]) == ({}, True)


def test_a_plugin_that_stops_for_what_was_withdrawn_is_said_to(client: FlaskClient) -> None:
    install(client, tools=CLINGING)
    put(client, {"env": {"KEY": SECRET}})
    body = put(client, {}).get_json()
    assert (body["success"], body["grants"]["env"], body["in_force"]) == (True, {}, False)
    assert body["message"].startswith("demo_plugin is not running: ")
    assert "the key is gone" in body["message"]
    assert call(client, "ping", {}).status_code == 503


def test_what_a_plugin_asks_for_is_shown_and_not_granted(client: FlaskClient) -> None:
    answer = upload(client, archive_bytes(asking()))
    assert answer.status_code == 201
    warnings = answer.get_json()["details"]["warnings"]
    told = [warning for warning in warnings if warning.startswith("It asks for")]
    assert len(told) == 3
    assert "flask plugins grant demo_plugin --network api.example.com:443" in told[0]
    wanted = {"network": ["api.example.com:443", "b:1"], "memory_mb": 700}
    body = client.get(PATH).get_json()
    assert (body["requested"], body["grants"]["network"], body["unmet"]) == (wanted, [], told)
    assert client.get("/api/v1/plugins/demo_plugin").get_json()["plugin"]["requested"] == wanted


def test_what_was_granted_is_not_asked_for_again(client: FlaskClient) -> None:
    upload(client, archive_bytes(asking()))
    body = put(client, {"memory_mb": 1024}).get_json()
    assert len(body["unmet"]) == 2
    answer = upload(client, archive_bytes(asking(version="2.0.0")), "demo_plugin-2.0.0.zip")
    assert len([w for w in answer.get_json()["details"]["warnings"] if "memory" in w]) == 0


def test_a_secret_is_nowhere_but_in_the_index_and_the_plugin(
    client: FlaskClient, app: Flask, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    installed = install(client, tools=TELLING)
    answers = [
        put(client, {"env": {"KEY": SECRET}}),
        put(client, {"env": {"KEY": SECRET, "A B": "x"}}),
        put(client, {"env": {"KEY": SECRET + "\0"}}),
        client.put(PATH, data=f'{{"env": {{"KEY": "{SECRET}"'.encode()),
        client.put(PATH, data=f'{{"env": "{SECRET}"}}'.encode()),
        client.get(PATH),
        client.get("/api/v1/plugins"),
        client.get("/api/v1/plugins/demo_plugin"),
        client.get("/api/v1/plugins/uploaded"),
        client.get("/api/v1/health"),
        client.post("/api/v1/plugins/reload"),
        client.get(f"/api/v1/installs/{installed['details']['install_id']}"),
        client.get("/"),
    ]
    assert call(client, "env", {"name": "KEY"}).get_json()["result"] == SECRET
    for answer in answers:
        assert SECRET not in answer.text, answer.request.path
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())
    parts = parts_of(app)
    assert SECRET not in str(parts.serving.logs.tail("demo_plugin", 1000))
    holders = {
        path.relative_to(parts.settings.instance).as_posix()
        for path in parts.settings.instance.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    }
    assert holders <= {"index.db", "index.db-wal"}
    assert holders


def test_the_document_describes_what_is_taken(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    schema = document["paths"]["/api/v1/plugins/{name}/grants"]["put"]["requestBody"]["content"]["application/json"]
    assert set(schema["schema"]["properties"]) == {"network", "env", *AMOUNTS}
