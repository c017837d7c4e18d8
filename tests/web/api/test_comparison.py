"""``GET /plugins/<name>/compare``, the changes in a check's answer, and ``POST /installs/<id>/confirm``."""

from typing import Any

from flask.testing import FlaskClient

from cadence.model import PluginRef
from cadence.parts import Parts
from tests.building import archive_bytes, plugin_files
from tests.server.process import await_true
from tests.web.api.asking import call, install, refused, traces, upload
from tests.web.api.test_checks import validate

CHANGED = """
    from cadence_sdk import tool

    @tool
    def add(a: str, c: int) -> str:
        "Add two texts."
        return a + str(c)

    TOOLS = [add]
"""


def compare(client: FlaskClient, old: str = "1.0.0", new: str = "2.0.0", **more: str) -> Any:
    return client.get("/api/v1/plugins/demo_plugin/compare", query_string={"from": old, "to": new, **more})


def two_versions(client: FlaskClient) -> None:
    install(client)
    install(client, "2.0.0", tools=CHANGED, files={"notes.txt": "New.\n"})


def test_two_installed_versions_are_compared_in_every_part(client: FlaskClient) -> None:
    two_versions(client)
    answer = compare(client)
    assert answer.status_code == 200
    body = answer.get_json()
    found = body["comparison"]
    assert body["file"] is None
    assert (found["plugin_name"], found["old_version"], found["new_version"]) == ("demo_plugin", "1.0.0", "2.0.0")
    assert found["breaking"] == [
        "Tool `add`: argument `b` is gone.",
        "Tool `add`: argument `c` is new and required.",
        "Tool `add`: `a` was an integer and is a string now.",
    ]
    assert [file["path"] for file in found["files"]["added"]] == ["notes.txt"]
    assert [file["path"] for file in found["files"]["changed"]] == ["plugin.py", "tools.py"]
    assert "3 changes that may break its callers" in body["message"]
    back = compare(client, "2.0.0", "1.0.0").get_json()["comparison"]
    assert [file["path"] for file in back["files"]["removed"]] == ["notes.txt"]


def test_one_file_is_compared_line_by_line(client: FlaskClient) -> None:
    two_versions(client)
    file = compare(client, file="tools.py").get_json()["file"]
    assert (file["kind"], file["words"]) == ("text", "The file changed.")
    assert "\n-    return a + b\n+def add(a: str, c: int) -> str:\n" in file["diff"]
    assert compare(client, file="agent.py").get_json()["file"]["kind"] == "same"


def test_a_folder_that_was_edited_in_place_is_read_as_it_is_now(client: FlaskClient, parts: Parts) -> None:
    two_versions(client)
    folder = parts.store.folder(PluginRef("demo_plugin", "2.0.0"))
    (folder / "notes.txt").unlink()
    (folder / "notes.txt").symlink_to("/etc/passwd")
    found = compare(client).get_json()["comparison"]
    assert "notes.txt is a link or a device" in found["files"]["unknown"]
    details = refused(compare(client, file="notes.txt"), 404, "Not found")
    assert "has a file 'notes.txt'" in details
    (folder / "notes.txt").unlink()
    (folder / "agent.py").write_text("broken(")
    found = compare(client).get_json()["comparison"]
    assert [words for words in found["findings"]["added"] if "syntax error" in words]


def test_what_cannot_be_compared_is_refused_in_words(client: FlaskClient) -> None:
    two_versions(client)
    assert "3.0.0 is not installed" in refused(compare(client, new="3.0.0"), 404, "Not found")
    assert "both are demo_plugin 1.0.0" in refused(compare(client, new="1.0.0"), 400, "Invalid request")
    assert "to is missing" in refused(compare(client, new=" "), 400, "Invalid request")
    assert "No plugin 'absent'" in refused(client.get("/api/v1/plugins/absent/compare?from=1&to=2"), 404, "Not found")
    for path in ("../../index.db", "/etc/passwd", "absent.py", "a\0b", "x" * 5000, "tools.py/", "", "."):
        answer = compare(client, file=path)
        assert answer.status_code == (404 if path else 200), path


def test_a_check_says_what_would_change_and_is_confirmed(client: FlaskClient, parts: Parts) -> None:
    install(client)
    before = traces(parts)
    details = validate(
        client, archive_bytes(plugin_files(version="2.0.0", tools=CHANGED)), "demo_plugin-2.0.0.zip"
    ).get_json()["details"]
    assert details["comparison"]["old_version"] == "1.0.0"
    assert len(details["comparison"]["breaking"]) == 3
    assert details["kept_seconds"] > 0
    assert traces(parts) == before
    confirm = f"/api/v1/installs/{details['install_id']}/confirm"
    assert client.get(f"/api/v1/installs/{details['install_id']}").get_json()["install"]["confirmable"] is True
    answer = client.post(confirm)
    assert (answer.status_code, answer.get_json()["details"]["previous_version"]) == (201, "1.0.0")
    assert call(client, arguments={"a": "x", "c": 1}).get_json()["result"] == "x1"
    assert client.get(f"/api/v1/installs/{details['install_id']}").get_json()["install"]["confirmable"] is False
    assert "upload it again" in refused(client.post(confirm), 410, "Archive not kept")


def test_a_check_of_what_is_installed_is_confirmed_with_force(client: FlaskClient) -> None:
    install(client)
    check_id = validate(client).get_json()["details"]["install_id"]
    refused(client.post(f"/api/v1/installs/{check_id}/confirm"), 409, "Plugin already exists")
    again = validate(client).get_json()["details"]
    assert again["comparison"]["files"]["unchanged"] == 4
    answer = client.post(f"/api/v1/installs/{again['install_id']}/confirm", data={"force_overwrite": "true"})
    assert answer.status_code == 200, answer.text


def test_a_confirmation_can_be_followed(client: FlaskClient) -> None:
    check_id = validate(client).get_json()["details"]["install_id"]
    accepted = client.post(f"/api/v1/installs/{check_id}/confirm", headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    location = accepted.headers["Location"]
    await_true(lambda: client.get(location).get_json()["install"]["state"] == "succeeded", "the install")


def test_what_cannot_be_confirmed_is_refused_in_words(client: FlaskClient, parts: Parts) -> None:
    refused(client.post("/api/v1/installs/absent/confirm"), 404, "Not found")
    installed = install(client)["details"]["install_id"]
    refused(client.post(f"/api/v1/installs/{installed}/confirm"), 409, "Nothing to confirm")
    validate(client, b"nothing")
    failed = parts.serving.installer.records(1)[0].id
    assert "did not pass" in refused(client.post(f"/api/v1/installs/{failed}/confirm"), 409, "Nothing to confirm")
    check_id = validate(client).get_json()["details"]["install_id"]
    answer = client.post(f"/api/v1/installs/{check_id}/confirm", data={"activate": "perhaps"})
    assert "activate must be true or false" in refused(answer, 400, "Invalid request")
    assert parts.serving.installer.kept.has(check_id), "a request in error does not use it up"


def test_a_check_of_another_process_cannot_be_confirmed_here(client: FlaskClient, parts: Parts) -> None:
    check_id = validate(client).get_json()["details"]["install_id"]
    parts.serving.installer.kept.close()
    assert "by the server process that looked at it" in refused(
        client.post(f"/api/v1/installs/{check_id}/confirm"), 410, "Archive not kept"
    )
    assert upload(client).status_code == 201
