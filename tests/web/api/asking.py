"""Requests of the JSON API as clients make them, and what a request may have left behind."""

import io
from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from msgspec import Struct
from werkzeug.test import TestResponse

from cadence.parts import Parts
from cadence.web.api import OPERATIONS, PREFIX
from cadence.web.api.openapi import document
from tests.building import archive_bytes, plugin_files
from tests.web.api.schema import Document

JSON = "application/json"
_NO_JSON = ("text/plain", "application/zip", "text/event-stream")


class CheckedClient(FlaskClient):
    """A client that holds every answer against the OpenAPI document."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        request = response.request
        adapter = self.application.url_map.bind("localhost")
        if request.path.startswith(PREFIX) and adapter.test(request.path, request.method):
            rule, _ = adapter.match(request.path, request.method, return_rule=True)
            _check(request.method, rule.rule, response)
        return response


def _check(method: str, rule: str, response: TestResponse) -> None:
    judge = Document(document(OPERATIONS, PREFIX))
    operation = judge.operation(method, rule)
    if operation is not None and (file := response.content_type.partition(";")[0]) in _NO_JSON:
        assert file in operation["responses"][str(response.status_code)]["content"]
    elif operation is not None:
        assert response.content_type == JSON
        assert judge.faults(operation, response.status_code, response.json) == [], f"{method} {rule}: {response.text}"


def upload(
    client: FlaskClient,
    archive: bytes | None = None,
    filename: str = "demo_plugin-1.0.0.zip",
    headers: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> TestResponse:
    """Upload an archive as ``curl -F file=@…`` does; by default a plugin that works."""
    content = archive_bytes(plugin_files()) if archive is None else archive
    data = {"file": (io.BytesIO(content), filename), **(fields or {})}
    return client.post("/api/v1/plugins/upload", data=data, headers=headers)


def install(client: FlaskClient, version: str = "1.0.0", **options: Any) -> dict[str, Any]:
    """Install the demo plugin, which must succeed, and give the answer's JSON."""
    answer = upload(client, archive_bytes(plugin_files(version=version, **options)), f"demo_plugin-{version}.zip")
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def tools(source: str) -> bytes:
    """The demo plugin with these tools."""
    return archive_bytes(plugin_files(tools=source))


def call(client: FlaskClient, tool: str = "add", arguments: object = None, name: str = "demo_plugin") -> TestResponse:
    return client.post(
        f"/api/v1/plugins/{name}/tools/{tool}", json={"a": 2, "b": 3} if arguments is None else arguments
    )


def refused(answer: TestResponse, status: int, message: str) -> Any:
    """Assert that an answer is the seed's JSON for a failure, and give its details."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == JSON
    body = answer.get_json()
    assert body["success"] is False
    assert body["message"] == message
    assert "Traceback" not in answer.text
    return body["details"]


class Traces(Struct, frozen=True):
    """Everything an install may leave, but for its record."""

    folders: frozenset[str]
    archives: frozenset[str]
    staged: frozenset[str]
    uploads: frozenset[str]
    versions: frozenset[tuple[str, str]]
    pending: int
    environments: frozenset[str]


def traces(parts: Parts) -> Traces:
    settings, records = parts.settings, parts.index.versions()
    return Traces(
        folders=frozenset(parts.store.folders()),
        archives=frozenset(parts.store.archives()),
        staged=frozenset(parts.store.stagings()),
        uploads=frozenset(path.name for path in settings.archive_dir.glob(".uploads/*/*")),
        versions=frozenset((record.ref.slug, record.install_id) for record in records),
        pending=len(parts.index.pending_changes()),
        environments=frozenset(path.name for path in settings.instance.glob("environments/*") if path.name != ".locks"),
    )
