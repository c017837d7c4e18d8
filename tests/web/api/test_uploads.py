"""The four endpoints that the specification names, word for word, and what a refused upload leaves."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.intake.upload import UploadFile
from cadence.model import InstallState, PluginRef
from cadence.parts import Parts
from cadence.storage.database import utc_now
from tests.building import archive_bytes, plugin_files
from tests.dependencies.shelf import Shelf
from tests.web.api.asking import call, install, refused, traces, upload

REF = PluginRef("demo_plugin", "1.0.0")


def demo(version: str = "1.1.0", **options: object) -> tuple[bytes, str]:
    return archive_bytes(plugin_files(version=version, **options)), f"demo_plugin-{version}.zip"  # type: ignore[arg-type]  # passed on


def test_an_upload_answers_with_every_field_of_the_specification(
    client: FlaskClient, parts: Parts, shelf: Shelf
) -> None:
    shelf.wheel("pebble", "1.3")
    archive, filename = demo("1.0.0", dependencies=("pebble>=1.2", "cadence-sdk>=1.3.1,<2.0.0"))
    answer = upload(client, archive, filename, fields={"force_overwrite": "false"})
    assert answer.status_code == 201
    body = answer.get_json()
    assert body["success"] is True
    assert body["message"] == "Plugin uploaded and loaded successfully"
    assert (body["plugin_name"], body["plugin_version"]) == ("demo_plugin", "1.0.0")
    assert body["details"]["extracted_to"] == str(parts.settings.plugin_dir / "demo_plugin-1.0.0")
    assert body["details"]["validation"] == "passed"
    assert body["details"]["dependencies_installed"] == ["pebble>=1.2"]


def test_an_upload_also_tells_what_became_of_it(client: FlaskClient, parts: Parts) -> None:
    first, second = install(client, "1.0.0"), install(client, "1.1.0")
    details = second["details"]
    assert first["details"]["previous_version"] is None
    assert (details["activated"], details["previous_version"]) == (True, "1.0.0")
    assert (details["tools"], details["warnings"]) == (["add"], [])
    record = parts.index.version(PluginRef("demo_plugin", "1.1.0"))
    assert record is not None
    assert (details["sha256"], details["install_id"]) == (record.sha256, record.install_id)
    stages = details["stages"]
    assert [stage["stage"] for stage in stages] == [
        *("receive", "archive", "exists", "inspect", "dependencies", "trial", "publish", "activate")
    ]
    assert all(stage["ms"] > 0 for stage in stages)


def test_an_upload_is_in_store_and_archive_and_answers_calls(client: FlaskClient, parts: Parts) -> None:
    archive, filename = demo("1.0.0")
    assert upload(client, archive, filename).status_code == 201
    assert parts.store.archive(REF).read_bytes() == archive
    assert (parts.store.folder(REF) / "tools.py").is_file()
    assert call(client).get_json()["result"] == 5
    after = traces(parts)
    assert after.staged == after.uploads == frozenset()
    assert after.pending == 0


def test_the_list_has_every_installed_version_with_its_directory(client: FlaskClient, parts: Parts) -> None:
    assert client.get("/api/v1/plugins/uploaded").get_json() == {"success": True, "plugins": []}
    install(client, "1.9.0")
    install(client, "1.10.0")
    body = client.get("/api/v1/plugins/uploaded").get_json()
    assert body["success"] is True
    assert [(plugin["name"], plugin["version"], plugin["active"]) for plugin in body["plugins"]] == [
        ("demo_plugin", "1.10.0", True),
        ("demo_plugin", "1.9.0", False),
    ]
    assert [plugin["directory"] for plugin in body["plugins"]] == [
        str(parts.settings.plugin_dir / slug) for slug in ("demo_plugin-1.10.0", "demo_plugin-1.9.0")
    ]


def test_a_deleted_version_is_gone_and_the_one_before_answers(client: FlaskClient, parts: Parts) -> None:
    install(client, "1.0.0")
    before = traces(parts)
    install(client, "1.1.0")
    answer = client.delete("/api/v1/plugins/uploaded/demo_plugin/1.1.0")
    assert answer.status_code == 200
    body = answer.get_json()
    assert body.pop("restorable_until") > utc_now()
    assert body == {
        "success": True,
        "message": "Plugin deleted successfully",
        "plugin_name": "demo_plugin",
        "plugin_version": "1.1.0",
        "active_version": "1.0.0",
        "restore": "/api/v1/plugins/deleted/demo_plugin/1.1.0/restore",
    }
    assert traces(parts) == before
    assert call(client).get_json()["plugin_version"] == "1.0.0"


def test_the_last_version_of_a_plugin_leaves_nothing(client: FlaskClient, parts: Parts) -> None:
    before = traces(parts)
    install(client)
    assert client.delete("/api/v1/plugins/uploaded/demo_plugin/1.0.0").get_json()["active_version"] is None
    assert traces(parts) == before
    refused(call(client), 404, "Not found")


def test_deleting_what_is_not_installed_says_so(client: FlaskClient) -> None:
    answer = client.delete("/api/v1/plugins/uploaded/demo_plugin/1.0.0")
    assert refused(answer, 404, "Not found") == "demo_plugin 1.0.0 is not installed."


@pytest.mark.parametrize("name", [".hidden", "%2e%2e", "..%5cdemo", "a%00b", "x" * 300])
def test_deleting_by_a_name_that_no_plugin_can_have_is_refused_and_leaves_no_file(
    client: FlaskClient, parts: Parts, name: str
) -> None:
    before = sorted(parts.settings.instance.rglob("*"))
    assert client.delete(f"/api/v1/plugins/uploaded/{name}/1.0.0").status_code == 404
    assert sorted(parts.settings.instance.rglob("*")) == before


def test_deleting_a_plugin_that_never_was_leaves_no_lock_behind(client: FlaskClient, parts: Parts) -> None:
    client.delete("/api/v1/plugins/uploaded/never_was/1.0.0")
    assert not list(parts.settings.instance.glob("locks/never_was*"))


def test_a_reload_loads_every_plugin_and_says_how_each_went(client: FlaskClient, parts: Parts) -> None:
    install(client)
    before = parts.serving.live_set.plugin("demo_plugin")
    body = client.post("/api/v1/plugins/reload").get_json()
    after = parts.serving.live_set.plugin("demo_plugin")
    assert (body["success"], body["message"]) == (True, "Plugins reloaded successfully")
    assert (body["loaded"], body["healthy"], body["failed"]) == (1, 1, 0)
    assert [(plugin["name"], plugin["version"], plugin["error"]) for plugin in body["plugins"]] == [
        ("demo_plugin", "1.0.0", None)
    ]
    assert before is not None
    assert after is not None
    assert after.pid != before.pid
    assert call(client).get_json()["result"] == 5


def test_a_reload_that_fails_says_so_and_the_running_plugin_answers_on(client: FlaskClient, parts: Parts) -> None:
    install(client)
    (parts.store.folder(REF) / "tools.py").write_text("raise RuntimeError('edited badly')\n")
    answer = client.post("/api/v1/plugins/reload")
    body = answer.get_json()
    assert (answer.status_code, body["success"], body["failed"]) == (200, False, 1)
    assert body["message"] == "1 of 1 plugins failed"
    assert "edited badly" in body["plugins"][0]["error"]
    assert call(client).get_json()["result"] == 5


def test_the_same_version_again_is_refused_word_for_word(client: FlaskClient, parts: Parts) -> None:
    install(client)
    before = traces(parts)
    answer = upload(client, fields={"force_overwrite": "false"})
    assert answer.status_code == 409
    assert answer.get_json() == {
        "success": False,
        "message": "Plugin already exists",
        "plugin_name": "demo_plugin",
        "plugin_version": "1.0.0",
        "details": "Use force_overwrite=true to replace",
    }
    assert traces(parts) == before


def test_a_forced_upload_replaces_the_same_version(client: FlaskClient, parts: Parts) -> None:
    install(client)
    archive, filename = demo("1.0.0", tools=PRODUCT)
    answer = upload(client, archive, filename, fields={"force_overwrite": "true"})
    assert answer.status_code == 200
    assert answer.get_json()["message"] == "Plugin uploaded and loaded successfully"
    assert call(client).get_json()["result"] == 6
    assert parts.store.archive(REF).read_bytes() == archive
    assert len(client.get("/api/v1/plugins/uploaded").get_json()["plugins"]) == 1


def test_a_version_that_is_not_to_be_active_waits_in_the_store(client: FlaskClient) -> None:
    install(client, "1.0.0")
    archive, filename = demo("2.0.0")
    details = upload(client, archive, filename, fields={"activate": "false"}).get_json()["details"]
    assert (details["activated"], details["previous_version"]) == (False, "1.0.0")
    assert call(client).get_json()["plugin_version"] == "1.0.0"


def test_an_older_version_becomes_active_only_on_request(client: FlaskClient) -> None:
    install(client, "2.0.0")
    assert install(client, "1.0.0")["details"]["activated"] is False
    archive, filename = demo("1.5.0")
    assert upload(client, archive, filename, fields={"activate": "true"}).get_json()["details"]["activated"] is True
    assert call(client).get_json()["plugin_version"] == "1.5.0"


PRODUCT = """
    from cadence_sdk import tool

    @tool
    def add(a: int, b: int) -> int:
        "Multiply, in truth."
        return a * b

    TOOLS = [add]
