"""Two operators change the grants of one plugin: the second is told, also where both ask at the very same moment."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from cadence.expectation import Outdated
from cadence.model import Grants
from tests.grants.plugins import TELLING
from tests.runtime.house import House
from tests.web.api.asking import call, install, refused

NAME = "demo_plugin"
PATH = f"/api/v1/plugins/{NAME}/grants"


def test_each_change_has_a_revision_of_its_own_and_the_present_one_may_be_replaced(client: FlaskClient) -> None:
    install(client, tools=TELLING)
    first = client.get(PATH).get_json()["revision"]
    changed = client.put(f"{PATH}?revision={first}", json={"threads": 40}).get_json()
    assert changed["revision"] != first
    assert client.get(PATH).get_json()["revision"] == changed["revision"]
    assert client.put(f"{PATH}?revision={changed['revision']}", json={"threads": 50}).status_code == 200
    assert client.put(PATH, json={"threads": 60}).status_code == 200


def test_grants_that_changed_meanwhile_are_not_replaced(client: FlaskClient) -> None:
    install(client, tools=TELLING)
    seen = client.get(PATH).get_json()["revision"]
    client.put(PATH, json={"threads": 40})
    answer = client.put(f"{PATH}?revision={seen}", json={"memory_mb": 64})
    words = refused(answer, 409, "Nothing was changed")
    assert words == f"The permissions of {NAME} changed since you looked. Look at them again before you change them."
    now = client.get(PATH).get_json()
    assert (now["grants"]["threads"], now["grants"]["memory_mb"]) == (40, None)


def test_the_same_holds_for_a_name_that_is_not_installed(client: FlaskClient) -> None:
    assert client.put(f"{PATH}?revision=0", json={"threads": 40}).status_code == 200
    refused(client.put(f"{PATH}?revision=0", json={"threads": 50}), 409, "Nothing was changed")
    assert client.get(PATH).get_json()["grants"]["threads"] == 40


@pytest.mark.parametrize("revision", ["x", "-1", "1.5", "9" * 40, "٣"])
def test_a_revision_that_is_no_number_is_refused(client: FlaskClient, revision: str) -> None:
    refused(client.put(f"{PATH}?revision={revision}", json={}), 400, "Invalid request")


def test_of_many_who_grant_at_the_same_moment_exactly_one_does(house: House) -> None:
    granter, together = house.running.granter, threading.Barrier(4)
    seen = house.parts.index.granted(NAME).revision

    def grant(threads: int) -> bool:
        together.wait(30)
        try:
            granter.grant(NAME, lambda _: {"threads": threads}, seen)
        except Outdated:
            return False
        return True

    wanted = (40, 50, 60, 70)
    with ThreadPoolExecutor(len(wanted)) as pool:
        done = list(pool.map(grant, wanted))
    assert sum(done) == 1
    assert house.parts.index.granted(NAME).grants == Grants(threads=wanted[done.index(True)])


def test_a_refused_change_starts_no_worker(house: House) -> None:
    house.install(TELLING)
    pid = house.pid()
    house.running.granter.grant(NAME, lambda _: {"threads": 40})
    after = house.pid()
    assert after != pid
    with pytest.raises(Outdated):
        house.running.granter.grant(NAME, lambda _: {"threads": 50}, 0)
    assert house.pid() == after


def test_what_a_plugin_takes_is_answered_beside_its_limits(client: FlaskClient) -> None:
    usage = f"/api/v1/plugins/{NAME}/usage"
    refused(client.get(usage), 404, "Not found")
    install(client, tools=TELLING)
    call(client, "env", {"name": "KEY"})
    client.put(PATH, json={"threads": 40})
    body = client.get(usage).get_json()
    assert body["plugin_name"] == NAME
    if body["at"] is not None:  # else the machine was busy
        limits = {one["limit"]: one for one in body["limits"]}
        assert set(limits) == {"memory_mb", "cpu_percent", "processes", "threads", "open_files", "data_mb"}
        assert limits["threads"]["most"] == 40
        assert limits["memory_mb"]["used"] > 0


def test_health_is_answered_page_by_page_with_the_calls_of_the_hour(client: FlaskClient) -> None:
    install(client, tools=TELLING)
    health = f"/api/v1/plugins/{NAME}/health"
    for _ in range(4):
        client.post(health)
    call(client, "env", {"name": "KEY"})
    whole = client.get(health).get_json()
    numbers = [one["n"] for one in whole["checks"]]
    assert numbers == sorted(numbers, reverse=True)
    assert (len(whole["recent_calls"]), sum(whole["recent_calls"]), sum(whole["recent_errors"])) == (60, 1, 0)
    first = client.get(f"{health}?limit=2").get_json()
    assert [one["n"] for one in first["checks"]] == numbers[:2]
    assert first["next"] == numbers[1]
    second = client.get(f"{health}?limit=50&before={first['next']}").get_json()
    assert [one["n"] for one in second["checks"]] == numbers[2:]
    assert second["next"] is None
    for nonsense in ("limit=0", "limit=501", "before=x", "before=-1"):
        refused(client.get(f"{health}?{nonsense}"), 400, "Invalid request")


def test_the_pages_of_a_real_plugin_show_what_it_takes_and_tell_of_a_conflict(client: FlaskClient) -> None:
    install(client, tools=TELLING)
    call(client, "env", {"name": "KEY"})
    client.post(f"/api/v1/plugins/{NAME}/health")
    health = client.get(f"/plugins/{NAME}/health")
    assert health.status_code == 200
    assert "1 call, no error." in health.text
    assert "mark-passed" in health.text
    page = client.get(f"/plugins/{NAME}/permissions").text
    assert 'id="use-memory_mb"' in page
    fields = dict(re.findall(r'<input[^>]*name="(csrf_token|revision|seen-\w+)"[^>]*value="([^"]*)"', page))
    client.put(PATH, json={"threads": 40})
    answer = client.post(f"/plugins/{NAME}/grants", data=fields | {"threads": "50"})
    assert answer.status_code == 409
    assert "Threads is 40 now; you typed 50, which stands below." in answer.text
    assert client.get(PATH).get_json()["grants"]["threads"] == 40


def test_a_name_that_is_not_installed_has_a_page_of_permissions(client: FlaskClient) -> None:
    page = client.get("/plugins/later_plugin/permissions")
    assert page.status_code == 200
    assert "later_plugin is not installed; nothing is granted to it." in page.text
