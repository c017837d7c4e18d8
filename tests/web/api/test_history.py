"""The history of plugins by the API: who did what from where, parts of it, and page by page."""

import io
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from cadence.origin import BY_ITSELF, current_origin
from cadence.parts import Parts
from tests.building import archive_bytes, plugin_files
from tests.web.api.asking import install, refused, upload

DEMO = "/api/v1/plugins/demo_plugin"


def history(client: FlaskClient, query: str = "", address: str = f"{DEMO}/history") -> list[dict[str, Any]]:
    answer = client.get(f"{address}{query}")
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.get_json()["history"]
    return entries


def of_page(client: FlaskClient, action: str, fields: dict[str, str]) -> None:
    """Do something by a form of a page."""
    page = client.get("/plugins/demo_plugin/versions").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token
    answer = client.post(f"/plugins/demo_plugin/{action}", data={"csrf_token": token[1], **fields})
    assert answer.status_code == 303, answer.text


def test_page_api_command_and_server_are_told_apart(client: FlaskClient, parts: Parts) -> None:
    installed = install(client, "1.0.0")
    of_page(client, "pin", {"shown": "1.0.0"})
    client.application.test_cli_runner().invoke(args=["plugins", "disable", "demo_plugin"])
    client.put(f"{DEMO}/grants", json={"memory_mb": 256})
    disabled, *rest = [entry for entry in history(client) if entry["kind"] != "granted"]
    assert (disabled["kind"], disabled["origin"]) == ("disabled", "command")
    assert disabled["client"]
    pinned, first = rest
    assert (pinned["kind"], pinned["origin"], pinned["client"]) == ("pinned", "page", "127.0.0.1")
    assert (first["kind"], first["origin"], first["client"]) == ("install", "api", "127.0.0.1")
    assert first["install_id"] == installed["details"]["install_id"]
    assert first["plugin_name"] == "demo_plugin"


def test_a_thread_that_served_somebody_acts_for_nobody_afterwards(client: FlaskClient) -> None:
    for path in ("/api/v1/plugins", "/plugins", "/api/v1/plugins/absent", "/static/favicon.svg", "/nowhere"):
        client.get(path).close()
        assert current_origin() == BY_ITSELF, path


def test_an_install_in_the_background_is_of_whoever_sent_it(client: FlaskClient, parts: Parts) -> None:
    """It runs in a thread of the server, which by itself acts for nobody."""
    accepted = upload(client, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    install_id = accepted.headers["Location"].rsplit("/", 1)[1]
    parts.serving.installer.close()  # waits for what runs; what has not begun is cancelled
    (entry,) = history(client)
    assert entry["kind"] in ("install", "install_cancelled")
    assert (entry["origin"], entry["client"], entry["install_id"]) == ("api", "127.0.0.1", install_id)


def test_what_is_refused_is_in_the_history_of_what_it_would_have_been(client: FlaskClient) -> None:
    broken = archive_bytes(plugin_files() | {"plugin.py": b"def (:"})
    assert upload(client, broken).status_code == 422
    (entry,) = history(client)
    assert (entry["kind"], entry["version"], entry["origin"]) == ("install_failed", "1.0.0", "api")
    assert entry["words"].startswith("Plugin validation failed: ")
    assert client.get(f"/api/v1/installs/{entry['install_id']}").status_code == 200


def test_a_forced_install_is_told_as_a_replacement(client: FlaskClient) -> None:
    install(client)
    assert upload(client, fields={"force_overwrite": "true"}).status_code == 200
    assert [entry["kind"] for entry in history(client)] == ["replaced", "install"]


def test_permissions_are_told_without_their_secrets_also_those_given_ahead(client: FlaskClient) -> None:
    client.put(f"{DEMO}/grants", json={"env": {"KEY": "s3cret"}})
    install(client)
    client.put(f"{DEMO}/grants", json={"env": {"KEY": "an0ther"}})
    answer = client.get(f"{DEMO}/history")
    granted = [(one["kind"], one["words"]) for one in answer.get_json()["history"] if "granted" in one["kind"]]
    assert granted == [("granted", "environment: KEY changed"), ("granted_ahead", "environment: KEY set")]
    assert "s3cret" not in answer.text + client.get("/api/v1/history").text


def test_a_reload_is_told_once_for_all_plugins(client: FlaskClient) -> None:
    install(client)
    assert client.post("/api/v1/plugins/reload").status_code == 200
    latest, *_ = history(client)
    assert (latest["kind"], latest["plugin_name"]) == ("reloaded", None)
    whole = history(client, address="/api/v1/history")
    assert [(one["kind"], one["plugin_name"]) for one in whole] == [("reloaded", None), ("install", "demo_plugin")]


@pytest.fixture
def busy(client: FlaskClient) -> FlaskClient:
    install(client, "1.0.0")
    install(client, "1.1.0")
    for action in ("pin", "unpin", "disable"):
        assert client.post(f"{DEMO}/{action}").status_code == 200
    return client


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("?kind=installs", ["install", "install"]),
        ("?kind=pinned", ["pinned"]),
        ("?kind=permissions", []),
        ("?version=1.0.0", ["install", "install"]),
        ("?version=1.1.0&kind=versions", ["pinned", "install"]),
        ("?origin=page", []),
        ("?origin=api&limit=1", ["disabled"]),
        ("?kind=&version=&origin=&limit=2", ["disabled", "unpinned"]),
    ],
)
def test_a_part_of_it_can_be_asked_for(busy: FlaskClient, query: str, kinds: list[str]) -> None:
    assert [entry["kind"] for entry in history(busy, query)] == kinds


