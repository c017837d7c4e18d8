"""After any installs, overwrites, removals, failures and deaths, index, folders and archives agree."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cadence.errors import NotFound, ValidationFailed
from cadence.model import PluginRef
from cadence.storage.versions import highest
from tests.storage.death import killed_before_change
from tests.storage.house import House

names = st.sampled_from(["one", "two"])
versions = st.sampled_from(["1.0", "9.0", "10.0"])
metadata_names = st.sampled_from([None, "shared"])


class Agreement(RuleBasedStateMachine):
    """``contents`` is what should be installed; ``active`` what should be active."""

    @initialize()
    def move_in(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.house = House(self.root)
        self.contents: dict[tuple[str, str], str] = {}
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.house.close()
            shutil.rmtree(self.root)

    @rule(name=names, version=versions, metadata_name=metadata_names, activate=st.sampled_from([None, True, False]))
    def install(self, name: str, version: str, metadata_name: str | None, activate: bool | None) -> None:
        before = self.active()
        self.count += 1
        try:
            publication = self.house.install(name, version, f"{self.count}", activate, metadata_name)
        except ValidationFailed:
            other = "two" if name == "one" else "one"
            assert self.house.index.active()[other].report.metadata.name == metadata_name
            assert self.active() == before
            return
        assert publication.previous_version == before.get(name)
        assert publication.replaced == ((name, version) in self.contents)
        self.contents[name, version] = f"{self.count}"
        assert self.active() == before | ({name: version} if publication.activated else {})

    @rule(name=names, version=versions)
    def remove(self, name: str, version: str) -> None:
        before = self.active()
        try:
            fallback = self.house.remove(name, version)
        except NotFound:
            assert (name, version) not in self.contents
            return
        del self.contents[name, version]
        left = [known for plugin, known in self.contents if plugin == name]
        if before.get(name) == version:
            assert fallback in ({highest(left)} if not self.any_shared() else {None, *left})
            assert self.active().get(name) == fallback
        else:
            assert (fallback, self.active()) == (None, before)

    @rule(name=names, version=versions, change=st.integers(1, 30), removes=st.booleans())
    def die_and_recover(self, name: str, version: str, change: int, removes: bool) -> None:
        self.count += 1
        key, new = (name, version), f"{self.count}"
        if removes and key not in self.contents:
            return

        def act() -> None:
            house = House(self.root)
            _ = house.remove(*key) if removes else house.install(*key, new)

        killed_before_change(change, act)
        self.house.recover()
        content = self.house.content(name, version)
        assert content in ({None, self.contents[key]} if removes else {self.contents.get(key), new})
        if content is None:
            self.contents.pop(key, None)
        else:
            self.contents[key] = content

    @precondition(lambda self: self.contents)
    @rule(data=st.data())
    def lose_a_folder_and_recover(self, data: st.DataObject) -> None:
        name, version = data.draw(st.sampled_from(sorted(self.contents)))
        shutil.rmtree(self.house.store.folder(PluginRef(name, version)))
        assert self.house.recover().rebuilt == (PluginRef(name, version),)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "house"):
            return
        self.house.check()
        found = {(record.ref.name, record.ref.version) for record in self.house.index.versions()}
        assert found == set(self.contents)
        for (name, version), content in self.contents.items():
            assert self.house.content(name, version) == content

    def active(self) -> dict[str, str]:
        return {name: record.ref.version for name, record in self.house.index.active().items()}

    def any_shared(self) -> bool:
        return any(record.report.metadata.name == "shared" for record in self.house.index.versions())


# Each step writes through to the disk and some start a process, so the examples are few and have no deadline.
Agreement.TestCase.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAgreement = Agreement.TestCase
