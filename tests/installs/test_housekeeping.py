"""Housekeeping: what is asked for, how often it comes to a run, and the occasions on which it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cadence import housekeeping
from cadence.config import Settings
from cadence.dependencies.environment import Environments
from cadence.errors import ValidationFailed
from cadence.housekeeping import Housekeeper, tidy
from cadence.model import InstallOptions, PluginRef, Upload
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from cadence.storage.index import Index
from tests.building import archive_bytes, plugin_files
from tests.dependencies.making import QuickUv, left_in, made, quick_lock
from tests.dependencies.shelf import Shelf
from tests.runtime.house import eventually
from tests.storage.house import record_of

QUICK = QuickUv(idle_seconds=1)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open(tmp_path / "index.db") as index:
        yield index


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path / "environments")


class Background:
    """Jobs that wait until they are told to run."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def run(self) -> None:
        self.jobs.pop(0)()


def publish(index: Index, name: str, environment: str | None) -> None:
    ref = PluginRef(name, "1.0.0")
    index.commit_version(record_of(ref, environment=environment))
    index.mark_published(ref, "i1")


def installed(environments: Environments, index: Index, name: str) -> str:
    """An environment that was made, and its lock kept, as an install does."""
    lock = quick_lock(name)
    assert lock.key is not None
    made(environments, lock, QUICK)
    index.keep_resolution("the same for all", lock.key, lock.text)
    return lock.key


def test_what_no_version_needs_goes_and_its_lock_too(environments: Environments, index: Index, tmp_path: Path) -> None:
    needed, superfluous, latest = (installed(environments, index, name) for name in ("alpha", "beta", "gamma"))
    publish(index, "demo_plugin", needed)
    assert tidy(environments, index) == tuple(sorted((superfluous, latest)))
    assert left_in(tmp_path / "environments") == [needed]
    assert index.lock_of(needed) is not None
    assert index.lock_of(superfluous) is None
    assert index.lock_of(latest) is not None  # a resolution came to it


def test_the_lock_of_an_install_that_is_not_published_yet_stays(environments: Environments, index: Index) -> None:
    lock = quick_lock("alpha")
    lease = environments.ensure(lock, QUICK)
    assert lease is not None
    assert lock.key is not None
    installed(environments, index, "beta")
    index.keep_resolution("the same for all", lock.key, lock.text)
    installed(environments, index, "gamma")
    tidy(environments, index)
    assert index.lock_of(lock.key) == lock.text
    lease.close()
    tidy(environments, index)
    assert index.lock_of(lock.key) is None


