"""An install's log, counts and end on request, and what it left: the lock and the environment."""

import threading
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from cadence.config import Settings
from cadence.dependencies.installation import Dependencies
from cadence.parts import Parts
from tests.building import archive_bytes, plugin_files
from tests.dependencies.shelf import Shelf
from tests.installs.uploads import GATED, Gate
from tests.server.process import PATIENCE_SECONDS, await_true
from tests.web.api.asking import install, refused, traces, upload

NO_WAIT = {"Prefer": "respond-async"}


@pytest.fixture
def gated(client: FlaskClient, settings: Settings) -> str:
    """The address of an install that waits in its trial."""
    accepted = upload(client, archive_bytes(plugin_files(tools=GATED)), headers=NO_WAIT)
    Gate(settings, "demo_plugin").await_waiting()
    return str(accepted.headers["Location"])


def test_the_log_of_an_install_is_read_from_any_line(client: FlaskClient, shelf: Shelf) -> None:
    shelf.wheel("pebble")
    details = install(client, dependencies=("pebble",))["details"]
    address = f"/api/v1/installs/{details['install_id']}/log"
    body = client.get(address).get_json()
    assert (body["success"], body["state"]) == (True, "succeeded")
    lines = body["lines"]
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["stage"] for line in lines} == {"dependencies"}
    assert client.get(f"{address}?after=1").get_json()["lines"] == lines[1:]
    assert client.get(f"{address}?after={len(lines)}").get_json()["lines"] == []


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "", "9" * 30, "²"])
def test_a_line_that_has_no_number_is_refused(client: FlaskClient, after: str) -> None:
    details = install(client)["details"]
    answer = client.get(f"/api/v1/installs/{details['install_id']}/log", query_string={"after": after})
    assert "after must be the number of a line" in refused(answer, 400, "Invalid request")


def test_the_log_of_an_unknown_install_is_not_found(client: FlaskClient) -> None:
    refused(client.get("/api/v1/installs/absent/log"), 404, "Not found")