"""

REFUSED = {
    "no_zip": (b"no archive at all", 400, "Invalid ZIP file format", "File is not a valid ZIP archive"),
    "empty": (b"", 400, "Invalid ZIP file format", "File is not a valid ZIP archive"),
    "missing_file": (
        archive_bytes(plugin_files(version="1.1.0", files={"plugin.py": None})),
        422,
        "Plugin validation failed",
        "Missing required file: plugin.py",
    ),
    "dependency": (
        archive_bytes(plugin_files(version="1.1.0", dependencies=("absent-package>=1.20.0",))),
        422,
        "Dependency installation failed",
        "Failed to install: absent-package>=1.20.0",
    ),
    "import": (
        archive_bytes(plugin_files(version="1.1.0", tools="raise RuntimeError('at import')\nTOOLS = []\n")),
        422,
        "Plugin validation failed",
        "at import",
    ),
    "exit": (
        archive_bytes(plugin_files(version="1.1.0", tools="import os\nos._exit(3)\nTOOLS = []\n")),
        422,
        "Plugin validation failed",
        "exit code 3",
    ),
    "traversal": (
        archive_bytes({**plugin_files(version="1.1.0"), "../../escaped.py": ""}),
        400,
        "Invalid ZIP file format",
        "escaped.py",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_upload_is_told_in_the_words_of_the_specification_and_leaves_nothing(
    client: FlaskClient, parts: Parts, shelf: Shelf, kind: str
) -> None:
    archive, status, message, details = REFUSED[kind]
    install(client, "1.0.0")
    before = traces(parts)
    answer = upload(client, archive, "demo_plugin-1.1.0.zip")
    told = refused(answer, status, message)
    assert isinstance(told, str)
    assert details in told
    assert traces(parts) == before
    assert call(client).get_json()["plugin_version"] == "1.0.0"


@pytest.mark.parametrize("kind", ["no_zip", "missing_file"])
def test_the_details_of_a_single_fault_are_exactly_the_sentence_of_the_specification(
    client: FlaskClient, kind: str
) -> None:
    archive, status, message, details = REFUSED[kind]
    assert refused(upload(client, archive, "demo_plugin-1.1.0.zip"), status, message) == details


def test_a_forced_upload_that_is_refused_leaves_what_it_was_to_replace(client: FlaskClient, parts: Parts) -> None:
    install(client)
    before = traces(parts)
    archive = archive_bytes(plugin_files(tools="raise RuntimeError('worse')\nTOOLS = []\n"))
    refused(upload(client, archive, fields={"force_overwrite": "true"}), 422, "Plugin validation failed")
    assert traces(parts) == before
    assert call(client).get_json()["result"] == 5


def test_several_faults_are_told_all_at_once(client: FlaskClient) -> None:
    archive = archive_bytes(plugin_files(files={"plugin.py": None, "agent.py": None}))
    details = refused(upload(client, archive), 422, "Plugin validation failed")
    assert {"Missing required file: plugin.py", "Missing required file: agent.py"} <= set(details)


def test_a_refused_install_is_kept_as_a_record_of_what_was_wrong(client: FlaskClient, parts: Parts) -> None:
    upload(client, b"no archive", "demo_plugin-1.1.0.zip")
    (record,) = parts.index.installs(10)
    assert (record.state, record.status) == (InstallState.FAILED, 400)
    assert (record.name, record.version) == ("demo_plugin", "1.1.0")
    (shown,) = client.get("/api/v1/installs").get_json()["installs"]
    assert shown["state"] == "failed"
    assert shown["faults"][0]["message"] == "File is not a valid ZIP archive"


def test_a_plugin_under_the_metadata_name_of_another_is_refused_and_leaves_nothing(
    client: FlaskClient, parts: Parts
) -> None:
    install(client)
    before = traces(parts)
    other = archive_bytes(plugin_files("other_plugin", metadata_name="demo_plugin"))
    details = refused(upload(client, other, "other_plugin-1.0.0.zip"), 422, "Plugin validation failed")
    assert "'demo_plugin'" in details
    assert traces(parts) == before


def test_an_error_of_the_server_in_the_middle_of_an_install_leaves_nothing_and_tells_nothing(
    client: FlaskClient, parts: Parts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(client)
    before = traces(parts)

    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(parts.index, "mark_published", broken)
    archive, filename = demo()
    answer = upload(client, archive, filename)
    refused(answer, 500, "Something went wrong on the server")
    assert "secret" not in answer.text
    assert "a secret of the server" in caplog.text
    assert traces(parts) == before
    assert parts.index.installs(1)[0].status == 500
    assert call(client).get_json()["plugin_version"] == "1.0.0"


def test_a_full_disk_is_told_and_leaves_nothing(
    client: FlaskClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(client)
    before = traces(parts)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts.store, "publish", full)
    archive, filename = demo()
    refused(upload(client, archive, filename), 507, "Not enough storage")
    assert traces(parts) == before


def test_a_disk_that_fills_while_the_upload_comes_in_is_told_and_leaves_nothing(
    client: FlaskClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = traces(parts)
    monkeypatch.setattr(UploadFile, "_write_all", full)
    refused(upload(client), 507, "Not enough storage")
    assert traces(parts) == before


@pytest.mark.parametrize("filename", ["demo_plugin.zip", "demo_plugin-1.0.0.tar.gz", "os-1.0.0.zip", "-1.0.zip"])
def test_a_file_name_that_is_no_plugins_is_refused(client: FlaskClient, parts: Parts, filename: str) -> None:
    before = traces(parts)
    answer: TestResponse = upload(client, filename=filename)
    assert filename in refused(answer, 400, "Invalid filename format")
    assert traces(parts) == before
