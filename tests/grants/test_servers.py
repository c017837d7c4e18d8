"""Two real servers and the command line on one instance: grants hold everywhere within a moment."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.building import archive_bytes, plugin_files
from tests.grants.plugins import CLINGING, PARTICULAR, SECRET, TELLING
from tests.server.process import Server, await_true, flask, serving


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    instance = tmp_path_factory.mktemp("grants") / "instance"
    with serving(instance) as one, serving(instance) as other:
        yield one, other


def upload(server: Server, name: str, tools: str = TELLING) -> None:
    answer = server.upload(archive_bytes(plugin_files(name, tools=tools)), f"{name}-1.0.0.zip")
    assert answer.status_code == 201, answer.text


def put(server: Server, name: str, raw: object) -> requests.Response:
    return requests.put(f"{server.api}/plugins/{name}/grants", json=raw, timeout=30)


def value(server: Server, name: str) -> object:
    answer = server.post(f"/plugins/{name}/tools/env", json={"name": "KEY"})
    return answer.json()["result"] if answer.ok else answer.status_code


def test_what_is_granted_in_one_is_in_the_other(servers: tuple[Server, Server]) -> None:
    one, other = servers
    upload(one, "shared")
    await_true(lambda: value(other, "shared") is None, "the plugin in the other server")
    assert put(one, "shared", {"env": {"KEY": SECRET}}).json()["in_force"] is True
    assert value(one, "shared") == SECRET
    await_true(lambda: value(other, "shared") == SECRET, "the grants in the other server")
    assert other.get("/plugins/shared/grants").json()["in_force"] is True
    assert put(other, "shared", {}).json()["in_force"] is True
    await_true(lambda: value(one, "shared") is None, "the end of the grants in the first server")


def test_the_command_waits_for_both_servers(servers: tuple[Server, Server]) -> None:
    one = servers[0]
    upload(one, "commanded")
    for server in servers:
        await_true(lambda server=server: value(server, "commanded") is None, "the plugin in a server")  # type: ignore[misc]  # bound now
    done = flask(one.instance, "plugins", "grant", "commanded", "--env", f"KEY={SECRET}")
    assert done.returncode == 0, done.stderr
    assert [value(server, "commanded") for server in servers] == [SECRET, SECRET]
    assert SECRET not in done.stdout + done.stderr + "".join(server.output for server in servers)


def test_the_command_says_where_a_plugin_stops(servers: tuple[Server, Server]) -> None:
    one = servers[0]
    upload(one, "clinging", CLINGING)
    assert put(one, "clinging", {"env": {"KEY": SECRET}}).ok
    done = flask(one.instance, "plugins", "grant", "clinging", "--unset-env", "KEY")
    assert done.returncode == 1
    assert "the key is gone" in done.stdout
    for server in servers:
        await_true(lambda server=server: value(server, "clinging") == 503, "the end of the old worker")  # type: ignore[misc]  # bound now


def test_refused_grants_are_in_neither(servers: tuple[Server, Server]) -> None:
    one, other = servers
    upload(one, "particular", PARTICULAR)
    await_true(lambda: value(other, "particular") is None, "the plugin in the other server")
    assert put(one, "particular", {"env": {"MODE": "bad", "KEY": SECRET}}).status_code == 422
    assert (value(one, "particular"), value(other, "particular")) == (None, None)


def test_nothing_of_an_instance_is_readable_by_others(servers: tuple[Server, Server]) -> None:
    instance = servers[0].instance
    upload(servers[0], "present")

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    for folder in (instance, instance / "run", instance / "data", *(instance / "run").iterdir()):
        assert mode(folder) == 0o711, folder
    for name in ("store_plugin", "store_archived", "owners", "locks"):
        assert mode(instance / name) == 0o700, name
    for home in (instance / "run").glob("*/[0-9]*"):
        assert mode(home) in (0o700, 0o710), home
    for data in (instance / "data").iterdir():
        assert mode(data) == 0o700, data
    for file in ("index.db", "index.db-wal", "index.db-shm", "secret_key"):
        assert mode(instance / file) == 0o600, file
