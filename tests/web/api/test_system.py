"""What the API says of the server as a whole: the same that its System page shows."""

import os

from flask.testing import FlaskClient

from cadence.parts import Parts
from tests.runtime.house import eventually
from tests.web.api.asking import call, install


def test_the_system_is_told_with_its_limits_processes_and_disks(client: FlaskClient, parts: Parts) -> None:
    install(client)
    assert call(client).status_code == 200
    said = client.get("/api/v1/system").get_json()
    assert said["limits"]["memory_mb"] == parts.settings.plugin_memory_mb
    (server,) = said["servers"]
    assert (server["pid"], server["answers"]) == (os.getpid(), True)
    assert server["memory_bytes"] > 1024 * 1024
    assert said["workers"]["awake"] == 1
    assert 0 < said["workers"]["memory_bytes"] < said["workers"]["max_memory_bytes"]
    assert 0 < said["rooms"][0]["free_bytes"] <= said["rooms"][0]["total_bytes"]
    taken = {area["kind"]: area["size_bytes"] for area in said["disk"]["areas"]}
    assert taken["plugins"] > 0
    assert taken["archives"] > 0
    assert taken["index"] > 0
    assert taken["environments"] == 0
    assert said["disk"]["size_bytes"] == sum(taken.values())


def test_a_server_that_has_taken_in_every_change_is_not_behind(client: FlaskClient) -> None:
    install(client)
    # The change is taken in by a thread that looks for changes ten times in a second.
    eventually(lambda: [one["behind"] for one in client.get("/api/v1/system").get_json()["servers"]] == [0])


def test_the_page_shows_what_the_api_says(client: FlaskClient) -> None:
    install(client)
    said = client.get("/api/v1/system").get_json()
    page = client.get("/system").text
    for words in (said["host"]["kernel"], said["instance"], str(os.getpid()), "Extracted plugins"):
        assert words in page
