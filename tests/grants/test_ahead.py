"""Grants given to a name before it is installed, for a plugin whose trial fails without."""

import socket
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence.model import Grants, PluginRef
from cadence.parts import Parts
from cadence.storage.grants import MAX_NAMES_AHEAD
from tests.building import archive_bytes, plugin_files, write_archive, write_folder
from tests.conftest import parts_of
from tests.grants.conftest import Run
from tests.grants.plugins import NEEDS_KEY, NEEDS_MEMORY, SECRET, TELLING, asking, needs_endpoint
from tests.runtime.house import House
from tests.web.api.asking import call, install, refused, traces, upload

PATH = "/api/v1/plugins/demo_plugin/grants"
NOT_INSTALLED = "demo_plugin is not installed; these grants apply when it is."
NOTHING = "No plugin 'demo_plugin' is installed. Nothing is granted to that name either."


@pytest.fixture
def parts(app: Flask) -> Parts:
    return parts_of(app)


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Of a listener on loopback, as it is granted; the kernel takes its connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def first(what: str, option: str, then: str = "upload again") -> str:
    return f"It asks for {what}. Grant it first: flask plugins grant demo_plugin {option}, then {then}."


def needing_network(endpoint: str, **options: str) -> dict[str, str]:
    files = plugin_files(tools=TELLING, plugin_body=needs_endpoint(endpoint))
    return asking(files, network=options.get("network", f'["{endpoint}"]'))


@pytest.mark.parametrize("body", NEEDS_KEY.values(), ids=NEEDS_KEY)
def test_a_plugin_that_needs_a_value_installs_once_it_was_granted(client: FlaskClient, parts: Parts, body: str) -> None:
    files = plugin_files(tools=TELLING, plugin_body=body)
    assert "KEY is not set" in refused(upload(client, archive_bytes(files)), 422, "Plugin validation failed")
    answer = client.put(PATH, json={"env": {"KEY": SECRET}})
    assert answer.status_code == 200
    granted = answer.get_json()
    assert (granted["grants"]["env"], granted["limits"]["memory_mb"]) == ({"KEY": None}, 512)
    assert (granted["installed"], granted["in_force"], granted["message"]) == (False, False, NOT_INSTALLED)
    assert client.get(PATH).get_json() == granted
    install(client, tools=TELLING, plugin_body=body)
    assert call(client, "env", {"name": "KEY"}).get_json()["result"] == SECRET
    now = client.get(PATH).get_json()
    assert (now["installed"], now["in_force"], now["message"]) == (True, True, "demo_plugin runs with these grants.")
    assert SECRET not in answer.text
    assert parts.index.active()["demo_plugin"].grants_revision == parts.index.granted("demo_plugin").revision


def test_a_plugin_that_needs_an_endpoint_is_refused_with_what_to_do_and_then_installs(
    client: FlaskClient, parts: Parts, endpoint: str
) -> None:
    archive = archive_bytes(needing_network(endpoint))
    before = traces(parts)
    answer = upload(client, archive)
    health, words = refused(answer, 422, "Plugin validation failed")
    assert health.startswith("The health check failed")
    assert words == first(f"network access to {endpoint}", f"--network {endpoint}")
    fault = answer.get_json()["faults"][-1]
    assert fault == {"stage": "trial", "code": "not_granted", "message": words, "culprit": endpoint}
    assert traces(parts) == before
    client.put(PATH, json={"network": [endpoint]})
    done = upload(client, archive)
    assert done.status_code == 201, done.text
    assert done.get_json()["details"]["warnings"] == []


def test_the_page_of_the_install_says_what_to_do(client: FlaskClient, parts: Parts, endpoint: str) -> None:
    upload(client, archive_bytes(needing_network(endpoint)))
    (record,) = parts.index.installs(1)
    page = client.get(f"/installs/{record.id}").text
    assert first(f"network access to {endpoint}", f"--network {endpoint}") in page


