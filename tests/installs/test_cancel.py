"""Cancelling an install, held in each of its stages: it ends at once, and nothing of it is left."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cadence import examination, installer, runs
from cadence.config import Settings
from cadence.errors import Cancelled, NotFound
from cadence.intake.archive import extract
from cadence.intake.inspection import inspect
from cadence.intake.limits import ArchiveLimits
from cadence.model import CheckOptions, InstallOptions, InstallRecord, InstallState, Upload
from cadence.parts import Parts
from cadence.progress import Cancellation, Progress
from cadence.runs import NotCancellable
from cadence.storage.commits import Publication
from cadence.storage.index import Index
from cadence.storage.locks import plugin_lock
from cadence.storage.staging import Staging
from tests.building import archive_bytes
from tests.dependencies.shelf import Shelf, SilentIndex
from tests.installs.uploads import GATED, Gate, await_success, received, record, submit
from tests.processes import folder_of
from tests.server.process import PATIENCE_SECONDS, await_true
from tests.web.api.asking import Traces, traces


@pytest.fixture
def nothing(parts: Parts) -> Traces:
    """What there is before any install."""
    parts.start()
    return traces(parts)


@pytest.fixture
def entered() -> threading.Event:
    """Set by whatever holds an install, once it does."""
    return threading.Event()


@pytest.fixture
def progress_of(parts: Parts) -> Callable[[], Progress]:
    """The progress of the only install that runs."""

    def find() -> Progress:
        (found,) = parts.serving.installer._runs._runs.values()
        return found.progress

    return find


def await_held(entered: threading.Event) -> None:
    assert entered.wait(PATIENCE_SECONDS)


def cancel(parts: Parts, install_id: str) -> InstallRecord:
    """Cancel it, and see that nobody had to wait for that."""
    cancelled = parts.serving.installer.cancel(install_id)
    assert cancelled.state is InstallState.CANCELLED
    assert cancelled.status == 409
    return cancelled


def await_no_children(of: Callable[[psutil.Process], bool]) -> None:
    def none_left() -> bool:
        children = psutil.Process().children(recursive=True)
        return not [one for one in children if one.is_running() and of(one)]

    await_true(none_left, "the end of the processes")


@pytest.mark.parametrize("check", [False, True])
def test_an_install_that_waits_for_its_turn_is_ended_at_once(
    parts: Parts, settings: Settings, nothing: Traces, check: bool
) -> None:
    gate = Gate(settings, "slow")
    first = submit(parts, "slow", tools=GATED)
    gate.await_waiting()
    waiting = submit(parts, "quick", check=check)
    await_true(lambda: len(record(parts, waiting).stages) == 2, "the wait")
    cancel(parts, waiting)
    assert record(parts, first).state is InstallState.RUNNING
    cancel(parts, first)
    assert traces(parts) == nothing


def test_an_install_that_waits_for_another_of_the_same_plugin_is_ended_at_once(
    parts: Parts, settings: Settings, nothing: Traces
) -> None:
    with plugin_lock(settings.instance, "demo_plugin"):
        install_id = submit(parts)
        await_true(lambda: len(record(parts, install_id).stages) == 2, "the wait")
        cancel(parts, install_id)
    assert traces(parts) == nothing


def test_an_install_that_no_thread_has_begun_is_ended_at_once(
    parts: Parts, settings: Settings, nothing: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As many as there are threads wait for the lock of one plugin, and one more for a thread.
    with plugin_lock(settings.instance, "demo_plugin"):
        busy = [submit(parts) for _ in range(installer._QUEUE_THREADS)]
        await_true(lambda: all(len(record(parts, one).stages) == 2 for one in busy), "the waits")
        late = submit(parts, "late")
        assert [stage.stage for stage in cancel(parts, late).stages] == ["receive"]
        for one in busy:
            cancel(parts, one)
    assert traces(parts) == nothing


@pytest.mark.parametrize("check", [False, True])
def test_an_install_that_is_being_unpacked_is_ended_at_once(
    parts: Parts, nothing: Traces, entered: threading.Event, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    def endless(upload: object, destination: object, limits: object, go_on: Callable[[], None]) -> None:
        entered.set()
        while True:
            go_on()

    monkeypatch.setattr("cadence.checking.extract" if check else "cadence.installer.extract", endless)
    install_id = submit(parts, check=check)
    await_held(entered)
    cancel(parts, install_id)
    assert traces(parts) == nothing


def test_an_install_that_is_being_inspected_is_ended_at_once(
    parts: Parts,
    nothing: Traces,
    entered: threading.Event,
    progress_of: Callable[[], Progress],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def held(*arguments: Any) -> object:
        entered.set()
        assert progress_of().cancelled.wait(PATIENCE_SECONDS)
        return inspect(*arguments)

    monkeypatch.setattr(examination, "inspect", held)
    install_id = submit(parts)
    await_held(entered)
    stages = cancel(parts, install_id).stages
    assert stages[-1].stage == "inspect"
    assert traces(parts) == nothing


@pytest.mark.parametrize("check", [False, True])
def test_an_install_that_waits_for_the_package_index_is_ended_at_once(
    parts: Parts, nothing: Traces, silent_index: SilentIndex, check: bool
) -> None:
    install_id = submit(parts, check=check, dependencies=("alpha",))
    silent_index.await_reader()
    stages = cancel(parts, install_id).stages
    assert stages[-1].stage == "dependencies"
    await_no_children(lambda one: one.name() == "uv")
    assert traces(parts) == nothing


@pytest.mark.parametrize("check", [False, True])
def test_an_install_that_is_tried_out_is_ended_at_once(
    parts: Parts, settings: Settings, nothing: Traces, check: bool
) -> None:
    install_id = submit(parts, check=check, tools=GATED)
    Gate(settings, "demo_plugin").await_waiting()
    stages = cancel(parts, install_id).stages
    assert stages[-1].stage == "trial"
    data = str(settings.instance / "data" / "demo_plugin")
    await_no_children(lambda one: folder_of(one) == data)
    assert traces(parts) == nothing
    await_true(lambda: not list(settings.instance.glob("run/*/*")), "the removal of the worker's folder")


def test_an_install_whose_plugin_is_being_reloaded_is_ended_at_once(parts: Parts, nothing: Traces) -> None:
    with parts.serving.live_set.changing("demo_plugin"):
        install_id = submit(parts)
        await_true(lambda: is_done(parts, install_id, "trial"), "the trial")
        cancel(parts, install_id)
    assert traces(parts) == nothing


def is_done(parts: Parts, install_id: str, stage: str) -> bool:
    return any(one.stage == stage and one.ms is not None for one in record(parts, install_id).stages)


def test_an_install_that_is_about_to_be_committed_is_ended_at_once(
    parts: Parts,
    nothing: Traces,
    entered: threading.Event,
    progress_of: Callable[[], Progress],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sync = Staging.sync

    def held(self: Staging) -> None:
        sync(self)
        entered.set()
        assert progress_of().cancelled.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(Staging, "sync", held)
    install_id = submit(parts)
    await_held(entered)
    assert cancel(parts, install_id).stages[-1].stage == "publish"
    assert traces(parts) == nothing


def test_an_install_that_is_committed_cannot_be_cancelled_and_succeeds(
    parts: Parts, entered: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_published, go_on = Index.mark_published, threading.Event()

    def held(self: Index, *arguments: Any) -> Publication:
        entered.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return mark_published(self, *arguments)

    monkeypatch.setattr(Index, "mark_published", held)
    install_id = submit(parts)
    await_held(entered)
    with pytest.raises(NotCancellable, match="being published"):
        parts.serving.installer.cancel(install_id)
    go_on.set()
    await_success(parts, install_id)
    assert parts.serving.live_set.call("demo_plugin", "add", {"a": 2, "b": 3}).result == 5


def test_an_install_that_is_over_cannot_be_cancelled(parts: Parts) -> None:
    install_id = submit(parts)
    await_success(parts, install_id)
    with pytest.raises(NotCancellable, match=r"demo_plugin-1\.0\.0\.zip is over: it succeeded"):
        parts.serving.installer.cancel(install_id)


def test_an_install_that_never_was_is_not_found(parts: Parts) -> None:
    with pytest.raises(NotFound, match="'absent'"):
        parts.serving.installer.cancel("absent")


def test_the_one_who_waits_for_the_upload_is_told(parts: Parts, settings: Settings) -> None:
    answers: list[BaseException] = []

    def upload() -> None:
        try:
            parts.serving.installer.install(received(parts, tools=GATED), InstallOptions())
        except Cancelled as cancelled:
            answers.append(cancelled)

    thread = threading.Thread(target=upload)
    thread.start()
    Gate(settings, "demo_plugin").await_waiting()
    (running,) = parts.index.running_installs()
    cancel(parts, running.id)
    thread.join(PATIENCE_SECONDS)
    assert [str(one) for one in answers] == ["Install cancelled: The install was cancelled; nothing of it is left."]


def test_the_version_before_goes_on_answering_and_the_next_install_is_taken(parts: Parts, settings: Settings) -> None:
    await_success(parts, submit(parts, "demo_plugin", "1.0.0"))
    install_id = submit(parts, "demo_plugin", "2.0.0", tools=GATED)
    gate = Gate(settings, "demo_plugin")
    gate.await_waiting()
    cancel(parts, install_id)
    assert parts.serving.live_set.call("demo_plugin", "add", {"a": 2, "b": 3}).plugin_version == "1.0.0"
    gate.open()
    await_success(parts, submit(parts, "demo_plugin", "2.0.0", tools=GATED))


@pytest.fixture
def elsewhere(parts: Parts, settings: Settings) -> Iterator[Index]:
    """The index as another process of the instance has it."""
    parts.start()
    with Index.open(settings.instance / "index.db") as index:
        yield index


def test_an_install_that_runs_in_another_process_is_ended_at_once(
    parts: Parts, settings: Settings, nothing: Traces, elsewhere: Index
) -> None:
    install_id = submit(parts, tools=GATED)
    Gate(settings, "demo_plugin").await_waiting()
    cancelled = runs.cancel(elsewhere, install_id)
    assert cancelled.state is InstallState.CANCELLED
    assert traces(parts) == nothing
    with pytest.raises(NotCancellable, match="is over: it was cancelled"):
        runs.cancel(elsewhere, install_id)
    with pytest.raises(NotFound):
        runs.cancel(elsewhere, "absent")


def test_an_install_whose_process_has_died_is_told_as_over(parts: Parts, elsewhere: Index) -> None:
    row = InstallRecord("orphan", "demo_plugin-1.0.0.zip", InstallState.RUNNING, "2026-01-01T00:00:00+00:00")
    elsewhere.start_install(row, "nobody")
    with pytest.raises(NotCancellable, match="it ended with its server"):
        parts.serving.installer.cancel("orphan")


def test_stages_and_lines_of_one_that_takes_its_time_are_seen_by_other_processes(
    parts: Parts, settings: Settings, elsewhere: Index, shelf: Shelf
) -> None:
    shelf.wheel("alpha")
    gate = Gate(settings, "demo_plugin")
    install_id = submit(parts, dependencies=("alpha",), tools=GATED)
    gate.await_waiting()

    def stages() -> list[str]:
        seen = elsewhere.install(install_id)
        return [one.stage for one in seen.stages] if seen else []

    await_true(lambda: "trial" in stages(), "the stages in the index")
    await_true(lambda: elsewhere.lines(install_id), "the lines in the index")
    gate.open()
    await_success(parts, install_id)
    here, there = parts.serving.installer.lines(install_id), elsewhere.lines(install_id)
    assert here == there
    assert [line.n for line in there] == list(range(1, len(there) + 1))


def test_a_quick_install_writes_nothing_but_its_beginning_and_its_end(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "WATCH_SECONDS", PATIENCE_SECONDS)
    parts.start()
    written: list[str] = []
    for name in ("start_install", "update_install", "append_lines", "finish_install", "cancel_requests"):
        method = getattr(Index, name)

        def counted(self: Index, *arguments: Any, _name: str = name, _method: Any = method, **more: Any) -> Any:
            written.append(_name)
            return _method(self, *arguments, **more)

        monkeypatch.setattr(Index, name, counted)
    parts.serving.installer.install(received(parts), InstallOptions())
    assert written == ["start_install", "finish_install"]
    parts.serving.installer.check(received(parts), CheckOptions())
    assert written == ["start_install", "finish_install"] * 2


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", max_concurrent_installs=1)


def test_an_archive_whose_unpacking_is_cancelled_leaves_no_folder(tmp_path: Path) -> None:
    content = archive_bytes({f"file-{number}.txt": "x" * 100_000 for number in range(5)})
    archive = tmp_path / "demo_plugin-1.0.0.zip"
    archive.write_bytes(content)
    upload = Upload(str(archive), archive.name, "", len(content))
    cancelled, calls = Cancellation(), []

    def go_on() -> None:
        calls.append(list((tmp_path / "tree").iterdir()))
        if len(calls) == 5:
            cancelled.set()
        cancelled.raise_if_set()

    with pytest.raises(Cancelled):
        extract(upload, tmp_path / "tree", ArchiveLimits.from_settings(Settings()), go_on)
    assert len(calls) == 5
    assert calls[-1] != []
    assert not (tmp_path / "tree").exists()
