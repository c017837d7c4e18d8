"""Start and end of ``flask serve``: words when it cannot start, nothing left when it ends."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.building import archive_bytes, plugin_files
from tests.processes import is_over
from tests.server.process import Server, await_true, flask, serving

HANGING = """
    import threading
    from cadence_sdk import tool

    @tool
    def hang() -> str:
        "Never answer."
        print("hangs", flush=True)
        threading.Event().wait()
        return ""

    TOOLS = [hang]
"""


def assert_nothing_is_left(server: Server, family: list[psutil.Process]) -> None:
    await_true(lambda: all(is_over(process) for process in family), "the end of every process")
    assert not list(server.instance.glob("run/*"))
    assert not list(server.instance.glob("store_archived/.uploads/*"))
    assert not list(server.instance.glob("owners/*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_end_ends_clean(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path / "instance") as server:
        assert server.upload(archive_bytes(plugin_files()), "demo_plugin-1.0.0.zip").status_code == 201
        family = server.family()
        assert len(family) >= 3, "the serving process, its zygote and a worker"
        os.kill(server.process.pid, number)
        assert server.process.wait(20) == 0
        assert_nothing_is_left(server, family)
        assert "Traceback" not in server.output
        start_up, sandbox, *log = server.output.splitlines()
        assert f"http://localhost:{server.port}" in start_up
        assert sandbox.startswith("Sandbox: ")
        assert not [line for line in log if "andbox" not in line], server.output


def test_a_server_that_ends_does_not_wait_for_a_tool_that_hangs(tmp_path: Path) -> None:
    import requests

    with serving(tmp_path / "instance") as server:
        archive = archive_bytes(plugin_files(tools=HANGING))
        assert server.upload(archive, "demo_plugin-1.0.0.zip").status_code == 201
        with pytest.raises(requests.Timeout):
            requests.post(f"{server.api}/plugins/demo_plugin/tools/hang", json={}, timeout=0.5)
        family = server.family()
        assert server.end() == 0
        assert_nothing_is_left(server, family)
        assert "Traceback" not in server.output


def test_a_killed_server_takes_its_processes_along_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    with serving(instance) as server:
        assert server.upload(archive_bytes(plugin_files()), "demo_plugin-1.0.0.zip").status_code == 201
        family = server.family()
        server.process.kill()
        await_true(lambda: all(is_over(process) for process in family), "the end of every process")
    with serving(instance) as again:
        await_true(lambda: again.call("demo_plugin", "add", a=1, b=2).ok, "the plugin's answer")
        assert again.end() == 0
        assert_nothing_is_left(again, [])


def test_a_serving_process_that_dies_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path / "instance") as server:
        assert server.upload(archive_bytes(plugin_files()), "demo_plugin-1.0.0.zip").status_code == 201
        family, serving_process = server.family(), server.serving_process()
        serving_process.kill()
        await_true(lambda: all(is_over(process) for process in family), "the end of what it had started")
        await_true(lambda: _answers(server), "the plugin's answer")
        assert server.end() == 0


def test_installed_plugins_answer_from_the_first_moment_of_a_server(tmp_path: Path) -> None:
    """``health`` answers only when calls do, or are waited for: a plugin is never denied that is installed."""
    instance = tmp_path / "instance"
    with serving(instance) as server:
        assert server.upload(archive_bytes(plugin_files()), "demo_plugin-1.0.0.zip").status_code == 201
        server.end()
    with serving(instance) as again:
        assert again.call("demo_plugin", "add", a=1, b=2).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_an_address_that_others_reach_is_refused_in_a_sentence(tmp_path: Path, host: str) -> None:
    done = flask(tmp_path / "instance", "serve", CADENCE_HOST=host)
    assert done.returncode == 1
    assert f"CADENCE_HOST {host!r} is not an address of this machine alone" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told_in_a_sentence(server: Server, tmp_path: Path) -> None:
    second = Server(tmp_path / "instance", port=server.port)
    try:
        await_true(lambda: second.process.poll() is not None, "the second server's end")
        assert second.process.returncode == 1
        assert "Traceback" not in second.output
        assert str(server.port) in second.output
        assert "in use" in second.output
    finally:
        second.kill()


def test_a_port_that_any_other_program_listens_on_is_told_in_a_sentence(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        done = flask(tmp_path / "instance", "serve", CADENCE_PORT=str(port))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert str(port) in done.stderr
    assert "in use" in done.stderr


def _answers(server: Server) -> bool:
    import requests

    try:
        return server.call("demo_plugin", "add", a=1, b=2).ok
    except requests.ConnectionError:
        return False