def test_what_only_the_running_plugin_can_say_is_told_too(client: FlaskClient, endpoint: str) -> None:
    host, port = endpoint.split(":")
    files = needing_network(endpoint, network=f'[":".join(("{host}", "{port}"))]')
    _, words = refused(upload(client, archive_bytes(files)), 422, "Plugin validation failed")
    assert words == first(f"network access to {endpoint}", f"--network {endpoint}")


def test_a_plugin_that_needs_memory_to_load_is_refused_with_what_to_do_and_then_installs(client: FlaskClient) -> None:
    archive = archive_bytes(asking(plugin_files(tools=NEEDS_MEMORY), memory_mb="900"))
    *_, words = refused(upload(client, archive), 422, "Plugin validation failed")
    assert words == first("900 MiB of memory and has 512", "--memory-mb 900")
    client.put(PATH, json={"memory_mb": 900})
    assert upload(client, archive).status_code == 201


def test_a_new_version_that_asks_for_more_is_refused_with_what_to_do(client: FlaskClient, endpoint: str) -> None:
    install(client)
    client.put(PATH, json={"network": ["api.example.com:443"]})
    files = plugin_files(version="2.0.0", plugin_body=needs_endpoint(endpoint))
    files = asking(files, network=f'["api.example.com:443", "{endpoint}"]')
    details = refused(upload(client, archive_bytes(files), "demo_plugin-2.0.0.zip"), 422, "Plugin validation failed")
    assert details[1:] == [first(f"network access to {endpoint}", f"--network {endpoint}")]


def test_a_first_install_that_fails_leaves_them(client: FlaskClient, parts: Parts) -> None:
    client.put(PATH, json={"env": {"OTHER": "1"}, "threads": 64})
    before = parts.index.granted("demo_plugin")
    upload(client, archive_bytes(plugin_files(plugin_body=NEEDS_KEY["health"])))
    upload(client, b"no archive")
    assert parts.index.granted("demo_plugin") == before


def test_they_go_with_the_last_version(client: FlaskClient) -> None:
    client.put(PATH, json={"env": {"KEY": SECRET}})
    install(client)
    assert client.delete("/api/v1/plugins/uploaded/demo_plugin/1.0.0").status_code == 200
    assert refused(client.get(PATH), 404, "Not found") == NOTHING


def test_they_are_changed_as_those_of_a_plugin_and_removed_by_granting_nothing(
    client: FlaskClient, parts: Parts
) -> None:
    client.put(PATH, json={"env": {"KEY": SECRET, "OTHER": "1"}, "threads": 64})
    assert client.put(PATH, json={"env": {"KEY": None}}).get_json()["grants"]["env"] == {"KEY": None}
    assert parts.index.granted("demo_plugin").grants == Grants(env={"KEY": SECRET})
    assert len(refused(client.put(PATH, json={"network": ["x"], "threads": 1}), 422, "Invalid grants")) == 2
    for _ in range(2):
        body = client.put(PATH, json={}).get_json()
        assert (body["success"], body["message"]) == (True, "demo_plugin is not installed; nothing is granted to it.")
        assert refused(client.get(PATH), 404, "Not found") == NOTHING


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("json", "'json' is taken by Python's standard library."),
        ("1st", "'1st' cannot be the name of a plugin: a name starts with a letter"),
        ("cadence-sdk", "taken by a package that runs the plugins"),
        ("a" * 101, "at most 100 characters"),
        ("%00", r"'\x00' cannot be the name"),
        ("..", "'..' cannot be the name"),
    ],
)
def test_a_name_no_plugin_can_have_is_refused_and_leaves_nothing(
    client: FlaskClient, parts: Parts, name: str, words: str
) -> None:
    path = f"/api/v1/plugins/{name}/grants"
    assert words in refused(client.put(path, json={"threads": 64}), 400, "Invalid plugin name")
    refused(client.get(path), 404, "Not found")
    assert parts.index.all_granted() == {}
    assert list(parts.settings.instance.glob("locks/*")) == []


