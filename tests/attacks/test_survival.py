"""Whoever ends a server ends what its plugins run, whatever these do about it."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.attacks.stage import KINDS, USERS, Kind, Sandbox, Stage, User, Variant, stage
from tests.processes import is_over
from tests.server.process import PATIENCE_SECONDS, await_true

pytestmark = [pytest.mark.parametrize("user", USERS), pytest.mark.parametrize("kind", KINDS)]
HEARTBEAT = "heartbeat"
#: Heartbeats come twenty times a second.
QUIET_SECONDS = 1.0


@pytest.fixture
def survivors() -> Iterator[list[psutil.Process]]:
    """Processes to be ended after the test, in case that they did survive."""
    found: list[psutil.Process] = []
    yield found
    end(found)


def end(processes: list[psutil.Process]) -> None:
    for process in processes:
        if not is_over(process):
            process.kill()


def start(stage: Stage, tool: str) -> Path:
    """Have the plugin start what is to survive, and wait for its first heartbeat."""
    answer = stage.call("survivor", tool, heartbeat=HEARTBEAT)
    assert answer.ok, answer
    path = stage.data("survivor") / HEARTBEAT
    await_true(path.exists, "the first heartbeat")
    return path


def end_server_and_zygotes(stage: Stage) -> list[psutil.Process]:
    """Kill all as when the host runs out of memory; the zygotes have no moment to end anybody."""
    family = stage.server.family()
    zygotes, serving = stage.server.zygotes(), stage.server.serving_process()
    for zygote in zygotes:
        zygote.suspend()
    stage.server.process.kill()
    await_true(lambda: is_over(serving), "the server's end")
    for zygote in zygotes:
        zygote.kill()
    await_true(lambda: all(is_over(zygote) for zygote in zygotes), "the zygotes' end")
    return family


def stops(path: Path) -> bool:
    """Whether the heartbeats end. The kernel ends processes one after the other, on a busy host not at once."""
    end = time.monotonic() + PATIENCE_SECONDS
    while beats(path):
        if time.monotonic() > end:
            return False
    return True


def beats(path: Path) -> bool:
    """Whether there are more heartbeats."""
    before, end = path.read_text(), time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end:
        if path.read_text() not in (before, ""):
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def after_the_end(
    user: User, kind: Kind, sandbox: Sandbox, tool: str, survivors: list[psutil.Process]
) -> Iterator[Path]:
    """The heartbeats of a plugin whose server and zygote have been killed."""
    with stage(Variant(user, kind, sandbox)) as place:
        place.install("survivor")
        if tool == "leave":
            place.grant("survivor", processes=4)
        path = start(place, tool)
        survivors += end_server_and_zygotes(place)
        try:
            yield path
        finally:
            end(survivors)  # before the stage is removed, into which they still write


@pytest.mark.parametrize("tool", ["stay", "leave"])
def test_what_a_plugin_runs_survives_the_server_where_nothing_confines_it(
    tool: str, user: User, kind: Kind, survivors: list[psutil.Process]
) -> None:
    with after_the_end(user, kind, "off", tool, survivors) as heartbeat:
        assert beats(heartbeat)


@pytest.mark.parametrize("tool", ["stay", "leave"])
def test_nothing_survives_the_server_by_default(
    tool: str, user: User, kind: Kind, survivors: list[psutil.Process]
) -> None:
    with after_the_end(user, kind, "prefer", tool, survivors) as heartbeat:
        assert stops(heartbeat)


@pytest.mark.parametrize(("sandbox", "survived"), [("off", True), ("prefer", False)])
def test_a_child_survives_its_worker_only_where_nothing_confines_it(
    user: User, kind: Kind, sandbox: Sandbox, survived: bool, survivors: list[psutil.Process]
) -> None:
    with stage(Variant(user, kind, sandbox)) as place:
        place.install("survivor")
        place.grant("survivor", processes=4)
        worker = place.worker("survivor")
        path = start(place, "leave")
        survivors += place.server.family()
        worker.send_signal(signal.SIGKILL)
        await_true(lambda: is_over(worker), "the worker's end")
        place.await_plugin("survivor", "ping")
        assert beats(path) if survived else stops(path)