@pytest.mark.parametrize("address", [f"{DEMO}/history", "/api/v1/history"])
def test_page_by_page_it_is_the_whole(busy: FlaskClient, address: str) -> None:
    found: list[str] = []
    answer = busy.get(address, query_string={"limit": "2"}).get_json()
    while True:
        found += [entry["kind"] for entry in answer["history"]]
        if answer["next"] is None:
            break
        answer = busy.get(address, query_string={"limit": "2", "before": answer["next"]}).get_json()
    assert found == ["disabled", "unpinned", "pinned", "install", "install"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?kind=x", "kind must be one of "),
        ("?origin=mars", "origin must be one of page, api, command, server, not 'mars'."),
        ("?before=yesterday", "before must be the `next` of another page, not 'yesterday'."),
        ("?before=2026-01-01T00:00:00%2B00:00~1~" + "9" * 30, "before must be the `next` of another page"),
        ("?version=" + "1" * 500, "version must be at most 200 characters long"),
        ("?before=%00%1b[31m", "before must be the `next` of another page"),
    ],
)
@pytest.mark.parametrize("address", [f"{DEMO}/history", "/api/v1/history"])
def test_what_makes_no_sense_is_refused_in_words(client: FlaskClient, address: str, query: str, words: str) -> None:
    install(client)
    details = refused(client.get(f"{address}{query}"), 400, "Invalid request")
    assert details.startswith(words)
    assert "\x1b" not in details


# Two who decide at once


def seen(client: FlaskClient) -> dict[str, Any]:
    """What a client knows of the plugin."""
    shown = client.get(DEMO).get_json()["plugin"]
    active = next(one for one in shown["versions"] if one["active"])
    return {
        "active_version": active["version"],
        "install_id": active["install_id"],
        "pinned": shown["pinned"],
        "disabled": shown["disabled"],
    }


@pytest.mark.parametrize("action", ["rollback", "pin", "disable", "activate"])
def test_a_decision_that_expects_something_else_changes_nothing(client: FlaskClient, action: str) -> None:
    install(client, "1.0.0")
    install(client, "1.1.0")
    expected = {key: value for key, value in seen(client).items() if key != "install_id"}
    assert client.post(f"{DEMO}/pin").status_code == 200
    body = {"expected": expected} | ({"version": "1.0.0"} if action == "activate" else {})
    details = refused(client.post(f"{DEMO}/{action}", json=body), 409, "Nothing was changed")
    assert details == ("demo_plugin changed since you looked: it is pinned now. Look at it again before you go on.")
    assert client.get(DEMO).get_json()["plugin"]["version"] == "1.1.0"
    assert client.post(f"{DEMO}/disable", json={"expected": seen(client)}).status_code == 200
    assert client.post(f"{DEMO}/enable", json={"expected": seen(client)}).status_code == 200
    assert client.post(f"{DEMO}/unpin", json={"expected": seen(client)}).status_code == 200


def test_an_expectation_that_is_misspelt_is_not_passed_over(client: FlaskClient) -> None:
    install(client)
    answer = client.post(f"{DEMO}/disable", json={"expected": {"active": "1.0.0"}})
    assert "active" in refused(answer, 400, "Invalid request")
    assert client.get(DEMO).get_json()["plugin"]["disabled"] is False


def test_only_the_install_that_is_meant_is_deleted_or_brought_back(client: FlaskClient) -> None:
    version = "/api/v1/plugins/uploaded/demo_plugin/1.0.0"
    install(client)
    first = client.get(version).get_json()["plugin"]["install_id"]
    data = {"file": (io.BytesIO(archive_bytes(plugin_files())), "demo_plugin-1.0.0.zip"), "force_overwrite": "true"}
    assert client.post("/api/v1/plugins/upload", data=data).status_code == 200
    answer = client.delete(f"{version}?install_id={first}")
    assert "1.0.0 is another install of that version now" in refused(answer, 409, "Nothing was changed")
    second = client.get(version).get_json()["plugin"]["install_id"]
    assert client.delete(f"{version}?install_id={second}").status_code == 200
    (deleted,) = client.get("/api/v1/plugins/deleted").get_json()["deleted"]
    assert deleted["install_id"] == second
    restore = "/api/v1/plugins/deleted/demo_plugin/1.0.0/restore"
    refused(client.post(f"{restore}?install_id={first}"), 409, "Nothing was changed")
    assert client.post(f"{restore}?install_id={second}").status_code == 200
