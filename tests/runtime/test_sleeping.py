"""Plugins that nobody calls have no process; the first call wakes them, once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.errors import PluginUnavailable
from cadence.model import Grants
from cadence.parts import Parts
from cadence.runtime.sleeping import Sleeper, due_for_sleep
from cadence.runtime.zygote import Zygote
from tests.runtime.house import House, eventually, threads, with_ping

HOLD = """
    import time
    from pathlib import Path

    @tool
    def hold(path: str) -> str:
        "Answers once there is such a file."
        Path(path + ".began").touch()
        while not Path(path).exists():
            time.sleep(0.01)
        return "held"
"""
#: Loading it leaves a mark for each worker.
COUNTED = """
    import os
    with open(os.environ["CADENCE_PLUGIN_DATA"] + "/loads", "a") as loads:
        loads.write("x")
"""


@pytest.fixture
def narrow(settings: Settings, zygote: Zygote) -> Iterator[House]:
    """One with room for two."""
    parts = Parts(replace(settings, max_live_workers=2), zygote)
    yield House(parts)
    parts.close()


def loads(house: House) -> int:
    return len((house.meeting_place() / "loads").read_text())


def awake(house: House) -> set[str]:
    return {plugin.record.ref.name for plugin in house.live_set.plugins() if plugin.pid is not None}


def test_a_sleeping_plugin_has_no_process_and_its_first_call_wakes_it(house: House) -> None:
    house.install(with_ping(""))
    before = house.pid()
    assert house.live_set.sleep("demo_plugin")
    assert house.live().status == "asleep"
    assert house.live().error is None
    eventually(lambda: not house.workers())
    assert house.call("ping") != before
    assert house.live().status == "live"
    house.await_only("demo_plugin")


def test_a_stampede_wakes_it_once(house: House) -> None:
    house.install(with_ping(COUNTED))
    for _ in range(5):
        house.live_set.sleep("demo_plugin")
        before = loads(house)
        with threads(24) as start:
            answers = {call.result(30) for call in [start(house.call, "ping") for _ in range(24)]}
        assert len(answers) == 1
        assert loads(house) == before + 1


def test_calls_and_sleep_at_the_same_time_lose_no_call(house: House) -> None:
    house.install(with_ping(""))
    over = threading.Event()

    def call() -> int:
        calls = 0
        while not over.wait(0.005):  # with moments in which nobody calls
            house.call("ping")
            calls += 1
        return calls

    with threads(4) as start:
        callers = [start(call) for _ in range(3)]
        for _ in range(30):
            eventually(lambda: house.live_set.sleep("demo_plugin"))
            house.call("ping")
        over.set()
        assert all(caller.result(30) for caller in callers)


def test_one_at_work_does_not_sleep(house: House) -> None:
    house.install(with_ping(HOLD, "hold"))
    path = house.meeting_place() / "release"
    with threads(1) as start:
        held = start(house.call, "hold", path=str(path))
        eventually(Path(f"{path}.began").exists)
        assert not house.live_set.sleep("demo_plugin")
        path.touch()
        assert held.result(30) == "held"
    eventually(lambda: house.live_set.sleep("demo_plugin"))


def test_one_whose_reload_failed_does_not_sleep_for_it_could_not_be_woken(house: House) -> None:
    house.install(with_ping(""))
    tools = house.parts.store.folder(house.live().record.ref) / "tools.py"
    tools.unlink()
    tools.write_text("raise ValueError")
    assert house.running.reconciler.reload().failed == 1
    assert not house.live_set.sleep("demo_plugin")
    assert house.call("ping")


def test_one_that_does_not_wake_says_why_and_is_not_tried_at_every_call(house: House) -> None:
    house.install(with_ping(COUNTED))
    house.live_set.sleep("demo_plugin")
    tools = house.parts.store.folder(house.live().record.ref) / "tools.py"
    source = tools.read_text()
    tools.unlink()
    tools.write_text(f"{source}\nraise ValueError('no such unit')\n")
    before = loads(house)
    for _ in range(2):
        with pytest.raises(PluginUnavailable, match="no such unit"):
            eventually(lambda: house.call("ping"))
    eventually(lambda: house.live().status == "failed")
    assert loads(house) > before


def test_the_least_recently_called_makes_room(narrow: House) -> None:
    for name in ("first", "second"):
        narrow.install(with_ping(""), name)
    narrow.call("ping", "first")
    narrow.install(with_ping(""), "third")
    eventually(lambda: awake(narrow) == {"first", "third"})
    narrow.call("ping", "second")
    assert awake(narrow) == {"second", "third"}
    assert {narrow.live(name).status for name in ("first", "second", "third")} == {"live", "asleep"}


def test_where_all_are_at_work_a_call_waits_for_a_place_and_gets_it(narrow: House) -> None:
    for name in ("first", "second"):
        narrow.install(with_ping(HOLD, "hold"), name)
    narrow.install(with_ping(""), "third")
    eventually(lambda: len(awake(narrow)) == 2)
    with threads(3) as start:
        held = {}
        for name in ("first", "second"):
            path = narrow.meeting_place(name) / "release"
            held[path] = start(narrow.call, "hold", name, path=str(path))
            eventually(Path(f"{path}.began").exists)
        waiting = start(narrow.call, "ping", "third")
        first, second = held
        first.touch()
        assert waiting.result(30)
        assert len(awake(narrow)) == 2
        second.touch()
        assert {call.result(30) for call in held.values()} == {"held"}


def test_where_no_place_comes_free_the_caller_is_told(settings: Settings, zygote: Zygote) -> None:
    parts = Parts(replace(settings, max_live_workers=1, call_seconds=0.5), zygote)
    try:
        house = House(parts)
        house.install(with_ping(""), "idle")
        parts.index.put_grants("busy", Grants(call_seconds=30.0))
        house.install(with_ping(HOLD, "hold"), "busy")
        path = house.meeting_place("busy") / "release"
        with threads(1) as start:
            held = start(house.call, "hold", "busy", path=str(path))
            eventually(Path(f"{path}.began").exists)
            with pytest.raises(PluginUnavailable, match="All 1 places for running plugins are taken"):
                house.call("ping", "idle")
            assert house.live("idle").status == "asleep"
            path.touch()
            held.result(30)
        assert house.call("ping", "idle")
    finally:
        parts.close()


def test_a_reload_loads_those_that_sleep_too_and_they_sleep_on(house: House) -> None:
    house.install(with_ping(COUNTED))
    house.live_set.sleep("demo_plugin")
    before = loads(house)
    report = house.running.reconciler.reload()
    assert (report.loaded, report.healthy, report.failed) == (1, 1, 0)
    assert loads(house) == before + 1
    eventually(lambda: house.live().status == "asleep")


def test_at_its_start_a_server_starts_no_plugin(settings: Settings, zygote: Zygote) -> None:
    first = Parts(settings, zygote)
    House(first).install(with_ping(COUNTED))
    first.close()
    second = Parts(settings, zygote)
    try:
        second.start(serve=True)
        house = House(second)
        eventually(house.live_set.plugins)
        assert house.live().status == "asleep"
        assert house.live().health.healthy
        assert loads(house) == 1
        assert house.call("ping")
    finally:
        second.close()


def test_who_was_not_called_for_a_while_is_sent_to_sleep(house: House) -> None:
    house.install(with_ping(""))
    house.install(with_ping(""), "another")
    Sleeper(house.live_set, house.running.supervisor, 1000.0, 10**12).tend()
    assert awake(house) == {"demo_plugin", "another"}
    Sleeper(house.live_set, house.running.supervisor, 0.0, 10**12).tend()
    assert not awake(house)


def test_a_server_sends_idle_plugins_to_sleep_by_itself(settings: Settings, zygote: Zygote) -> None:
    parts = Parts(replace(settings, idle_seconds=0.2), zygote)
    try:
        parts.start(serve=True)
        house = House(parts)
        house.install(with_ping(""))
        eventually(lambda: house.live().status == "asleep")
        assert house.call("ping")
    finally:
        parts.close()


def test_memory_is_measured_of_those_awake(house: House) -> None:
    house.install(
        with_ping(
            "@tool\ndef grow() -> int:\n    'Grow.'\n    global kept\n    kept = b'x' * 2**26\n    return 1", "grow"
        )
    )
    before = house.live_set.memory_bytes()["demo_plugin"]
    house.call("grow")
    assert house.live_set.memory_bytes()["demo_plugin"] > before + 2**25
    house.live_set.sleep("demo_plugin")
    assert house.live_set.memory_bytes() == {}


@pytest.mark.parametrize(
    ("idle", "memory", "due"),
    [
        ([("a", 50.0), ("b", 10.0)], {"a": 1, "b": 1}, []),
        ([("a", 60.0), ("b", 10.0)], {"a": 1, "b": 1}, ["a"]),
        ([("a", 70.0), ("b", 61.0)], {}, ["a", "b"]),
        ([("a", 50.0), ("b", 10.0), ("c", 1.0)], {"a": 60, "b": 40, "c": 50}, ["a"]),
        ([("a", 50.0), ("b", 10.0), ("c", 1.0)], {"a": 10, "b": 40, "c": 90}, ["a", "b"]),
        ([("a", 70.0), ("b", 10.0)], {"a": 90, "b": 90}, ["a"]),
    ],
)
def test_the_idle_sleep_and_where_memory_is_short_the_least_recently_called_too(
    idle: list[tuple[str, float]], memory: dict[str, int], due: list[str]
) -> None:
    assert due_for_sleep(idle, 60.0, memory, 100) == due
