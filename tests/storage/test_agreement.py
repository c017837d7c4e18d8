"""After any installs, removals, restorations, decisions, failures and deaths, index, folders and archives agree."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cadence.errors import CadenceError, NotFound, ValidationFailed
from cadence.history import Reason
from cadence.model import PluginRef
from cadence.storage.versions import highest
from tests.removal.bin import Bin
from tests.storage.death import killed_before_change

names = st.sampled_from(["one", "two"])
versions = st.sampled_from(["1.0", "9.0", "10.0"])
acts = st.sampled_from(["install", "delete", "restore"])
metadata_names = st.sampled_from([None, "shared"])


class Agreement(RuleBasedStateMachine):
    """``contents`` is what should be installed, ``deleted`` what can be brought back, ``bad`` what was taken back."""

    @initialize()
    def move_in(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.bin = Bin(self.root)
        self.house = self.bin.house
        self.contents: dict[tuple[str, str], str] = {}
        self.deleted: dict[tuple[str, str], str] = {}
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
            assert metadata_name == "shared"
            assert self.active() == before
            return
        assert publication.replaced == ((name, version) in self.contents)
        self.contents[name, version] = f"{self.count}"
        self.deleted.pop((name, version), None)
        answers = publication.activated and not publication.disabled
        assert self.active() == before | ({name: version} if answers else {})

    @rule(name=names, version=versions, kept=st.booleans())
    def remove(self, name: str, version: str, kept: bool) -> None:
        before, good = self.active(), self.good(name) - {version}
        try:
            fallback = self.bin.remover.delete(PluginRef(name, version)) if kept else self.house.remove(name, version)
        except NotFound:
            assert (name, version) not in self.contents
            return
        content = self.contents.pop((name, version))
        if kept:
            self.deleted[name, version] = content
        if before.get(name) == version:
            assert fallback in ({highest(good)} if not self.any_shared() else {None, *good})
            assert self.active().get(name) == fallback
        else:
            assert self.active() == before

    @rule(name=names, version=versions)
    def restore(self, name: str, version: str) -> None:
        before = self.active()
        try:
            restored = self.bin.remover.restore(PluginRef(name, version))
        except CadenceError:
            assert (name, version) not in self.deleted
            return
        self.contents[name, version] = self.deleted.pop((name, version))
        assert self.active() == before | ({name: version} if restored.activated else {})

    @rule(name=names, version=versions, decision=st.sampled_from(["activate", "roll_back", "pin", "unpin"]))
    def decide(self, name: str, version: str, decision: str) -> None:
        with contextlib.suppress(CadenceError):
            getattr(self.house.index, decision)(*([name, version] if decision == "activate" else [name]))

    @rule(name=names, decision=st.sampled_from(["disable", "enable"]))
    def switch(self, name: str, decision: str) -> None:
        with contextlib.suppress(NotFound):
            getattr(self.house.index, decision)(name)
            assert (name in self.active()) <= (decision == "enable")

    @rule(name=names)
    def take_back(self, name: str) -> None:
        record, good = self.house.index.active_of(name), self.good(name)
        if record is None:
            return
        taken = self.house.index.take_back(record.ref, record.install_id, Reason("crashes", "It crashed."))
        if taken is not None:
            assert self.good(name) == good - {record.ref.version}
            assert self.active().get(name) == taken.successor
            assert taken.successor in good | {None}
            assert taken.successor is not None or not self.good(name) or self.any_shared()

    @rule(
        name=names, version=versions, change=st.integers(1, 30), act=st.sampled_from(["install", "delete", "restore"])
    )
    def die_and_recover(self, name: str, version: str, change: int, act: str) -> None:
        self.count += 1
        key, new = (name, version), f"{self.count}"
        if key not in {"install": {key}, "delete": self.contents, "restore": self.deleted}[act]:
            return

        def live() -> None:
            living = Bin(self.root)
            if act == "install":
                living.house.install(*key, new)
            else:
                getattr(living.remover, act)(PluginRef(*key))

        killed_before_change(change, live)
        self.house.recover()
        content, old = self.house.content(name, version), self.contents.pop(key, None)
        kept = self.deleted.pop(key, None)
        if content is None:
            if old or kept:
                self.deleted[key] = old or kept or ""
            return
        assert content in {"install": {old, new}, "delete": {old}, "restore": {kept}}[act]
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
        self.bin.check()
        assert {(one.ref.name, one.ref.version) for one in self.bin.remover.deleted()} == set(self.deleted)

    def active(self) -> dict[str, str]:
        return {name: record.ref.version for name, record in self.house.index.active().items()}

    def good(self, name: str) -> set[str]:
        return {record.ref.version for record in self.house.index.versions_of(name) if record.quarantine is None}

    def any_shared(self) -> bool:
        return any(record.report.metadata.name == "shared" for record in self.house.index.versions())


# Each step writes through to the disk and some start a process, so the examples are few and have no deadline.
Agreement.TestCase.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAgreement = Agreement.TestCase
