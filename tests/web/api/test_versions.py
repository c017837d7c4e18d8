"""Which version answers, on whose word, as a client of the API sees it."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence import create_app
from cadence.config import Settings
from cadence.history import Reason
from cadence.model import PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.building import archive_bytes, plugin_files, write_folder
from tests.conftest import parts_of
from tests.web.api.asking import CheckedClient, call, install, refused, upload

DEMO = "/api/v1/plugins/demo_plugin"
BREAKABLE = """
    import os
    from cadence_sdk import tool

    @tool
    def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b

    TOOLS = [add]
    if os.environ.get("BROKEN"):
        raise RuntimeError("it does not load any more")
"""


def post(client: FlaskClient, action: str, body: object = None, name: str = "demo_plugin") -> TestResponse:
    """As ``curl -X POST`` does, with a body where there is one."""
    return (
        client.post(f"/api/v1/plugins/{name}/{action}", json=body)
        if body is not None
        else client.post(f"/api/v1/plugins/{name}/{action}")
    )


def done(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def answering(client: FlaskClient) -> str:
    answer = call(client)
    assert answer.status_code == 200, answer.text
    version: str = answer.get_json()["plugin_version"]
    return version


def shown(client: FlaskClient) -> dict[str, Any]:
    body: dict[str, Any] = done(client.get(DEMO))["plugin"]
    return body


def take_back(parts: Parts, version: str, words: str = "It crashed 3 times.") -> None:
    """As the guardian does when it has found a version to be bad."""
    record = parts.index.version(PluginRef("demo_plugin", version))
    assert record is not None
    assert parts.index.take_back(record.ref, record.install_id, Reason("crashes", words)) is not None
    parts.serving.reconciler.catch_up()


@pytest.fixture
def three(client: FlaskClient) -> FlaskClient:
    """With three versions, of which the highest is active."""
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        install(client, version)
    return client


def test_an_installed_version_is_activated_and_answers(three: FlaskClient) -> None:
    body = done(post(three, "activate", {"version": "1.0.0"}))
    assert body == {
        "success": True,
        "message": "demo_plugin 1.0.0 is active now, in the place of 2.0.0.",
        "plugin_name": "demo_plugin",
        "plugin_version": "1.0.0",
        "previous_version": "2.0.0",
        "pinned": False,
        "disabled": False,
    }
    assert answering(three) == "1.0.0"
    assert {version["version"]: version["active"] for version in shown(three)["versions"]} == {
        "1.0.0": True,
        "1.1.0": False,
        "2.0.0": False,
    }


def test_a_version_that_does_not_load_is_not_activated_and_the_other_answers_on(
    client: FlaskClient, parts: Parts
) -> None:
    install(client, "1.0.0", tools=BREAKABLE)
    install(client, "1.1.0")
    done(client.put(f"{DEMO}/grants", json={"env": {"BROKEN": "yes"}}))
    details = refused(post(client, "activate", {"version": "1.0.0"}), 422, "Plugin validation failed")
    assert "it does not load any more" in str(details)
    assert answering(client) == "1.1.0"
    assert shown(client)["version"] == "1.1.0"


@pytest.mark.parametrize(
    ("body", "sentences"),
    [
        ({}, ["version is missing."]),
        ({"version": 1}, ["version is of the wrong kind: Expected `str`, got `int`."]),
        ({"version": None}, ["version is of the wrong kind: Expected `str`, got `null`."]),
        ({"version": ["1.0.0"]}, ["version is of the wrong kind: Expected `str`, got `array`."]),
        ({"version": "1.0.0", "pin": "yes"}, ["pin is of the wrong kind: Expected `bool`, got `str`."]),
        ({"version": "1.0.0", "pim": True}, ["'pim' cannot be said here; what can is: version, pin, expected."]),
        (
            {"version": "1.0.0", **dict.fromkeys("fabcde")},
            ["'a', 'b', 'c' and 3 more cannot be said here; what can is: version, pin, expected."],
        ),
        (
            {"pin": 1, "\x1b[31m": 2},
            [
                r"'\x1b[31m' cannot be said here; what can is: version, pin, expected.",
                "version is missing.",
                "pin is of the wrong kind: Expected `bool`, got `int`.",
            ],
        ),
    ],
)
def test_every_fault_of_a_body_is_told_and_nothing_is_changed(
    three: FlaskClient, body: dict[str, object], sentences: list[str]
) -> None:
    details = refused(post(three, "activate", body), 400, "Invalid request")
    assert ([details] if isinstance(details, str) else details) == sentences
    assert shown(three)["version"] == "2.0.0"


def test_a_body_that_is_no_object_is_refused_in_words(client: FlaskClient) -> None:
    bodies = [b"[]", b"1.0.0", b'"1.0.0"', b"null", b'{"version": "\\ud800"}', b"\xff", b"{", b"[" * 10_000]
    for action, body in [("activate", b""), *product(("activate", "pin"), bodies)]:
        answer = client.post(f"{DEMO}/{action}", data=body, content_type="application/json")
        assert "version" in str(refused(answer, 400, "Invalid request"))


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    answer = client.post(f"{DEMO}/activate", json={"version": "1" * 100_000})
    refused(answer, 413, "Request too large")


def test_a_version_that_is_not_installed_is_not_found_whatever_it_is_called(client: FlaskClient, parts: Parts) -> None:
    install(client, "1.0.0")
    before = sorted(parts.settings.instance.rglob("locks/*"))
    versions = ["9.9.9", "", "..", "../../etc", "1.0.0\x00", "1.0.0'; DROP TABLE versions; --", "v" * 10_000, "1.0"]
    for action, version in product(("activate", "pin"), versions):
        details = refused(post(client, action, {"version": version}), 404, "Not found")
        assert details == f"demo_plugin {version} is not installed."
    assert sorted(parts.settings.instance.rglob("locks/*")) == before
    assert answering(client) == "1.0.0"


def test_nothing_is_done_with_a_plugin_that_is_not_there_and_nothing_is_left_behind(
    client: FlaskClient, parts: Parts
) -> None:
    before = sorted(parts.settings.instance.rglob("*"))
    actions = [("POST", action) for action in ("activate", "rollback", "pin", "unpin", "disable", "enable")]
    actions += [("GET", "history"), ("GET", "health"), ("POST", "health"), ("POST", "self-test")]
    names = ["absent", "..%2f..", "%00", "a" * 300, ".hidden", "demo_plugin%20", "%ff"]
    for (method, action), name in product(actions, names):
        body = {"version": "1.0.0"} if action in ("activate", "pin") else None
        answer = client.open(f"/api/v1/plugins/{name}/{action}", method=method, json=body)
        refused(answer, 404, "Not found")
    assert sorted(parts.settings.instance.rglob("*")) == before


def test_two_rollbacks_in_a_row_go_two_back_and_a_third_says_there_is_nothing(three: FlaskClient) -> None:
    assert shown(three)["rollback_version"] == "1.1.0"
    body = done(post(three, "rollback"))
    assert (body["plugin_version"], body["previous_version"]) == ("1.1.0", "2.0.0")
    assert answering(three) == "1.1.0"
    assert shown(three)["rollback_version"] == "1.0.0"
    assert done(post(three, "rollback"))["plugin_version"] == "1.0.0"
    assert shown(three)["rollback_version"] is None
    details = refused(post(three, "rollback"), 409, "Nothing to roll back to")
    assert "demo_plugin" in details
    assert answering(three) == "1.0.0"


def test_a_rollback_passes_by_what_was_deleted_and_what_was_taken_back(three: FlaskClient, parts: Parts) -> None:
    install(three, "3.0.0")
    take_back(parts, "3.0.0")
    assert shown(three)["version"] == "2.0.0"
    done(three.delete("/api/v1/plugins/uploaded/demo_plugin/1.1.0"))
    assert done(post(three, "rollback"))["plugin_version"] == "1.0.0"


def test_a_pinned_version_stays_though_a_higher_one_is_uploaded(client: FlaskClient) -> None:
    install(client, "1.0.0")
    body = done(post(client, "pin"))
    assert (body["plugin_version"], body["pinned"]) == ("1.0.0", True)
    assert shown(client)["pinned"] is True
    assert install(client, "2.0.0")["details"]["activated"] is False
    assert answering(client) == "1.0.0"
    assert done(post(client, "unpin"))["pinned"] is False
    assert answering(client) == "1.0.0"
    assert install(client, "3.0.0")["details"]["activated"] is True


def test_another_version_can_be_pinned_and_is_active_then(three: FlaskClient) -> None:
    body = done(post(three, "pin", {"version": "1.1.0"}))
    assert (body["plugin_version"], body["previous_version"], body["pinned"]) == ("1.1.0", "2.0.0", True)
    assert answering(three) == "1.1.0"
    assert done(post(three, "activate", {"version": "1.0.0", "pin": True}))["pinned"] is True
    assert (answering(three), shown(three)["pinned"]) == ("1.0.0", True)


def test_an_upload_that_asks_to_be_active_lifts_the_pin(client: FlaskClient) -> None:
    install(client, "1.0.0")
    done(post(client, "pin"))
    archive = archive_bytes(plugin_files(version="2.0.0"))
    assert upload(client, archive, "demo_plugin-2.0.0.zip", fields={"activate": "true"}).status_code == 201
    assert (answering(client), shown(client)["pinned"]) == ("2.0.0", False)


def test_deleting_a_pinned_version_falls_back_and_lifts_the_pin(three: FlaskClient) -> None:
    done(post(three, "pin"))
    assert done(three.delete("/api/v1/plugins/uploaded/demo_plugin/2.0.0"))["active_version"] == "1.1.0"
    assert (answering(three), shown(three)["pinned"]) == ("1.1.0", False)


def test_a_disabled_plugin_refuses_calls_until_it_is_enabled(client: FlaskClient) -> None:
    install(client, "1.0.0")
    body = done(post(client, "disable"))
    assert (body["plugin_version"], body["disabled"]) == ("1.0.0", True)
    assert "disabled" in refused(call(client), 503, "Plugin unavailable")
    plugin = shown(client)
    assert (plugin["status"], plugin["disabled"], plugin["health"]["state"]) == ("disabled", True, "disabled")
    assert client.get("/api/v1/health").get_json()["disabled"] == 1
    assert install(client, "2.0.0")["success"] is True
    refused(call(client), 503, "Plugin unavailable")
    body = done(post(client, "enable"))
    assert (body["plugin_version"], body["disabled"]) == ("2.0.0", False)
    assert answering(client) == "2.0.0"


def test_deciding_what_is_decided_already_changes_nothing(client: FlaskClient) -> None:
    install(client, "1.0.0")
    for action in ("pin", "pin", "unpin", "unpin", "disable", "disable", "enable", "enable"):
        done(post(client, action))
    done(post(client, "activate", {"version": "1.0.0"}))
    assert answering(client) == "1.0.0"
    assert shown(client)["rollback_version"] is None


def test_a_version_that_was_taken_back_says_why_and_an_operator_can_overrule(three: FlaskClient, parts: Parts) -> None:
    take_back(parts, "2.0.0", "It crashed 3 times: Segmentation fault.")
    plugin = shown(three)
    assert (plugin["version"], answering(three)) == ("1.1.0", "1.1.0")
    reasons = {version["version"]: version["quarantine"] for version in plugin["versions"]}
    assert reasons == {"2.0.0": "It crashed 3 times: Segmentation fault.", "1.1.0": None, "1.0.0": None}
    done(post(three, "activate", {"version": "2.0.0"}))
    assert answering(three) == "2.0.0"
    assert all(version["quarantine"] is None for version in shown(three)["versions"])


def test_a_plugin_of_which_everything_was_taken_back_says_so(client: FlaskClient, parts: Parts) -> None:
    install(client, "1.0.0")
    take_back(parts, "1.0.0", "It crashed 3 times.")
    plugin = shown(client)
    assert (plugin["status"], plugin["health"]["state"]) == ("quarantined", "quarantined")
    assert plugin["status_words"] == "1.0.0 was taken back: It crashed 3 times."
    assert "It crashed 3 times." in refused(call(client), 503, "Plugin unavailable")
    health = client.get("/api/v1/health").get_json()
    assert (health["status"], health["quarantined"], health["live"]) == ("degraded", 1, 0)


def test_the_history_tells_what_happened_newest_first_and_each_change_once(three: FlaskClient, parts: Parts) -> None:
    done(post(three, "rollback"))
    done(post(three, "activate", {"version": "2.0.0"}))
    done(post(three, "pin"))
    done(post(three, "unpin"))
    take_back(parts, "2.0.0", "It crashed.")
    done(post(three, "disable"))
    done(three.delete("/api/v1/plugins/uploaded/demo_plugin/1.0.0"))
    body = done(three.get(f"{DEMO}/history"))
    assert body["plugin_name"] == "demo_plugin"
    entries = body["history"]
    assert [(entry["kind"], entry["version"]) for entry in entries if entry["kind"] != "quarantined"] == [
        ("deleted", "1.0.0"),
        ("disabled", None),
        ("automatic_rollback", "1.1.0"),
        ("unpinned", None),
        ("pinned", "2.0.0"),
        ("activate", "2.0.0"),
        ("rollback", "1.1.0"),
        ("install", "2.0.0"),
        ("install", "1.1.0"),
        ("install", "1.0.0"),
    ]
    (quarantined,) = [entry for entry in entries if entry["kind"] == "quarantined"]
    assert (quarantined["version"], quarantined["words"]) == ("2.0.0", "It crashed.")
    moments = [entry["at"] for entry in entries]
    assert moments == sorted(moments, reverse=True)
    assert all(entry["label"] for entry in entries)
    assert [entry["changed"] for entry in entries].count(True) == 6


def test_the_history_of_what_was_deleted_can_still_be_read(client: FlaskClient) -> None:
    install(client, "1.0.0")
    done(client.delete("/api/v1/plugins/uploaded/demo_plugin/1.0.0"))
    kinds = [entry["kind"] for entry in done(client.get(f"{DEMO}/history"))["history"]]
    assert "deleted" in kinds


def test_as_much_of_the_history_is_given_as_is_asked_for(three: FlaskClient) -> None:
    assert len(done(three.get(f"{DEMO}/history?limit=2"))["history"]) == 2
    for limit in ("0", "-1", "501", "two", "", "1e2", "9" * 5000, "²"):
        details = refused(three.get(f"{DEMO}/history?limit={limit}"), 400, "Invalid request")
        assert details.startswith("limit must be a number from 1 to 500, not ")


def test_a_version_is_shown_with_what_it_says_of_itself(three: FlaskClient, parts: Parts) -> None:
    take_back(parts, "2.0.0")
    body = done(three.get("/api/v1/plugins/uploaded/demo_plugin/2.0.0"))["plugin"]
    record = parts.index.version(PluginRef("demo_plugin", "2.0.0"))
    assert record is not None
    assert (body["name"], body["version"], body["active"]) == ("demo_plugin", "2.0.0", False)
    assert (body["source"], body["sha256"]) == ("upload", record.sha256)
    assert (body["quarantine"], body["activated_at"]) == ("It crashed 3 times.", None)
    assert [tool["name"] for tool in body["tools"]] == ["add"]
    assert body["archive"] == "/api/v1/plugins/uploaded/demo_plugin/2.0.0/archive"
    active = done(three.get("/api/v1/plugins/uploaded/demo_plugin/1.1.0"))["plugin"]
    assert active["activated_at"] is not None


def test_an_archive_is_downloaded_as_it_was_uploaded(client: FlaskClient) -> None:
    archive = archive_bytes(plugin_files())
    assert upload(client, archive).status_code == 201
    answer = client.get("/api/v1/plugins/uploaded/demo_plugin/1.0.0/archive", buffered=True)
    assert (answer.status_code, answer.data) == (200, archive)
    assert answer.mimetype == "application/zip"
    assert answer.headers["Content-Disposition"] == "attachment; filename=demo_plugin-1.0.0.zip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert zipfile.ZipFile(io.BytesIO(answer.data)).testzip() is None


def test_there_is_nothing_of_a_version_that_is_not_installed(client: FlaskClient) -> None:
    install(client, "1.0.0")
    refs = ["absent/1.0.0", "demo_plugin/9", "..%5c/1", "demo_plugin/..", "demo_plugin/%00"]
    for ref, rest in product(refs, ["", "/archive", "/lock"]):
        refused(client.get(f"/api/v1/plugins/uploaded/{ref}{rest}"), 404, "Not found")


def test_an_archive_that_is_gone_from_the_disk_is_told(client: FlaskClient, parts: Parts) -> None:
    install(client)
    parts.store.archive(PluginRef("demo_plugin", "1.0.0")).unlink()
    answer = client.get("/api/v1/plugins/uploaded/demo_plugin/1.0.0/archive")
    assert "gone from the disk" in refused(answer, 404, "Not found")


def test_a_folder_put_in_by_hand_is_shown_as_such_and_has_no_archive(client: FlaskClient, parts: Parts) -> None:
    write_folder(parts.settings.plugin_dir / "by_hand-1.0.0", plugin_files("by_hand"))
    done(client.post("/api/v1/plugins/reload"))
    body = done(client.get("/api/v1/plugins/uploaded/by_hand/1.0.0"))["plugin"]
    assert (body["source"], body["archive"]) == ("directory", None)
    (version,) = done(client.get("/api/v1/plugins/by_hand"))["plugin"]["versions"]
    assert version["source"] == "directory"
    answer = client.get("/api/v1/plugins/uploaded/by_hand/1.0.0/archive")
    assert "put into the store as a folder" in refused(answer, 404, "Not found")


def test_a_plugin_says_how_often_it_was_called_and_that_it_is_new(client: FlaskClient) -> None:
    install(client)
    plugin = shown(client)
    assert (plugin["calls"], plugin["errors"], plugin["last_called_at"], plugin["is_new"]) == (0, 0, None, True)
    answering(client)
    refused(call(client, arguments={"a": "no"}), 422, "Invalid arguments")
    plugin = shown(client)
    assert (plugin["calls"], plugin["errors"]) == (2, 0)
    assert plugin["last_called_at"] is not None
    assert plugin["status"] == "live"
    assert (plugin["health"]["state"], plugin["health"]["last_check"]["healthy"]) == ("healthy", True)


@pytest.fixture
def safe(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    """Started in safe mode, after two versions were installed."""
    app = create_app(settings, zygote)
    app.test_client_class = CheckedClient
    for version in ("1.0.0", "1.1.0"):
        install(app.test_client(), version)
    parts_of(app).close()
    app = create_app(replace(settings, safe_mode=True), zygote)
    app.test_client_class = CheckedClient
    parts_of(app).start(serve=True)
    yield app
    parts_of(app).close()


def test_in_safe_mode_nothing_runs_and_everything_says_so(safe: Flask) -> None:
    client = safe.test_client()
    assert "safe mode" in refused(call(client), 503, "Plugin unavailable")
    assert "safe mode" in refused(upload(client), 503, "Plugin unavailable")
    assert "safe mode" in refused(post(client, "health"), 503, "Plugin unavailable")
    assert "safe mode" in refused(post(client, "self-test"), 503, "Plugin unavailable")
    health = client.get("/api/v1/health").get_json()
    assert (health["safe_mode"], health["status"], health["live"], health["stopped"]) == (True, "degraded", 0, 1)
    plugin = shown(client)
    assert plugin["status"] == "stopped"
    assert "safe mode" in plugin["status_words"]


def test_in_safe_mode_a_plugin_can_be_put_right(safe: Flask) -> None:
    client = safe.test_client()
    assert done(post(client, "rollback"))["plugin_version"] == "1.0.0"
    assert done(post(client, "activate", {"version": "1.1.0"}))["plugin_version"] == "1.1.0"
    assert done(post(client, "pin"))["pinned"] is True
    assert done(post(client, "disable"))["disabled"] is True
    assert done(post(client, "enable"))["disabled"] is False
    assert done(client.delete("/api/v1/plugins/uploaded/demo_plugin/1.1.0"))["active_version"] == "1.0.0"
    assert shown(client)["status"] == "stopped"


def test_health_does_not_say_safe_mode_elsewhere(client: FlaskClient) -> None:
    assert client.get("/api/v1/health").get_json()["safe_mode"] is False
