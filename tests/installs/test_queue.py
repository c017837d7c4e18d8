"""Installs at the same time: of one plugin one after the other, of different plugins side by side, up to a bound."""

from pathlib import Path
from typing import Any

import pytest

from cadence.config import Settings
from cadence.errors import PluginUnavailable
from cadence.model import InstallState, PluginRef
from cadence.parts import Parts
from cadence.runtime.launcher import Launch, Launcher
from cadence.runtime.worker import Worker
from tests.installs.uploads import GATED, Gate, await_success, record, submit
from tests.server.process import await_true


def test_uploads_of_one_plugin_queue_and_others_pass_them(parts: Parts, settings: Settings) -> None:
    gate = Gate(settings, "slow")
    first = submit(parts, "slow", "1.0.0", tools=GATED)
    gate.await_waiting()
    second = submit(parts, "slow", "2.0.0")
    await_success(parts, submit(parts, "quick"))
    assert record(parts, first).state is record(parts, second).state is InstallState.RUNNING
    assert parts.index.versions_of("slow") == []
    gate.open()
    await_success(parts, first)
    outcome = await_success(parts, second).outcome
    assert outcome is not None
    assert outcome["details"]["previous_version"] == "1.0.0"


def test_only_so_many_plugins_are_installed_at_once(parts: Parts, settings: Settings) -> None:
    names = ("one", "two", "three")
    gates = {name: Gate(settings, name) for name in names}
    installs = {name: submit(parts, name, tools=GATED) for name in names}
    await_true(lambda: sum(gate.is_waiting for gate in gates.values()) == 2, "two trials")
    (late,) = (name for name in names if not gates[name].is_waiting)
    early, other = (name for name in names if name != late)
    assert [stage.stage for stage in record(parts, installs[late]).stages] in (["receive"], ["receive", "archive"])
    gates[early].open()
    await_success(parts, installs[early])
    gates[late].await_waiting()
    assert record(parts, installs[other]).state is InstallState.RUNNING
    for name in (late, other):
        gates[name].open()
        await_success(parts, installs[name])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", max_concurrent_installs=2)


def test_closing_cancels_what_runs_and_what_waits_and_leaves_nothing(parts: Parts, settings: Settings) -> None:
    running = [submit(parts, name, tools=GATED) for name in ("one", "two")]
    for name in ("one", "two"):
        Gate(settings, name).await_waiting()
    waiting = [submit(parts, "one", "2.0.0"), submit(parts, "three")]
    parts.close()
    again = Parts(settings)
    try:
        states = {id: again.index.install(id) for id in (*running, *waiting)}
        assert {one.state for one in states.values() if one} == {InstallState.CANCELLED}
        assert again.index.versions() == []
        assert again.store.folders() == again.store.archives() == again.store.stagings() == set()
        assert not list(settings.instance.glob("run/*"))
        assert not list(settings.instance.glob("store_archived/.uploads/*"))
    finally:
        again.close()


def test_an_install_that_comes_after_the_end_is_refused_and_leaves_no_file(parts: Parts, settings: Settings) -> None:
    parts.serving.installer.close()
    with pytest.raises(PluginUnavailable):
        submit(parts, "late")
    assert not list(settings.instance.glob("store_archived/.uploads/*/*"))
    assert parts.index.running_installs() == []


def test_the_version_that_answers_after_a_deletion_is_loaded_once(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that follows the index must not load again what the deletion has loaded."""
    parts.start(serve=True)
    launched: list[PluginRef] = []
    launch = Launcher.launch

    def counted(self: Launcher, what: Launch, *arguments: Any) -> Worker:
        launched.append(what.ref)
        return launch(self, what, *arguments)

    names = [f"plugin_{number}" for number in range(10)]
    for name in names:
        for version in ("1.0.0", "1.1.0"):
            await_success(parts, submit(parts, name, version))
    monkeypatch.setattr(Launcher, "launch", counted)
    for name in names:
        parts.serving.remover.delete(PluginRef(name, "1.1.0"))
    parts.serving.reconciler.catch_up()
    assert launched == [PluginRef(name, "1.0.0") for name in names]
