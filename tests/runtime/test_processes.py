"""Processes: what they hold, what they know, and that none outlives the one that it is for."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cadence.config import SandboxMode, Settings
from cadence.errors import CadenceError, CallFailed, PluginUnavailable
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.processes import is_over, runs
from tests.runtime.house import House, eventually, threads, undisturbed, with_ping

SECRET = "correct horse battery staple"


class Server:
    """A server process of which nothing is left in the end."""

    def __init__(self, instance: Path, sandbox: SandboxMode) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("serving.py")), str(instance), sandbox],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.defpath, "CADENCE_TEST_SECRET": SECRET},
        )
        assert self.process.stdout is not None
        self.seen: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.zygote, self.worker, self.child = (
            psutil.Process(self.seen[name]) for name in ("zygote", "worker", "child")
        )

    def end(self) -> None:
        for process in (self.process, self.child, self.worker, self.zygote):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.communicate()


@pytest.fixture
def server(tmp_path: Path, sandbox: SandboxMode) -> Iterator[Server]:
    server = Server(tmp_path / "instance", sandbox)
    yield server
    server.end()


def test_zygote_and_workers_end_with_the_server_that_is_killed(server: Server) -> None:
    server.process.kill()
    eventually(lambda: is_over(server.zygote))
    eventually(lambda: is_over(server.worker))


def test_what_a_plugin_started_ends_with_the_server_that_is_killed(server: Server) -> None:
    server.process.kill()
    eventually(lambda: is_over(server.child), timeout=5)


def test_a_worker_holds_its_channel_and_its_log_and_nothing_else(server: Server) -> None:
    held = {int(fd): what for fd, what in server.seen["descriptors"].items() if not what.startswith("/proc")}
    # What it opened for itself: the timer that slow calls are noticed by.
    assert set(held.values()) - {"anon_inode:[timerfd]"} == {held[fd] for fd in (0, 1, 2, 3)}
    assert len(held) <= 5
    assert held[0] == "/dev/null"
    assert held[1].startswith("pipe:")
    assert held[2].startswith("pipe:")
    assert held[1] != held[2]
    assert held[3].startswith("socket:")


def open_in(pid: int) -> set[str]:
    return {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}


def test_the_zygote_holds_nothing_that_the_server_has_open(server: Server) -> None:
    standard = {str(Path(f"/proc/{server.process.pid}/fd/{fd}").readlink()) for fd in (0, 1, 2)}
    assert open_in(server.zygote.pid) & open_in(server.process.pid) <= standard | {"/dev/null", "anon_inode:[pidfd]"}


def test_neither_zygote_nor_worker_has_a_variable_of_the_server(server: Server) -> None:
    assert SECRET in " ".join(psutil.Process(server.process.pid).environ().values())
    assert set(server.zygote.environ()) <= {"PATH", "LANG"}
    assert set(server.worker.environ()) <= {"PATH", "LANG"}
    assert SECRET not in json.dumps(server.seen["environment"])
    given = {"PATH", "LANG", "HOME", "TMPDIR", "CADENCE_PLUGIN_DATA", "OMP_NUM_THREADS"}
    assert set(server.seen["environment"]["now"]) == given


def test_folders_of_a_killed_server_are_gone_after_the_next_start(
    server: Server, zygote: Zygote, tmp_path: Path
) -> None:
    run = tmp_path / "instance" / "run"
    left = set(run.iterdir())
    assert left
    server.process.kill()
    server.process.wait()
    eventually(lambda: is_over(server.worker))
    parts = Parts(Settings(instance=tmp_path / "instance"), zygote)
    try:
        parts.start()
        assert not left & set(run.iterdir())
    finally:
        parts.close()


def answer(house: House, name: str = "demo_plugin") -> int | None:
    """What ``ping`` answers, None where the call failed."""
    try:
        return int(house.call("ping", name))
    except CallFailed:
        return None


def test_a_killed_zygote_is_replaced_and_every_plugin_answers_again(lone: House) -> None:
    lone.install(with_ping(""))
    lone.install(with_ping(""), "another")
    zygote, before = lone.running.zygote.pid, {lone.pid(), lone.pid("another")}
    assert zygote
    os.kill(zygote, signal.SIGKILL)
    for name in ("demo_plugin", "another"):
        lone.await_replacement(lone.pid(name) if lone.pid(name) in before else None, name)
        eventually(lambda name=name: answer(lone, name) not in (*before, None))  # type: ignore[misc]
    assert lone.running.zygote.pid not in (zygote, None)
    assert not any(runs(pid) for pid in before if pid)
    lone.await_only("demo_plugin", "another")


def test_a_worker_that_took_back_the_order_to_die_with_its_parent_dies_when_the_zygote_does(
    either_way: House,
) -> None:
    """Its kernel-given order is gone (prctl(2), PR_SET_PDEATHSIG), and it spins, so that it sees no end of a stream.

    Only a plugin that is not confined can take it back; one that is ends with its process namespace besides.
    """
    lone = either_way
    lone.install(
        with_ping(
            """
            import ctypes

            @tool
            def outlive() -> None:
                "Run for ever, whoever dies."
                ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
                while True:
                    pass
            """,
            "outlive",
        )
    )
    worker, zygote = psutil.Process(lone.pid()), lone.running.zygote.pid
    assert zygote
    before = worker.cpu_times().user
    try:
        with threads(1) as start:
            spinning = start(lone.call, "outlive")
            # Whatever it burns, the order comes before it.
            eventually(lambda: worker.cpu_times().user > before + 0.2)
            os.kill(zygote, signal.SIGKILL)
            assert isinstance(spinning.exception(), CallFailed)
        eventually(lambda: is_over(worker), timeout=5)
    finally:
        if not is_over(worker):
            worker.kill()


def test_a_plugin_can_be_installed_while_the_zygote_is_replaced(lone: House) -> None:
    lone.install(with_ping(""))
    zygote = lone.running.zygote.pid
    assert zygote
    os.kill(zygote, signal.SIGKILL)

    def installed() -> bool:
        try:
            lone.install(with_ping(""), "another")
        except PluginUnavailable:
            return False
        return True

    eventually(installed)
    assert lone.call("ping", "another") == lone.pid("another")


def test_a_zygote_that_died_can_be_stopped() -> None:
    zygote = Zygote()
    zygote.start()
    pid = zygote.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: zygote.pid is None)
    zygote.stop()
    with pytest.raises(PluginUnavailable, match="shutting down"):
        zygote.start()


def test_a_zygote_stops_twice() -> None:
    zygote = Zygote()
    zygote.start()
    zygote.stop()
    eventually(lambda: zygote.pid is None)
    zygote.stop()


def test_a_zygote_that_was_never_started_stops() -> None:
    Zygote().stop()


def test_a_killed_worker_is_restarted(house: House) -> None:
    house.install(with_ping(""))
    before = house.pid()
    assert before
    with undisturbed(house):
        os.kill(before, signal.SIGKILL)
        after = house.await_replacement(before)
        assert house.call("ping") == after
    house.await_only("demo_plugin", "neighbour")


def test_a_worker_that_ends_again_and_again_is_waited_for_longer_and_callers_are_told_why(house: House) -> None:
    house.install(with_ping("@tool\ndef leave() -> None:\n    'End.'\n    os._exit(7)", "leave"))

    def crash() -> CadenceError | None:
        try:
            house.call("leave")
        except CadenceError as error:
            return error if isinstance(error, PluginUnavailable) else None
        raise AssertionError("a worker that ended has answered")

    refusal = eventually(crash)
    assert refusal is not None
    assert "ended by itself with exit code 7" in str(refusal)
    assert "It is started again in" in str(refusal)
    assert house.live().status == "failed"
    assert house.live().error == "Its worker ended by itself with exit code 7."


def test_closing_ends_every_process_also_one_that_still_loads(settings: Settings, zygote: Zygote) -> None:
    parts = Parts(settings, zygote)
    house = House(parts)
    house.install(with_ping(""))
    before = zygote.pid
    assert before
    with threads(1) as start:
        installing = start(house.install, "while True: pass", "endless")
        eventually(lambda: len(house.workers()) == 2)
        parts.close()
        assert isinstance(installing.exception(), CadenceError)
    eventually(lambda: not house.workers())
    assert not list((settings.instance / "run").iterdir())


def test_a_call_that_hangs_when_the_house_closes_is_told_why(
    settings: Settings, zygote: Zygote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.runtime.live_set._CLOSE_SECONDS", 0.1)
    parts = Parts(settings, zygote)
    house = House(parts)
    house.install(
        with_ping(
            """
            import pathlib, time

            @tool
            def hang() -> None:
                "Never answer."
                pathlib.Path("began").touch()
                time.sleep(1000)
            """,
            "hang",
        )
    )
    with threads(1) as start:
        hanging = start(house.call, "hang")
        eventually((house.meeting_place() / "began").exists)
        parts.close()
        error = hanging.exception()
    assert isinstance(error, CallFailed)
    assert "the server is shutting down" in str(error)
