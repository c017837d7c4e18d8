"""A whole server and its bad versions, as a program and an administrator see them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.building import archive_bytes, plugin_files
from tests.server.process import Server, await_true, flask, serving

NAME = "demo_plugin"


def archive(version: str, body: str = "pass") -> bytes:
    tools = f"""
from cadence_sdk import tool
import os

@tool
def answer() -> str:
    "Which version this is."
    {body}
    return {version!r}

TOOLS = [answer]
"""
    return archive_bytes(plugin_files(NAME, version, tools=tools))


def upload(server: Server, version: str, body: str = "pass") -> None:
    assert server.upload(archive(version, body), f"{NAME}-{version}.zip").status_code == 201


def answer(server: Server) -> str | None:
    reply = server.call(NAME, "answer")
    return str(reply.json()["result"]) if reply.ok else None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "instance", CADENCE_PROBATION_CRASHES="2") as server:
        yield server


def test_a_version_that_crashes_in_use_takes_itself_back_and_says_why(server: Server) -> None:
    upload(server, "1.0.0")
    upload(server, "2.0.0", "os._exit(3)")
    failed = [server.call(NAME, "answer") for _ in range(2)]
    assert [reply.status_code for reply in failed] == [502, 502]
    assert {reply.json()["plugin_version"] for reply in failed} == {"2.0.0"}
    assert answer(server) == "1.0.0"
    plugin = server.get(f"/plugins/{NAME}").json()["plugin"]
    assert (plugin["version"], plugin["status"]) == ("1.0.0", "live")
    taken = next(version for version in plugin["versions"] if version["version"] == "2.0.0")
    assert "exit code 3" in taken["quarantine"]
    history = server.get(f"/plugins/{NAME}/history").json()["history"]
    assert [entry["kind"] for entry in history if entry["changed"]] == ["automatic_rollback", "install", "install"]
    page = requests.get(f"{server.url}/plugins", timeout=20).text
    assert "exit code 3" in page


def test_an_administrator_rolls_back_and_disables_while_no_server_can_run(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    with serving(instance) as server:
        upload(server, "1.0.0")
        upload(server, "2.0.0")
        assert server.end() == 0
    # No worker can be started here: the commands have to do without.
    broken = {"CADENCE_SANDBOX": "require", "CADENCE_PLUGIN_MEMORY_MB": "16", "CADENCE_LOAD_SECONDS": "0.001"}
    rolled = flask(instance, "plugins", "rollback", NAME, **broken)
    assert rolled.returncode == 0, rolled.stderr
    assert "1.0.0" in rolled.stdout
    with serving(instance) as server:
        assert answer(server) == "1.0.0"
        assert server.end() == 0
    disabled = flask(instance, "plugins", "disable", NAME, **broken)
    assert disabled.returncode == 0, disabled.stderr
    with serving(instance) as server:
        refusal = server.call(NAME, "answer")
        assert refusal.status_code == 503
        assert "is disabled" in refusal.json()["details"]


def test_in_safe_mode_no_plugin_runs_and_one_can_be_taken_out(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    with serving(instance) as server:
        upload(server, "1.0.0")
        upload(server, "2.0.0")
        assert server.end() == 0
    with serving(instance, CADENCE_SAFE_MODE="true") as server:
        refusals = server.call(NAME, "answer"), server.upload(archive("3.0.0"), f"{NAME}-3.0.0.zip")
        for refusal in refusals:
            assert refusal.status_code == 503
            assert "safe mode" in str(refusal.json()["details"])
        assert server.post("/plugins/reload").json()["loaded"] == 0
        assert server.get("/health").json()["safe_mode"] is True
        assert server.post(f"/plugins/{NAME}/rollback").ok
        assert server.end() == 0
    with serving(instance) as server:
        assert answer(server) == "1.0.0"


def test_a_command_line_rollback_is_followed_by_a_running_server(server: Server) -> None:
    upload(server, "1.0.0")
    upload(server, "2.0.0")
    assert answer(server) == "2.0.0"
    assert flask(server.instance, "plugins", "rollback", NAME).returncode == 0
    await_true(lambda: answer(server) == "1.0.0", "the rollback")
    assert flask(server.instance, "plugins", "disable", NAME).returncode == 0
    await_true(lambda: server.call(NAME, "answer").status_code == 503, "the end of the plugin")
    assert flask(server.instance, "plugins", "enable", NAME).returncode == 0
    await_true(lambda: answer(server) == "1.0.0", "the plugin's return")