def test_not_more_names_than_so_many_have_grants_ahead(client: FlaskClient, parts: Parts) -> None:
    for number in range(MAX_NAMES_AHEAD):
        parts.index.put_grants(f"name_{number}", Grants(threads=64))
    words = refused(client.put(PATH, json={"threads": 64}), 422, "Too many grants ahead of installs")
    assert "flask plugins grant NAME --reset" in words
    assert client.put("/api/v1/plugins/name_0/grants", json={"threads": 65}).status_code == 200
    assert client.put("/api/v1/plugins/name_0/grants", json={}).status_code == 200
    assert client.put(PATH, json={"threads": 64}).status_code == 200


def test_a_folder_put_into_the_store_is_tried_with_them(house: House) -> None:
    folder = house.parts.store.folder(PluginRef("demo_plugin", "1.0.0"))
    files = asking(plugin_files(tools=NEEDS_MEMORY), memory_mb="900")
    write_folder(folder, files)
    (failed,) = house.running.adopter.adopt_folders()
    assert first("900 MiB of memory and has 512", "--memory-mb 900", "reload") in str(failed.error)
    house.running.granter.grant("demo_plugin", lambda _: {"memory_mb": 900})
    (done,) = house.running.adopter.adopt_folders()
    assert done.loaded, done.error


def test_an_install_does_not_start_the_plugin_twice(house: House) -> None:
    house.running.granter.grant("demo_plugin", lambda _: {"env": {"KEY": SECRET}})
    house.install(TELLING, plugin_body=NEEDS_KEY["health"])
    pid = house.pid()
    house.running.reconciler.catch_up()
    assert (house.pid(), house.call("env", name="KEY")) == (pid, SECRET)
    house.await_only("demo_plugin")


def test_the_command_grants_ahead_and_validates_and_installs_with_that(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = asking(plugin_files(tools=NEEDS_MEMORY, plugin_body=NEEDS_KEY["health"]), memory_mb="900")
    archive = write_archive(tmp_path_factory.mktemp("archive"), files)
    folder = write_folder(tmp_path_factory.mktemp("plugin") / "demo_plugin-1.0.0", files)
    for path in (archive, folder):
        result = run("validate", path)
        assert result.exit_code == 1
        words = first("900 MiB of memory and has 512", "--memory-mb 900", "validate it again")
        assert words in result.output
    granted = run("grant", "demo_plugin", "--memory-mb", "900", "--env", f"KEY={SECRET}")
    assert granted.exit_code == 0, granted.output
    assert NOT_INSTALLED in granted.output
    assert SECRET not in granted.output
    assert run("grant", "demo_plugin").output == granted.output
    for command in ("validate", "upload"):
        assert run(command, archive).exit_code == 0


def test_the_command_lists_every_name_with_grants(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "Nothing is granted to any plugin." in run("grant").output
    assert run("grant", "--json").output == "[]\n"
    assert run("upload", write_archive(tmp_path_factory.mktemp("archive"), plugin_files())).exit_code == 0
    assert run("grant", "demo_plugin", "--threads", "64").exit_code == 0
    assert run("grant", "other", "--network", "api.example.com:443", "--env", f"KEY={SECRET}").exit_code == 0
    lines = run("grant").output.splitlines()
    assert [line.split(maxsplit=1)[0] for line in lines] == ["demo_plugin", "other"]
    assert lines[0].endswith("threads 64")
    assert lines[1].split(maxsplit=1)[1] == "not installed  network api.example.com:443; env KEY"
    assert SECRET not in run("grant", "--json").output
    assert run("grant", "other", "--reset").exit_code == 0
    assert run("grant", "other").exit_code == 1
    assert len(run("grant").output.splitlines()) == 1


def test_the_command_wants_a_name_for_a_change(run: Run) -> None:
    result = run("grant", "--threads", "64")
    assert result.exit_code == 2
    assert "Say which plugin" in result.output


def test_the_command_refuses_a_name_no_plugin_can_have(run: Run) -> None:
    result = run("grant", "../x", "--threads", "64")
    assert result.exit_code == 1
    assert "'../x' cannot be the name of a plugin" in result.output
