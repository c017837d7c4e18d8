"""The live set: a swap loses no call, an old decision never undoes a newer one, and what fails leaves what answers."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec import structs

from cadence.errors import CallFailed, NotFound, PluginUnavailable, ValidationFailed
from cadence.model import PluginRef, VersionRecord
from cadence.runtime.launcher import Launch
from cadence.runtime.worker import Draining, Worker
from tests.building import plugin_files
from tests.runtime.house import House, eventually, threads, with_ping

REF = PluginRef("demo_plugin", "1.0.0")


def tools(answer: object) -> str:
    return with_ping(
        f"""
        import time
        from pathlib import Path

        @tool
        def answer():
            "Which version this is."
            return {answer!r}

        @tool
        def answer_after(path: str):
            "The same, once there is such a file."
            Path(path + ".began").touch()
            while not Path(path).exists():
                time.sleep(0.01)
            return {answer!r}
        """,
        "answer",
        "answer_after",
    )


class Slow:
    """A call in flight that is answered when the test says so."""

    def __init__(self, house: House, path: Path, start: Callable[..., Future[Any]]) -> None:
        self._path = path
        self._future = start(house.call, "answer_after", path=str(path))
        eventually(Path(f"{path}.began").exists)

    def answer(self) -> Any:
        self._path.touch()
        return self._future.result(30)


@pytest.fixture
def in_flight(house: House) -> Iterator[Callable[[], Slow]]:
    with threads(8) as start:
        numbers = iter(range(8))
        yield lambda: Slow(house, house.meeting_place() / f"release{next(numbers)}", start)


def record(house: House) -> VersionRecord:
    return house.parts.index.active()["demo_plugin"]


def trial(house: House) -> Worker:
    return house.live_set.trial(Launch(REF, house.parts.store.folder(REF)))


def is_gone(worker: Worker) -> bool:
    return worker.ended.is_set() and not psutil.pid_exists(worker.pid)


def test_a_call_in_flight_ends_where_it_began_and_the_next_goes_to_the_new_version(
    house: House, in_flight: Callable[[], Slow]
) -> None:
    house.install(tools("old"))
    before = house.pid()
    slow = in_flight()
    house.install(tools("new"))
    assert house.pid() != before
    assert house.call("answer") == "new"
    assert psutil.pid_exists(before or 0)
    assert slow.answer() == "old"
    assert house.call("answer") == "new"
    house.await_only("demo_plugin")


def test_calls_of_three_generations_are_in_flight_at_once(house: House, in_flight: Callable[[], Slow]) -> None:
    slow = []
    for answer in (1, 2, 3):
        house.install(tools(answer))
        slow.append(in_flight())
    assert [call.answer() for call in reversed(slow)] == [3, 2, 1]
    house.await_only("demo_plugin")


def test_an_older_generation_never_replaces_a_newer_one(house: House) -> None:
    house.install(tools("live"))
    before, generation = house.pid(), house.parts.index.generation()
    late = trial(house)
    assert not house.live_set.swap(record(house), late, generation - 1)
    eventually(lambda: is_gone(late))
    assert house.pid() == before
    assert house.call("ping") == before


def test_an_older_generation_takes_nothing_out(house: House) -> None:
    house.install(tools("live"))
    generation = house.parts.index.generation()
    house.live_set.remove("demo_plugin", generation - 1)
    assert house.live_set.reconcile({}, generation - 1) == []
    assert house.call("answer") == "live"


def test_an_older_generation_starts_nothing(house: House) -> None:
    house.install(tools("live"))
    before, generation = house.pid(), house.parts.index.generation()
    house.live_set.reconcile({"demo_plugin": record(house)}, generation - 1, reload=True)
    assert house.pid() == before
    house.await_only("demo_plugin")


def test_the_same_generation_again_changes_what_answers_and_nothing_is_lost(
    house: House, in_flight: Callable[[], Slow]
) -> None:
    house.install(tools("live"))
    slow = in_flight()
    new = trial(house)
    assert house.live_set.swap(record(house), new, house.parts.index.generation())
    assert house.pid() == new.pid
    assert slow.answer() == "live"
    house.await_only("demo_plugin")


def test_what_is_taken_out_answers_its_calls_in_flight_and_then_is_unknown(
    house: House, in_flight: Callable[[], Slow]
) -> None:
    house.install(tools("live"))
    slow = in_flight()
    house.running.remover.delete(REF)
    with pytest.raises(NotFound, match="'demo_plugin'"):
        house.call("answer")
    assert house.live_set.plugins() == []
    assert slow.answer() == "live"
    house.await_only()


def test_what_was_taken_out_can_come_back(house: House) -> None:
    house.install(tools("first"))
    house.running.remover.delete(REF)
    house.install(tools("second"))
    assert house.call("answer") == "second"


def test_the_version_below_answers_once_the_one_above_is_taken_out(house: House) -> None:
    house.install(tools("low"), version="1.0.0")
    house.install(tools("high"), version="2.0.0")
    assert house.call("answer") == "high"
    assert house.running.remover.delete(PluginRef("demo_plugin", "2.0.0")) == "1.0.0"
    assert house.call("answer") == "low"
    house.await_only("demo_plugin")


def test_a_reload_that_fails_leaves_the_old_worker_answering_and_says_why(house: House) -> None:
    house.install(tools("old"))
    before = house.pid()
    file = house.parts.store.folder(REF) / "tools.py"
    file.with_suffix(".part").write_text("raise ValueError('no such unit')\n")
    file.with_suffix(".part").replace(file)
    report = house.running.reconciler.reload()
    assert (report.loaded, report.failed) == (0, 1)
    assert report.plugins[0].error == "Importing demo_plugin raised ValueError: no such unit (tools.py:1)."
    assert house.call("answer") == "old"
    assert house.pid() == before
    assert house.live().error == report.plugins[0].error
    house.await_only("demo_plugin")
    for path, text in plugin_files(tools=tools("new")).items():
        (house.parts.store.folder(REF) / path).write_text(text)
    assert house.running.reconciler.reload().failed == 0
    assert house.call("answer") == "new"
    assert house.live().error is None


def test_a_reload_starts_every_plugin_anew(house: House) -> None:
    names = ("demo_plugin", "another", "a_third")
    for name in names:
        house.install(tools(name), name)
    before = {house.pid(name) for name in names}
    report = house.running.reconciler.reload()
    assert [done.name for done in report.plugins] == sorted(names)
    assert not before & {house.pid(name) for name in names}
    assert {house.call("answer", name) for name in names} == set(names)
    house.await_only(*names)


def test_a_reconciliation_leaves_what_is_as_it_should_be(house: House) -> None:
    house.install(tools("live"))
    before = house.pid()
    assert house.live_set.reconcile(house.parts.index.active(), house.parts.index.generation()) == []
    assert house.pid() == before


def test_a_reconciliation_takes_out_what_should_not_answer(house: House) -> None:
    house.install(tools("live"))
    house.live_set.reconcile({}, house.parts.index.generation() + 1)
    with pytest.raises(NotFound):
        house.call("answer")
    house.await_only()


def test_a_trial_that_is_dismissed_is_gone_and_one_that_answers_is_kept(house: House) -> None:
    house.install(tools("live"))
    unused, used = trial(house), trial(house)
    house.live_set.dismiss(unused)
    eventually(lambda: is_gone(unused))
    assert house.live_set.swap(record(house), used, house.parts.index.generation())
    house.live_set.dismiss(used)
    assert house.call("ping") == used.pid


def test_a_worker_that_ended_before_it_was_swapped_in_is_started_again(house: House) -> None:
    house.install(tools("live"))
    dead = trial(house)
    dead.kill("the test wants it so")
    assert dead.ended.wait(30)
    house.live_set.swap(record(house), dead, house.parts.index.generation())
    house.await_replacement(dead.pid)
    assert house.call("answer") == "live"


def test_a_worker_that_drains_takes_no_call_and_ends(house: House) -> None:
    house.install(tools("live"))
    worker = trial(house)
    assert worker.call("answer", {}, 30) == "live"
    worker.drain()
    with pytest.raises(Draining):
        worker.call("answer", {}, 30)
    eventually(lambda: is_gone(worker))
    worker.drain()
    worker.kill("it is gone already")


def test_whoever_waits_for_a_worker_that_is_killed_is_told_the_reason(house: House) -> None:
    house.install(tools("live"))
    worker = trial(house)
    path = house.meeting_place() / "never"
    with threads(1) as start:
        waiting = start(worker.call, "answer_after", {"path": str(path)}, 30)
        eventually(Path(f"{path}.began").exists)
        worker.kill("it is Friday")
        assert isinstance(waiting.exception(), CallFailed)
        assert "it is Friday" in str(waiting.exception())


def test_a_call_after_a_crash_waits_for_the_restart_however_late_the_crash_is_noticed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the second call has gone to the worker that ended, so it can go to the next one."""
    house.install(with_ping("@tool\ndef leave() -> None:\n    'End.'\n    os._exit(3)", "leave"))
    before = house.pid()
    noticed = threading.Event()
    in_background = house.running._launcher._in_background

    def wait_first(job: Callable[[], None]) -> object:
        noticed.wait(30)
        return in_background(job)

    # It is what the launcher does before it tells the live set that a worker has ended.
    monkeypatch.setattr(house.running._launcher, "_in_background", wait_first)
    late = threading.Timer(0.5, noticed.set)
    late.start()
    with pytest.raises(CallFailed, match="exit code 3"):
        house.call("leave")
    assert house.call("ping") != before
    late.join()