def test_what_is_asked_for_together_is_done_once(
    environments: Environments, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    monkeypatch.setattr(housekeeping, "tidy", lambda *_: runs.append(1))
    background = Background()
    housekeeper = Housekeeper(environments, index, background.jobs.append)
    for _ in range(5):
        housekeeper.request()
    assert len(background.jobs) == 1
    background.run()
    assert runs == [1]
    housekeeper.request()
    background.run()
    assert runs == [1, 1]


def test_what_is_asked_for_during_a_run_is_one_more_run_after_it(
    environments: Environments, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    background = Background()
    housekeeper = Housekeeper(environments, index, background.jobs.append)

    def run(*_: object) -> None:
        runs.append(1)
        if len(runs) == 1:
            housekeeper.request()
            housekeeper.request()
            assert background.jobs == []

    monkeypatch.setattr(housekeeping, "tidy", run)
    housekeeper.request()
    background.run()
    assert runs == [1, 1]
    assert background.jobs == []


def test_a_run_that_failed_does_not_end_housekeeping(
    environments: Environments, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    background = Background()
    housekeeper = Housekeeper(environments, index, background.jobs.append)
    with monkeypatch.context() as patched:
        patched.setattr(housekeeping, "tidy", fail)
        housekeeper.request()
        with pytest.raises(OSError, match="the disk is gone"):
            background.run()
    key = installed(environments, index, "alpha")
    housekeeper.request()
    background.run()
    assert not environments.path(key).exists()


def test_a_lease_that_is_let_go_is_an_occasion(environments: Environments, index: Index) -> None:
    housekeeper = Housekeeper(environments, index, lambda job: job())
    environments.on_release = housekeeper.request
    key = installed(environments, index, "alpha")
    assert not environments.path(key).exists()
    publish(index, "demo_plugin", key)
    assert environments.path(installed(environments, index, "alpha")).exists()


USES_ALPHA = """
    import alpha
    from cadence_sdk import tool

    @tool
    def which() -> str:
        "The version."
        return alpha.version

    TOOLS = [which]
"""
FAILS = "raise RuntimeError('not today')"


class Instance:
    """A runtime that takes packages from a shelf."""

    def __init__(self, parts: Parts, shelf: Shelf) -> None:
        self.parts = parts
        self.shelf = shelf
        self.environments = parts.settings.instance / "environments"

    def upload(self, version: str, *dependencies: str, tools: str = USES_ALPHA) -> Upload:
        files = plugin_files("demo_plugin", version, tools=tools, dependencies=dependencies)
        with self.parts.serving.receive() as file:
            file.write(archive_bytes(files))
            return file.finish(f"demo_plugin-{version}.zip")

    def install(self, version: str, *dependencies: str, tools: str = USES_ALPHA, force: bool = False) -> None:
        options = InstallOptions(force_overwrite=force)
        self.parts.serving.installer.install(self.upload(version, *dependencies, tools=tools), options)

    def delete(self, version: str) -> None:
        self.parts.serving.remover.delete(PluginRef("demo_plugin", version))

    def purge(self) -> None:
        """Have the time be over for which deleted versions are kept."""
        self.parts.index.database.execute("UPDATE deleted SET expires_at = deleted_at")
        self.parts.serving.remover.purge()
        self.parts.serving.housekeeper.request()

    @property
    def left(self) -> list[str]:
        return left_in(self.environments)

    def await_left(self, count: int) -> None:
        eventually(lambda: len(self.left) == count)


@pytest.fixture
def instance(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    shelf = Shelf(tmp_path)
    config = tmp_path / "uv.toml"
    config.write_text(f"no-index = true\nfind-links = [{str(shelf.folder)!r}]\n")
    monkeypatch.setenv("UV_CONFIG_FILE", str(config))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for version in ("1.0", "2.0"):
        shelf.wheel("alpha", version)
    return Instance(parts, shelf)


def test_the_environment_of_a_deleted_version_goes_once_it_cannot_be_brought_back(instance: Instance) -> None:
    instance.install("1.0.0", "alpha==1.0")
    instance.install("2.0.0", "alpha==2.0")
    instance.await_left(2)
    instance.delete("2.0.0")
    assert instance.parts.serving.live_set.call("demo_plugin", "which", {}).result == "1.0"
    tidy(instance.parts.environments, instance.parts.index)
    assert len(instance.left) == 2
    instance.parts.serving.remover.restore(PluginRef("demo_plugin", "2.0.0"))
    assert instance.parts.serving.live_set.call("demo_plugin", "which", {}).result == "2.0"
    instance.delete("2.0.0")
    instance.purge()
    instance.await_left(1)
    assert instance.parts.serving.live_set.call("demo_plugin", "which", {}).result == "1.0"
    instance.delete("1.0.0")
    instance.purge()
    instance.await_left(0)


def test_the_environment_of_a_version_that_never_ran_goes_too(instance: Instance) -> None:
    instance.install("1.0.0", "alpha==1.0")
    instance.install("2.0.0", "alpha==2.0")
    instance.delete("1.0.0")
    instance.purge()
    instance.await_left(1)
    assert instance.parts.serving.live_set.call("demo_plugin", "which", {}).result == "2.0"


def test_the_environment_of_a_version_that_is_replaced_goes(instance: Instance) -> None:
    instance.install("1.0.0", "alpha==1.0")
    instance.install("1.0.0", "alpha==2.0", force=True)
    instance.await_left(1)
    assert instance.parts.serving.live_set.call("demo_plugin", "which", {}).result == "2.0"


def test_the_environment_of_an_install_that_failed_afterwards_goes(instance: Instance) -> None:
    with pytest.raises(ValidationFailed):
        instance.install("1.0.0", "alpha==1.0", tools=FAILS)
    instance.await_left(0)


def test_the_environment_of_a_version_in_use_outlives_every_occasion(instance: Instance) -> None:
    instance.install("1.0.0", "alpha==1.0")
    (key,) = instance.left
    with pytest.raises(ValidationFailed):
        instance.install("2.0.0", "alpha==2.0", tools=FAILS)
    instance.await_left(1)
    assert instance.left == [key]
    assert instance.parts.serving.live_set.call("demo_plugin", "which", {}).result == "1.0"


def test_what_is_kept_for_a_time_is_looked_at_with_the_first_run_and_then_now_and_then(
    environments: Environments, index: Index
) -> None:
    background, done = Background(), list[str]()
    later: list[tuple[float, Callable[[], object]]] = []

    def fail() -> None:
        raise OSError("the disk is gone")

    housekeeper = Housekeeper(environments, index, background.jobs.append)
    housekeeper.chores = (lambda: done.append("purge"), fail, lambda: done.append("prune"))
    housekeeper.keep_on(lambda seconds, job: later.append((seconds, job)))
    background.run()
    assert done == ["purge", "prune"], "one that fails keeps nobody from the others"
    housekeeper.request()
    background.run()
    assert done == ["purge", "prune"]
    housekeeper._chores_due = 0.0  # as an hour later
    ((seconds, again),) = later
    assert seconds == housekeeping.CHORES_SECONDS
    again()
    background.run()
    assert done == ["purge", "prune"] * 2
    assert len(later) == 2


def test_a_server_that_starts_removes_what_an_earlier_one_did_not(
    settings: Settings, zygote: Zygote, tmp_path: Path
) -> None:
    directory = settings.instance / "environments"
    made(Environments(directory), quick_lock(), QUICK)
    parts = Parts(settings, zygote)
    try:
        parts.start(serve=True)
        eventually(lambda: left_in(directory) == [])
    finally:
        parts.close()
