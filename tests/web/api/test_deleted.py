"""What was deleted can be brought back for a while."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.model import PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from cadence.storage.database import utc_now
from tests.building import archive_bytes, plugin_files
from tests.conftest import parts_of
from tests.web.api.asking import CheckedClient, call, install, refused, upload

DELETED = "/api/v1/plugins/deleted"
UPLOADED = "/api/v1/plugins/uploaded/demo_plugin"


def test_a_deletion_says_until_when_and_how_it_is_undone(client: FlaskClient, parts: Parts) -> None:
    install(client, "1.0.0")
    archive = parts.store.archive(PluginRef("demo_plugin", "1.0.0")).read_bytes()
    said = client.delete(f"{UPLOADED}/1.0.0").get_json()
    assert said["restorable_until"] > utc_now()
    assert said["restore"] == f"{DELETED}/demo_plugin/1.0.0/restore"
    refused(call(client), 404, "Not found")
    answer = client.post(said["restore"])
    assert answer.get_json() == {
        "success": True,
        "message": "demo_plugin 1.0.0 is active again.",
        "plugin_name": "demo_plugin",
        "plugin_version": "1.0.0",
        "activated": True,
    }
    assert call(client).get_json()["result"] == 5
    assert client.get(f"{UPLOADED}/1.0.0/archive", buffered=True).data == archive
    assert client.get(DELETED).get_json()["deleted"] == []


def test_what_can_be_brought_back_is_listed_the_latest_first(client: FlaskClient) -> None:
    assert client.get(DELETED).get_json() == {"success": True, "deleted": []}
    install(client, "1.0.0", description="Adds")
    install(client, "1.1.0", description="Adds more")
    for version in ("1.0.0", "1.1.0"):
        client.delete(f"{UPLOADED}/{version}")
    listed = client.get(DELETED).get_json()["deleted"]
    assert [(one["name"], one["version"], one["description"], one["was_active"]) for one in listed] == [
        ("demo_plugin", "1.1.0", "Adds more", True),
        ("demo_plugin", "1.0.0", "Adds", False),
    ]
    assert all(one["deleted_at"] < one["expires_at"] for one in listed)
    assert all(one["size_bytes"] > 0 for one in listed)


def test_what_was_not_active_is_installed_again_and_not_active(client: FlaskClient) -> None:
    install(client, "1.0.0")
    install(client, "1.1.0")
    client.delete(f"{UPLOADED}/1.0.0")
    body = client.post(f"{DELETED}/demo_plugin/1.0.0/restore").get_json()
    assert (body["activated"], body["message"]) == (False, "demo_plugin 1.0.0 is installed again.")
    assert call(client).get_json()["plugin_version"] == "1.1.0"


def test_what_was_active_is_active_again_in_the_place_of_its_fallback(client: FlaskClient) -> None:
    install(client, "1.0.0")
    install(client, "1.1.0")
    assert client.delete(f"{UPLOADED}/1.1.0").get_json()["active_version"] == "1.0.0"
    assert client.post(f"{DELETED}/demo_plugin/1.1.0/restore").get_json()["activated"] is True
    assert call(client).get_json()["plugin_version"] == "1.1.0"


def test_a_version_is_not_brought_back_twice(client: FlaskClient) -> None:
    install(client, "1.0.0")
    client.delete(f"{UPLOADED}/1.0.0")
    assert client.post(f"{DELETED}/demo_plugin/1.0.0/restore").status_code == 200
    answer = client.post(f"{DELETED}/demo_plugin/1.0.0/restore")
    assert answer.status_code == 409
    assert answer.get_json()["details"].startswith("demo_plugin 1.0.0 is installed")


def test_a_version_that_was_uploaded_again_takes_the_place_of_what_was_deleted(client: FlaskClient) -> None:
    install(client, "1.0.0")
    client.delete(f"{UPLOADED}/1.0.0")
    assert upload(client, archive_bytes(plugin_files(description="New"))).status_code == 201
    assert client.get(DELETED).get_json()["deleted"] == []
    assert client.post(f"{DELETED}/demo_plugin/1.0.0/restore").status_code == 409
    assert client.get("/api/v1/plugins/demo_plugin").get_json()["plugin"]["description"] == "New"


@pytest.mark.parametrize("ref", ["demo_plugin/9.9.9", "absent/1.0.0", "..%2f../1", "%00/%00", "x/" + "9" * 300])
def test_what_was_not_deleted_is_not_brought_back_and_leaves_nothing(
    client: FlaskClient, parts: Parts, ref: str
) -> None:
    before = sorted(parts.settings.instance.rglob("*"))
    refused(client.post(f"{DELETED}/{ref}/restore"), 404, "Not found")
    assert sorted(parts.settings.instance.rglob("*")) == before


@pytest.fixture
def forgetful(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(replace(settings, deleted_retention_days=0), zygote)
    app.test_client_class = CheckedClient
    parts_of(app).start(serve=True)
    yield app
    parts_of(app).close()


def test_without_retention_a_deletion_is_for_good_and_says_so(forgetful: Flask) -> None:
    client = forgetful.test_client()
    install(client, "1.0.0")
    said = client.delete(f"{UPLOADED}/1.0.0").get_json()
    assert (said["restorable_until"], said["restore"]) == (None, None)
    assert client.get(DELETED).get_json()["deleted"] == []
    refused(client.post(f"{DELETED}/demo_plugin/1.0.0/restore"), 404, "Not found")
