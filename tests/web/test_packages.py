"""Which packages a version brings, who needs each, and the room they take."""

from pathlib import Path
from typing import cast

import pytest
from msgspec import structs

from cadence.dependencies import memory
from cadence.dependencies.environment import Environments
from cadence.dependencies.lock import Lock, Package
from cadence.model import PluginRef, VersionRecord
from cadence.storage.index import Index
from cadence.web.packages import BroughtPackage, Packages, packages_of
from tests.storage.house import record_of

KEY = "ab" * 16
LOCK = Lock(
    (
        Package("jinja2", "3.1.6", ("sha256:1",), "Jinja2>=3", via=("flask",)),
        Package("markupsafe", "3.0.4", ("sha256:2",), "Jinja2>=3", via=("jinja2",), built=True),
    )
)


class KeptLocks:
    """The index, as far as it is asked: one lock, and two versions that share it."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def lock_of(self, key: str) -> str | None:
        assert key == KEY
        return self.text

    def versions_in(self, key: str) -> list[PluginRef]:
        assert key == KEY
        return [PluginRef("math_plugin", "1.0.0"), PluginRef("other", "2.0")]


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path)


def packages(environments: Environments, record: VersionRecord, lock: Lock | None = LOCK) -> Packages:
    index = cast(Index, KeptLocks(memory.write(lock) if lock else None))
    return packages_of(index, environments, record)


def record(environment: str | None = KEY) -> VersionRecord:
    made = record_of(PluginRef("math_plugin", "1.0.0"))
    return structs.replace(made, environment=environment, dependencies_installed=("Jinja2[i18n] >= 3",))


def test_each_package_says_who_needs_it_and_whether_it_was_built(environments: Environments) -> None:
    found = packages(environments, record())
    assert found.packages == (
        BroughtPackage("jinja2", "3.1.6", required=True, needed_by=("flask",)),
        BroughtPackage("markupsafe", "3.0.4", needed_by=("jinja2",), built=True),
    )
    assert found.shared_with == (PluginRef("other", "2.0"),)
    assert found.lock.splitlines()[0] == "jinja2==3.1.6 --hash=sha256:1"


def test_their_room_on_the_disk_is_known_where_they_are_there(environments: Environments) -> None:
    assert packages(environments, record()).size_bytes is None
    folder = environments.path(KEY)
    folder.mkdir()
    (folder / "jinja2.py").write_bytes(b"x" * 100_000)
    assert packages(environments, record()).size_bytes == pytest.approx(100_000, abs=20_000)


def test_without_an_environment_or_with_a_lock_that_is_lost_there_is_nothing(environments: Environments) -> None:
    assert packages(environments, record(environment=None)) == Packages()
    assert packages(environments, record(), lock=None) == Packages()
