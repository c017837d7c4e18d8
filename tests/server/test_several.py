"""Two servers and the command line on one instance: each change is live everywhere within a moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.model import PluginRef
from cadence.storage.index import Index
from tests.building import archive_bytes, plugin_files, write_archive
from tests.processes import is_over
from tests.server.process import Server, await_true, flask, serving

SLOW = """
    import pathlib, threading, os
    from cadence_sdk import tool

    print("waiting", flush=True)
    (pathlib.Path(os.environ["CADENCE_PLUGIN_DATA"]) / "waiting").touch()
    threading.Event().wait(60)

    @tool
    def add(a: int, b: int) -> int:
        "Add."
        return a + b

    TOOLS = [add]
"""

BIRTH = """
    import uuid
    from cadence_sdk import tool

    BORN = uuid.uuid4().hex

    @tool
    def birth() -> str:
        "What this process drew when it loaded the plugin."
        return BORN

    TOOLS = [birth]
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    instance = tmp_path_factory.mktemp("several") / "instance"
    with serving(instance) as one, serving(instance) as other:
        yield one, other


def upload(server: Server, name: str, version: str = "1.0.0") -> None:
    answer = server.upload(archive_bytes(plugin_files(name, version)), f"{name}-{version}.zip")
    assert answer.status_code == 201, answer.text


def version_in(server: Server, name: str) -> str | None:
    """The version that answers in a server, asked by nothing but a tool call."""
    answer = server.call(name, "add", a=1, b=2)
    return str(answer.json()["plugin_version"]) if answer.ok else None


def birth_in(server: Server) -> str | None:
    """What the plugin ``newborn`` drew when it was loaded: another worker has another."""
    answer = server.call("newborn", "birth")
    return str(answer.json()["result"]) if answer.ok else None


def test_an_upload_to_one_is_live_in_the_other(servers: tuple[Server, Server]) -> None:
    one, other = servers
    upload(one, "shared")
    await_true(lambda: version_in(other, "shared") == "1.0.0", "the new plugin in the other server")
    upload(other, "shared", "1.1.0")
    await_true(lambda: version_in(one, "shared") == "1.1.0", "the new version in the first server")


def test_a_deletion_in_one_is_one_in_the_other(servers: tuple[Server, Server]) -> None:
    one, other = servers
    upload(one, "doomed")
    upload(one, "doomed", "2.0.0")
    await_true(lambda: version_in(other, "doomed") == "2.0.0", "the plugin in the other server")
    assert one.delete("/plugins/uploaded/doomed/2.0.0").json()["active_version"] == "1.0.0"
    await_true(lambda: version_in(other, "doomed") == "1.0.0", "the older version in the other server")
    assert other.delete("/plugins/uploaded/doomed/1.0.0").status_code == 200
    await_true(lambda: one.call("doomed", "add", a=1, b=2).status_code == 404, "the end of the plugin")


def test_a_reload_by_one_reloads_the_other(servers: tuple[Server, Server]) -> None:
    one, other = servers
    assert one.upload(archive_bytes(plugin_files("newborn", tools=BIRTH)), "newborn-1.0.0.zip").status_code == 201
    await_true(lambda: birth_in(other) is not None, "the plugin in the other server")
    before = birth_in(one), birth_in(other)
    assert one.post("/plugins/reload").json()["success"] is True
    assert birth_in(one) not in (None, before[0])
    await_true(lambda: birth_in(other) not in (None, before[1]), "a new worker in the other server")


def test_the_reload_command_tells_of_both(servers: tuple[Server, Server]) -> None:
    one, other = servers
    upload(one, "commanded")
    await_true(lambda: version_in(other, "commanded") == "1.0.0", "the plugin in the other server")
    done = flask(one.instance, "plugins", "reload")
    assert done.returncode == 0, done.stdout + done.stderr
    for server in servers:
        assert f"server {server.serving_process().pid}: " in done.stdout
    assert done.stdout.count("  commanded 1.0.0: ") == 2


def test_a_command_line_upload_is_live_in_both_and_a_deletion_too(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    one = servers[0]
    path = write_archive(tmp_path, plugin_files("by_hand"), "by_hand")
    done = flask(one.instance, "plugins", "upload", str(path))
    assert done.returncode == 0, done.stderr
    for server in servers:
        await_true(lambda server=server: version_in(server, "by_hand") == "1.0.0", "the plugin in a server")  # type: ignore[misc]  # bound now
    assert flask(one.instance, "plugins", "delete", "by_hand", "1.0.0", "--yes").returncode == 0
    for server in servers:
        await_true(
            lambda server=server: server.call("by_hand", "add", a=1, b=2).status_code == 404,  # type: ignore[misc]  # bound now
            "the end of the plugin",
        )


def test_uploads_of_one_plugin_to_both_leave_one_whole_version(servers: tuple[Server, Server]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    archive = archive_bytes(plugin_files("contested"))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda server: server.upload(archive, "contested-1.0.0.zip"), servers))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    for server in servers:
        await_true(lambda server=server: version_in(server, "contested") == "1.0.0", "the plugin in a server")  # type: ignore[misc]  # bound now


def test_a_server_that_is_killed_in_an_install_harms_no_other(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    with serving(instance) as killed, serving(instance) as other:
        upload(other, "steady")
        slow = archive_bytes(plugin_files("steady", "2.0.0", tools=SLOW))
        accepted = killed.post(
            "/plugins/upload", files={"file": ("steady-2.0.0.zip", slow)}, headers={"Prefer": "respond-async"}
        )
        await_true((instance / "data" / "steady" / "waiting").exists, "the trial")
        family = killed.family()
        killed.process.kill()
        await_true(lambda: all(is_over(process) for process in family), "the end of the killed server's processes")
        assert version_in(other, "steady") == "1.0.0"
        upload(other, "steady", "3.0.0")
        assert version_in(other, "steady") == "3.0.0"
        upload(other, "another")
        shown = other.get(f"/installs/{accepted.json()['install_id']}").json()["install"]
        assert shown["state"] == "interrupted", "whoever follows the install is told, and does not wait for ever"
        assert other.end() == 0
    with Index.open(instance / "index.db") as index:
        assert index.version(PluginRef("steady", "2.0.0")) is None
