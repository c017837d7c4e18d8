"""``POST /plugins/validate``: an upload's answers, and nothing installed."""

import io
from collections.abc import Mapping

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.parts import Parts
from tests.building import archive_bytes, plugin_files
from tests.dependencies.shelf import Shelf
from tests.server.process import await_true
from tests.web.api.asking import install, refused, traces, upload


def validate(
    client: FlaskClient,
    archive: bytes | None = None,
    filename: str = "demo_plugin-1.0.0.zip",
    headers: Mapping[str, str] | None = None,
    **fields: str,
) -> TestResponse:
    content = archive_bytes(plugin_files()) if archive is None else archive
    data = {"file": (io.BytesIO(content), filename), **fields}
    return client.post("/api/v1/plugins/validate", data=data, headers=headers)


def needing(*dependencies: str) -> bytes:
    return archive_bytes(plugin_files(dependencies=dependencies))


def test_a_valid_plugin_is_answered_with_all_an_install_would_bring(
    client: FlaskClient, parts: Parts, shelf: Shelf
) -> None:
    shelf.wheel("pebble", "1.3")
    before = traces(parts)
    answer = validate(client, needing("pebble>=1.2", "pydantic", "cadence-sdk>=1.3.1,<2.0.0"))
    assert answer.status_code == 200
    body = answer.get_json()
    details = body.pop("details")
    assert body == {
        "success": True,
        "message": "Plugin is valid",
        "plugin_name": "demo_plugin",
        "plugin_version": "1.0.0",
    }
    added = details["dependencies"]["added"]
    assert [(one["name"], one["version"], one["requirement"]) for one in added] == [("pebble", "1.3", "pebble>=1.2")]
    assert [one.partition("==")[0] for one in details["dependencies"]["provided"]] == ["pydantic"]
    assert (details["dependencies"]["isolated"], details["dependencies"]["ready"]) == ([], False)
    assert (details["validation"], details["tried"], details["tools"]) == ("passed", False, [])
    assert (details["installed"], details["would_activate"]) == (False, True)
    assert any("not tried out" in words for words in details["warnings"])
    assert traces(parts) == before


def test_a_plugin_that_needs_nothing_is_tried_out(client: FlaskClient, parts: Parts) -> None:
    before = traces(parts)
    details = validate(client).get_json()["details"]
    assert (details["tried"], details["tools"], details["warnings"]) == (True, ["add"], [])
    assert details["dependencies"] == {"added": [], "provided": [], "isolated": [], "size_bytes": 0, "ready": True}
    assert details["to_install"] == "Upload it to install it."
    assert traces(parts) == before
    assert client.get("/api/v1/plugins").get_json()["plugins"] == []


def test_the_trial_is_run_with_packages_when_it_is_asked_for(client: FlaskClient, parts: Parts, shelf: Shelf) -> None:
    shelf.wheel("pebble", "1.3")
    before = traces(parts)
    details = validate(client, needing("pebble>=1.2"), trial="true").get_json()["details"]
    assert (details["tried"], details["tools"]) == (True, ["add"])
    await_true(lambda: traces(parts) == before, "the end of the environment")


def test_an_installed_version_is_said_to_need_force(client: FlaskClient) -> None:
    install(client)
    details = validate(client).get_json()["details"]
    assert details["installed"] is True
    assert "force_overwrite=true" in details["to_install"]


@pytest.mark.parametrize(
    "archive",
    [b"nothing", archive_bytes(plugin_files(files={"plugin.py": None})), needing("absent-package>=1")],
    ids=["archive", "inspect", "dependencies"],
)
def test_a_refusal_is_that_of_an_upload(client: FlaskClient, parts: Parts, shelf: Shelf, archive: bytes) -> None:
    before = traces(parts)
    checked, uploaded = validate(client, archive), upload(client, archive)
    assert checked.status_code == uploaded.status_code
    assert checked.get_json() == uploaded.get_json()
    assert traces(parts) == before


def test_a_request_that_is_no_upload_is_refused_as_one(client: FlaskClient) -> None:
    refused(client.post("/api/v1/plugins/validate"), 400, "No file provided")
    assert "trial must be true or false" in refused(validate(client, trial="perhaps"), 400, "Invalid request")
    assert "upgrade must be true or false" in refused(validate(client, upgrade="often"), 400, "Invalid request")


def test_a_check_can_be_followed(client: FlaskClient) -> None:
    accepted = validate(client, headers={"Prefer": "respond-async"})
    assert (accepted.status_code, accepted.get_json()["message"]) == (202, "Check started")

    def shown() -> dict[str, object]:
        found: dict[str, object] = client.get(accepted.headers["Location"]).get_json()["install"]
        return found

    await_true(lambda: shown()["state"] != "running", "the check's end")
    over = shown()
    assert (over["kind"], over["state"]) == ("check", "succeeded")
    assert over["result"] == "demo_plugin 1.0.0 is valid. Nothing was installed."
    stages, check = over["stages"], over["check"]
    assert isinstance(stages, list)
    assert [one["stage"] for one in stages][-1] == "trial"
    assert isinstance(check, dict)
    assert check["tried"] is True


def test_an_upgrade_is_resolved_anew(client: FlaskClient, shelf: Shelf) -> None:
    shelf.wheel("pebble", "1.3")
    assert upload(client, needing("pebble")).status_code == 201
    shelf.wheel("pebble", "1.4")

    def version(upgrade: str) -> str:
        (one,) = validate(client, needing("pebble"), upgrade=upgrade).get_json()["details"]["dependencies"]["added"]
        return str(one["version"])

    assert version(upgrade="false") == "1.3"
    assert version(upgrade="true") == "1.4"
    again = upload(client, needing("pebble"), fields={"force_overwrite": "true", "upgrade": "true"})
    assert again.status_code == 200
    assert "pebble==1.4" in client.get("/api/v1/plugins/uploaded/demo_plugin/1.0.0/lock").text
