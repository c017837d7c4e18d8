"""Any sequence of what operators do, and of what goes wrong, leaves index, store and live set in agreement."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cadence.config import Settings
from cadence.errors import CadenceError, CallFailed, PluginUnavailable
from cadence.model import InstallOptions, PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.building import archive_bytes, plugin_files
from tests.runtime.house import House, eventually

NAME = "demo_plugin"
VERSIONS = ("1.0.0", "1.1.0", "2.0.0")
TOOLS = """
    import os
    from cadence_sdk import tool

    @tool
    def answer() -> str:
        "Which version this is."
        return {version!r}

    @tool
    def crash() -> None:
        "Ends the worker."
        os._exit(3)

    TOOLS = [answer, crash]
"""
versions = st.sampled_from(VERSIONS)
ARCHIVES = {
    version: archive_bytes(plugin_files(NAME, version, tools=TOOLS.format(version=version))) for version in VERSIONS
}


class Story(RuleBasedStateMachine):
    """One plugin in three versions, through all that can become of it.

    The model knows what is installed and what was deleted; which version is active it asks, and holds against the rest.
    """

    zygote: Zygote

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cadence-story-"))
        self.installed: set[str] = set()
        self.deleted: set[str] = set()
        self._open()

    def _open(self) -> None:
        chosen = Settings(instance=self.folder / "instance", probation_crashes=2, health_interval_seconds=10**6)
        parts = Parts(chosen, self.zygote)
        parts.start(serve=True)
        self.house = House(parts)

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.house.parts.close()
            shutil.rmtree(self.folder)

    @property
    def active(self) -> str | None:
        record = self.house.parts.index.active().get(NAME)
        return record.ref.version if record else None

    def _upload(self, version: str, options: InstallOptions) -> None:
        with self.house.running.receive() as file:
            file.write(ARCHIVES[version])
            upload = file.finish(f"{NAME}-{version}.zip")
        self.house.running.installer.install(upload, options)

    @rule(version=versions, activate=st.sampled_from([None, True, False]))
    def upload(self, version: str, activate: bool | None) -> None:
        before, state = self.active, self.house.parts.index.plugin_state(NAME)
        try:
            self._upload(version, InstallOptions(activate=activate))
        except CadenceError:
            assert version in self.installed
            return
        assert version not in self.installed
        self.installed.add(version)
        self.deleted.discard(version)
        if state is not None and state.pinned and not activate:
            assert self.active == before

    @precondition(lambda self: self.installed)
    @rule(version=versions)
    def overwrite(self, version: str) -> None:
        self._upload(version, InstallOptions(force_overwrite=True))
        self.installed.add(version)
        self.deleted.discard(version)

    @rule(version=versions, pin=st.booleans())
    def activate(self, version: str, pin: bool) -> None:
        with refused_unless(version in self.installed):
            self.house.running.switcher.activate(NAME, version, pin=pin)
            if not self._disabled:
                assert self.active == version

    @rule()
    def roll_back(self) -> None:
        with contextlib.suppress(CadenceError):
            before = self.active
            done = self.house.running.switcher.roll_back(NAME)
            assert done.version != before or self._disabled

    @rule()
    def pin(self) -> None:
        with contextlib.suppress(CadenceError):
            self.house.running.switcher.pin(NAME)

    @rule()
    def unpin(self) -> None:
        with refused_unless(bool(self.installed)):
            self.house.running.switcher.unpin(NAME)

    @rule()
    def disable(self) -> None:
        with refused_unless(bool(self.installed)):
            self.house.running.switcher.disable(NAME)
            assert self.active is None

    @rule()
    def enable(self) -> None:
        with refused_unless(bool(self.installed)):
            self.house.running.switcher.enable(NAME)

    @rule(version=versions)
    def delete(self, version: str) -> None:
        with refused_unless(version in self.installed):
            self.house.running.remover.delete(PluginRef(NAME, version))
            self.installed.discard(version)
            self.deleted.add(version)

    @rule(version=versions)
    def restore(self, version: str) -> None:
        with refused_unless(version in self.deleted):
            self.house.running.remover.restore(PluginRef(NAME, version))
            self.deleted.discard(version)
            self.installed.add(version)

    @precondition(lambda self: self.active)
    @rule(times=st.integers(1, 3))
    def crash(self, times: int) -> None:
        for _ in range(times):
            with contextlib.suppress(CallFailed):
                self.house.call("crash")

    @rule()
    def sleep(self) -> None:
        self.house.live_set.sleep(NAME)

    @rule()
    def reload(self) -> None:
        self.house.running.reconciler.reload()

    @rule()
    def restart(self) -> None:
        self.house.parts.close()
        self._open()

    @property
    def _disabled(self) -> bool:
        state = self.house.parts.index.plugin_state(NAME)
        return state is not None and state.disabled

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "house"):
            return
        slugs = {f"{NAME}-{version}" for version in self.installed}
        assert {record.ref.version for record in self.house.parts.index.versions()} == self.installed
        assert self.house.parts.store.folders() == slugs
        assert self.house.parts.store.archives() == slugs
        assert {one.ref.version for one in self.house.running.remover.deleted(NAME)} == self.deleted

    @invariant()
    def what_is_active_answers_and_nothing_else(self) -> None:
        if not hasattr(self, "house"):
            return
        eventually(self._agrees)

    def _agrees(self) -> bool:
        """Within a moment: what was decided in the background has to come to its end."""
        active = self.active
        try:
            answer = self.house.call("answer")
        except PluginUnavailable:
            answer = None
        except CadenceError:
            answer = None if active is None else ""
        live = self.house.live_set.plugin(NAME)
        assert active is None or active in self.installed
        return answer == active == (live.record.ref.version if live else None) and self.active == active


@contextlib.contextmanager
def refused_unless(possible: bool) -> Iterator[None]:
    """What cannot be done is refused, and what can be done is not."""
    refusals = []
    try:
        yield
    except CadenceError as error:
        refusals.append(error)
    assert possible == (not refusals), refusals


@pytest.mark.timeout(400)
def test_any_sequence_of_events_keeps_index_store_and_live_set_in_agreement(zygote: Zygote) -> None:
    Story.zygote = zygote
    effort = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # A story that fails does so after a wait, and to make it shorter would take hundreds of those.
        phases=(Phase.explicit, Phase.generate),
    )
    run_state_machine_as_test(Story, settings=effort)
