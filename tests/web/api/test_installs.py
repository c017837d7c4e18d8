"""Installs that a client does not wait for: 202, and an address where to follow them."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.parts import Parts
from tests.building import archive_bytes, plugin_files
from tests.server.process import await_true
from tests.web.api.asking import call, install, refused, traces, upload

NO_WAIT = {"Prefer": "respond-async"}


def followed(client: FlaskClient, accepted: TestResponse) -> dict[str, object]:
    """The install as it stands when it is over."""
    shown: dict[str, object] = {}

    def is_over() -> bool:
        shown.update(client.get(accepted.headers["Location"]).get_json()["install"])
        return shown["state"] != "running"

    await_true(is_over, "the install's end")
    return shown


@pytest.mark.parametrize("prefer", ["respond-async", "respond-async, wait=10", "wait=1; x=y,Respond-Async"])
def test_a_client_that_does_not_wait_is_told_where_to_follow(client: FlaskClient, prefer: str) -> None:
    accepted = upload(client, headers={"Prefer": prefer})
    assert accepted.status_code == 202
    assert accepted.headers["Preference-Applied"] == "respond-async"
    body = accepted.get_json()
    assert (body["success"], body["message"]) == (True, "Install started")
    assert accepted.headers["Location"] == f"/api/v1/installs/{body['install_id']}"
    shown = followed(client, accepted)
    assert (shown["state"], shown["plugin_name"], shown["plugin_version"]) == ("succeeded", "demo_plugin", "1.0.0")
    assert call(client).get_json()["result"] == 5


@pytest.mark.parametrize("prefer", ["wait=10", "return=minimal", "respond-asynchronously"])
def test_another_preference_is_no_reason_not_to_wait(client: FlaskClient, prefer: str) -> None:
    assert upload(client, headers={"Prefer": prefer}).status_code == 201


def test_an_install_shows_its_stages_with_their_times(client: FlaskClient) -> None:
    shown = followed(client, upload(client, headers=NO_WAIT))
    stages = shown["stages"]
    assert isinstance(stages, list)
    assert [stage["state"] for stage in stages] == ["done"] * 8
    assert all(stage["ms"] > 0 for stage in stages)


@pytest.mark.parametrize(
    ("archive", "filename", "stage", "words"),
    [
        (b"nothing", "demo_plugin-1.1.0.zip", "archive", "File is not a valid ZIP archive"),
        (archive_bytes(plugin_files()), "demo_plugin-1.0.0.zip", "exists", "installed already"),
        (
            archive_bytes(plugin_files(version="1.1.0", files={"tools.py": None})),
            "demo_plugin-1.1.0.zip",
            "inspect",
            "Missing required file: tools.py",
        ),
        (
            archive_bytes(plugin_files(version="1.1.0", tools="import absent_module\nTOOLS = []\n")),
            "demo_plugin-1.1.0.zip",
            "trial",
            "absent_module",
        ),
        (archive_bytes(plugin_files()), "nonsense.zip", "archive", "must be named"),
    ],
    ids=["archive", "exists", "inspect", "trial", "name"],
)
def test_a_failing_install_shows_what_was_wrong_and_leaves_nothing(
    client: FlaskClient, parts: Parts, archive: bytes, filename: str, stage: str, words: str
) -> None:
    install(client)
    before = traces(parts)
    accepted = upload(client, archive, filename, headers=NO_WAIT)
    assert accepted.status_code == 202
    shown = followed(client, accepted)
    assert shown["state"] == "failed"
    stages, faults = shown["stages"], shown["faults"]
    assert isinstance(stages, list)
    assert isinstance(faults, list)
    assert [one["stage"] for one in stages if one["state"] == "failed"] == [stage]
    assert any(words in fault["message"] for fault in faults)
    assert traces(parts) == before
    assert call(client).get_json()["plugin_version"] == "1.0.0"


def test_what_cannot_be_read_as_a_request_is_refused_at_once(client: FlaskClient) -> None:
    answer = client.post("/api/v1/plugins/upload", headers=NO_WAIT)
    refused(answer, 400, "No file provided")
    assert client.get("/api/v1/installs").get_json()["installs"] == []


def test_an_unknown_install_is_not_found(client: FlaskClient) -> None:
    assert "'absent'" in refused(client.get("/api/v1/installs/absent"), 404, "Not found")


def test_the_latest_installs_are_listed_the_newest_first(client: FlaskClient) -> None:
    install(client)
    upload(client, b"nothing", "demo_plugin-2.0.0.zip")
    listed = client.get("/api/v1/installs").get_json()["installs"]
    assert [(one["filename"], one["state"]) for one in listed] == [
        ("demo_plugin-2.0.0.zip", "failed"),
        ("demo_plugin-1.0.0.zip", "succeeded"),
    ]