def test_a_plugin_that_does_not_start_is_shown_with_the_reason(house: House) -> None:
    house.install(tools("live"))
    shown = structs.replace(record(house), ref=PluginRef("absent_plugin", "1.0.0"))
    desired = {"demo_plugin": record(house), "absent_plugin": shown}
    done, _ = house.live_set.reconcile(desired, 10**6, reload=True)
    assert (done.name, done.healthy) == ("absent_plugin", False)
    # It is new, and so tried again soon, and again.
    plugin = eventually(lambda: (view := house.live("absent_plugin")).status == "failed" and view)
    assert plugin
    assert plugin.error == done.error
    with pytest.raises(PluginUnavailable, match=r"absent_plugin is not running: .*missing"):
        house.call("ping", "absent_plugin")
    assert house.call("answer") == "live"


def test_after_closing_a_call_is_refused_in_words(house: House) -> None:
    house.install(tools("live"))
    house.live_set.close()
    with pytest.raises(PluginUnavailable, match="shutting down"):
        house.call("answer")
    eventually(lambda: not house.workers())


def test_calls_in_flight_are_finished_while_the_house_closes(house: House, in_flight: Callable[[], Slow]) -> None:
    house.install(tools("live"))
    slow = in_flight()
    with threads(1) as start:
        closing = start(house.live_set.close)
        eventually(lambda: house.live_set.plugins() and house.pid() is None)
        assert slow.answer() == "live"
        closing.result(30)
    eventually(lambda: not house.workers())


def test_a_plugin_can_be_called_while_its_first_worker_starts(house: House) -> None:
    """Its call waits for it, as while a reload wakes it."""
    house.install(tools("live"))
    generation, active = house.parts.index.generation(), house.parts.index.active()
    house.live_set.remove("demo_plugin", generation)
    house.live_set.expect(active, generation)
    assert house.live().status == "asleep"
    with threads(1) as start:
        waiting = start(house.call, "answer")
        house.live_set.reconcile(active, generation, reload=True)
        assert waiting.result(30) == "live"


def test_a_launch_of_a_broken_folder_names_every_fault_and_leaves_nothing(house: House, tmp_path: Path) -> None:
    house.install(tools("live"))
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "__init__.py").write_text("import no_such_module_here\n")
    with pytest.raises(ValidationFailed, match="no_such_module_here"):
        house.live_set.trial(Launch(PluginRef("broken", "1.0.0"), folder))
    house.await_only("demo_plugin")
