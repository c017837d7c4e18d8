"""Trying again over the API, and the list of installs."""

from typing import Any

from flask.testing import FlaskClient

from cadence.parts import Parts
from tests.runtime.house import eventually
from tests.web.api.asking import install, refused, tools, traces, upload

BROKEN = "def oops(:\n"


def ended(client: FlaskClient, install_id: str) -> dict[str, Any]:
    """An install once it is over."""

    def view() -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/api/v1/installs/{install_id}").get_json()["install"]
        return found

    eventually(lambda: view()["state"] != "running")
    return view()


def latest(client: FlaskClient) -> str:
    return str(client.get("/api/v1/installs").get_json()["installs"][0]["id"])


def test_what_failed_is_tried_again_without_being_sent_again(client: FlaskClient) -> None:
    install(client)
    assert upload(client).status_code == 409
    failed = latest(client)
    answer = client.post(f"/api/v1/installs/{failed}/retry", data={"force_overwrite": "true"})
    assert answer.status_code == 202
    done = ended(client, answer.get_json()["install_id"])
    assert (done["state"], done["plugin_version"]) == ("succeeded", "1.0.0")
    assert "upload it again" in refused(client.post(f"/api/v1/installs/{failed}/retry"), 410, "Archive not kept")


def test_the_same_fault_comes_again_with_the_line_it_stands_in_and_nothing_is_left(
    client: FlaskClient, parts: Parts
) -> None:
    before = traces(parts)
    refusal = upload(client, tools(BROKEN)).get_json()
    again = client.post(f"/api/v1/installs/{latest(client)}/retry").get_json()["install_id"]
    faults = ended(client, again)["faults"]
    assert [fault["line"] for fault in refusal["faults"]] == ["def oops(:"]
    assert [(fault["culprit"], fault["line"]) for fault in faults] == [("tools.py:1", "def oops(:")]
    assert traces(parts) == before


def test_what_succeeded_or_is_not_known_cannot_be_tried_again(client: FlaskClient) -> None:
    done = install(client)["details"]["install_id"]
    assert "succeeded" in refused(client.post(f"/api/v1/installs/{done}/retry"), 409, "Nothing to try again")
    refused(client.post("/api/v1/installs/nothing/retry"), 404, "Not found")


def test_installs_are_filtered_and_gone_through_page_by_page(client: FlaskClient) -> None:
    install(client)
    upload(client)
    install(client, "1.1.0")
    whole = client.get("/api/v1/installs?plugin=demo_plugin&limit=200").get_json()["installs"]
    assert [one["state"] for one in whole] == ["succeeded", "failed", "succeeded"]
    assert [one["id"] for one in client.get("/api/v1/installs?state=failed").get_json()["installs"]] == [whole[1]["id"]]
    page = client.get(f"/api/v1/installs?limit=1&after={whole[0]['id']}").get_json()["installs"]
    assert [one["id"] for one in page] == [whole[1]["id"]]
    assert client.get("/api/v1/installs?plugin=nobody").get_json() == {"success": True, "installs": [], "incoming": []}
    details = refused(client.get("/api/v1/installs?limit=0&state=odd"), 400, "Invalid request")
    assert len(details) == 2


def test_what_a_plugin_says_of_itself_comes_with_its_readme(client: FlaskClient) -> None:
    install(client, files={"README.md": "# Demo\n\nIt adds.\n"})
    overview = client.get("/api/v1/plugins/demo_plugin/overview").get_json()["overview"]
    assert overview["readme"] == {
        "name": "README.md",
        "text": "# Demo\n\nIt adds.\n",
        "cut": False,
        "is_markdown": True,
    }
    assert (overview["plugin_version"], overview["has_archive"]) == ("1.0.0", True)
    refused(client.get("/api/v1/plugins/nobody/overview"), 404, "Not found")