def test_a_running_install_shows_its_log_and_its_counts(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, go_on = threading.Event(), threading.Event()
    plan: Callable[..., object] = Dependencies.plan

    def counting(self: Dependencies, order: object, progress: object, **more: object) -> object:
        progress.say("Downloading pebble")  # type: ignore[attr-defined]  # a Progress
        progress.count(3, 12)  # type: ignore[attr-defined]  # as above
        counted.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return plan(self, order, progress, **more)

    monkeypatch.setattr(Dependencies, "plan", counting)
    address = upload(client, headers=NO_WAIT).headers["Location"]
    assert counted.wait(PATIENCE_SECONDS)
    stages = {one["stage"]: one for one in client.get(address).get_json()["install"]["stages"]}
    assert (stages["dependencies"]["done"], stages["dependencies"]["total"]) == (3, 12)
    assert "done" not in stages["inspect"]
    log = client.get(f"{address}/log").get_json()
    assert (log["state"], log["lines"]) == (
        "running",
        [{"n": 1, "stage": "dependencies", "text": "Downloading pebble"}],
    )
    go_on.set()
    await_true(lambda: client.get(address).get_json()["install"]["state"] == "succeeded", "the install's end")
    (after,) = [one for one in client.get(address).get_json()["install"]["stages"] if "done" in one]
    assert (after["stage"], after["done"], after["total"]) == ("dependencies", 3, 12)


def test_a_running_install_is_cancelled(client: FlaskClient, parts: Parts, gated: str) -> None:
    answer = client.delete(gated)
    assert answer.status_code == 200
    shown = answer.get_json()["install"]
    assert (shown["state"], shown["result"]) == ("cancelled", "The install was cancelled. Nothing was changed.")
    assert traces(parts).versions == frozenset()
    assert traces(parts).staged == traces(parts).uploads == frozenset()
    assert "is over: it was cancelled" in refused(client.delete(gated), 409, "Install not cancelled")


def test_an_install_that_is_over_or_unknown_is_not_cancelled(client: FlaskClient) -> None:
    details = install(client)["details"]
    answer = client.delete(f"/api/v1/installs/{details['install_id']}")
    assert "is over: it succeeded" in refused(answer, 409, "Install not cancelled")
    refused(client.delete("/api/v1/installs/absent"), 404, "Not found")


def test_the_lock_of_a_version_can_be_downloaded(client: FlaskClient, shelf: Shelf) -> None:
    shelf.wheel("beta", "2.0")
    shelf.wheel("alpha", "1.0", requires=["beta"])
    install(client, dependencies=("alpha",))
    answer = client.get("/api/v1/plugins/uploaded/demo_plugin/1.0.0/lock")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert answer.headers["Content-Disposition"] == "attachment; filename=demo_plugin-1.0.0-lock.txt"
    first, second = answer.text.splitlines()
    assert first.startswith("alpha==1.0 --hash=sha256:")
    assert second.startswith("beta==2.0 --hash=sha256:")
    assert str(shelf.folder) not in answer.text


def test_a_version_without_packages_has_no_lock(client: FlaskClient) -> None:
    install(client)
    words = refused(client.get("/api/v1/plugins/uploaded/demo_plugin/1.0.0/lock"), 404, "Not found")
    assert words == "demo_plugin 1.0.0 brings no packages of its own, so it has no lock."
    words = refused(client.get("/api/v1/plugins/uploaded/demo_plugin/9.9/lock"), 404, "Not found")
    assert words == "demo_plugin 9.9 is not installed."


def test_versions_and_environments_say_what_belongs_together(client: FlaskClient, shelf: Shelf) -> None:
    shelf.wheel("alpha", "1.0")
    install(client, dependencies=("alpha>=1",))
    (environment,) = client.get("/api/v1/environments").get_json()["environments"]
    assert environment["packages"] == ["alpha==1.0"]
    assert environment["used_by"] == ["demo_plugin-1.0.0"]
    assert environment["isolated"] is False
    (uploaded,) = client.get("/api/v1/plugins/uploaded").get_json()["plugins"]
    (shown,) = client.get("/api/v1/plugins/demo_plugin").get_json()["plugin"]["versions"]
    for version in (uploaded, shown):
        assert version["environment"] == environment["key"]
        assert version["dependencies_installed"] == ["alpha>=1"]
        assert version["isolated"] is False


def test_a_version_tells_the_room_of_each_package_and_who_needs_it(client: FlaskClient, shelf: Shelf) -> None:
    shelf.wheel("beta", "2.0", files={"beta/large.txt": "x" * 100_000})
    shelf.wheel("alpha", "1.0", requires=["beta"])
    install(client, dependencies=("Alpha>=1",))
    told = client.get("/api/v1/plugins/uploaded/demo_plugin/1.0.0").get_json()["plugin"]
    alpha, beta = told["packages"]
    assert (alpha["name"], alpha["version"], alpha["required"], alpha["needed_by"]) == ("alpha", "1.0", True, [])
    assert (beta["name"], beta["version"], beta["required"], beta["needed_by"]) == ("beta", "2.0", False, ["alpha"])
    assert 0 < alpha["size_bytes"] < 100_000 <= beta["size_bytes"]
    (environment,) = client.get("/api/v1/environments").get_json()["environments"]
    assert environment["package_bytes"] == {one["name"]: one["size_bytes"] for one in (alpha, beta)}
    assert told["packages_bytes"] == environment["size_bytes"] >= alpha["size_bytes"] + beta["size_bytes"]


def test_a_version_without_packages_tells_none(client: FlaskClient) -> None:
    install(client)
    told = client.get("/api/v1/plugins/uploaded/demo_plugin/1.0.0").get_json()["plugin"]
    assert (told["packages"], told["packages_bytes"]) == ([], None)


def test_without_packages_there_is_no_environment(client: FlaskClient) -> None:
    install(client)
    assert client.get("/api/v1/environments").get_json()["environments"] == []
    (uploaded,) = client.get("/api/v1/plugins/uploaded").get_json()["plugins"]
    assert (uploaded["environment"], uploaded["dependencies_installed"]) == (None, [])
