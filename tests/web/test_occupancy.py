"""What an instance takes on its disks, and that measuring it is cheap however often somebody asks."""

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.dependencies.environment import Environments
from cadence.occupancy import Kind, Measured, Measurement, file_systems, measure

KIB = 1024


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty instance."""
    settings = Settings(instance=tmp_path / "instance")
    for folder in (settings.instance, settings.plugin_dir, settings.archive_dir):
        folder.mkdir()
    return settings


def write(path: Path, kib: int) -> Path:
    """A file of so many bytes that are there, and no hole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(kib * KIB))
    return path


def looked(settings: Settings) -> Measured:
    return measure(settings, Environments(settings.instance / "environments"))


def sizes(settings: Settings) -> dict[Kind, int]:
    return {one.kind: one.size_bytes for one in looked(settings).taken}


def is_about(size_bytes: int, kib: int) -> bool:
    """Folders take a block or none, as the file system likes it."""
    return kib * KIB <= size_bytes <= (kib + 64) * KIB


def test_each_kind_of_file_is_measured_where_it_lies(settings: Settings) -> None:
    instance = settings.instance
    write(settings.plugin_dir / "math_plugin-1.0.0" / "plugin.py", 100)
    write(settings.plugin_dir / ".deleted" / "i1" / "tree" / "plugin.py", 200)
    write(settings.plugin_dir / ".staging" / "i2" / "tree" / "plugin.py", 300)
    write(settings.archive_dir / "math_plugin-1.0.0.zip", 400)
    write(settings.archive_dir / ".deleted" / "i1" / "upload.zip", 500)
    write(instance / "data" / "math_plugin" / "notes", 600)
    write(instance / "logs" / "math_plugin.log", 700)
    write(instance / "index.db-wal", 800)
    write(instance / "threads.db", 900)
    write(instance / "environments" / "abc" / "numpy" / "core.so", 1000)
    write(instance / "secret", 1100)
    found = sizes(settings)
    expected: dict[Kind, int] = {
        "plugins": 100,
        "deleted": 700,
        "running": 300,
        "archives": 400,
        "data": 600,
        "logs": 700,
        "index": 800,
        "threads": 900,
        "environments": 1000,
        "other": 1100,
    }
    assert {kind for kind, kib in expected.items() if not is_about(found[kind], kib)} == set(), found
    assert found.keys() == expected.keys()


def test_an_empty_instance_takes_next_to_nothing(settings: Settings) -> None:
    assert sum(sizes(settings).values()) < 64 * KIB


def test_the_copies_of_workers_are_links_and_count_once(settings: Settings) -> None:
    file = write(settings.plugin_dir / "math_plugin-1.0.0" / "plugin.py", 500)
    copy = settings.instance / "run" / "owner" / "plugin.py"
    copy.parent.mkdir(parents=True)
    copy.hardlink_to(file)
    found = sizes(settings)
    assert is_about(found["plugins"], 500)
    assert found["running"] < 64 * KIB


def test_links_are_not_followed(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "huge", 900)
    data = settings.instance / "data" / "math_plugin"
    data.mkdir(parents=True)
    (data / "out").symlink_to(tmp_path / "elsewhere")
    (data / "round").symlink_to(data)
    assert sizes(settings)["data"] < 64 * KIB


@pytest.mark.skipif(os.geteuid() == 0, reason="root looks into every folder")
def test_a_folder_that_cannot_be_looked_into_is_counted_and_does_no_harm(settings: Settings) -> None:
    data = settings.instance / "data"
    write(data / "open_plugin" / "notes", 100)
    closed = write(data / "closed_plugin" / "notes", 900).parent
    closed.chmod(0)
    try:
        (taken,) = [one for one in looked(settings).taken if one.kind == "data"]
        assert taken.hidden == 1
        assert is_about(taken.size_bytes, 100)
    finally:
        closed.chmod(0o700)


def test_environments_are_measured_one_by_one(settings: Settings) -> None:
    write(settings.instance / "environments" / "abc" / "numpy-2.1.0.dist-info" / "METADATA", 10)
    (usage,) = looked(settings).environments
    assert (usage.key, usage.packages) == ("abc", ("numpy==2.1.0",))


def test_folders_on_one_file_system_share_its_room(settings: Settings) -> None:
    (system,) = file_systems(settings)
    assert system.holds == ("instance", "plugins", "archives")
    assert 0 < system.free_bytes < system.total_bytes


# Measuring now and then


def at_once(job: Callable[[], None]) -> "Future[None]":
    """Where nobody waits, but here."""
    done: Future[None] = Future()
    try:
        job()
    except OSError as error:
        done.set_exception(error)
    else:
        done.set_result(None)
    return done


def counting() -> Callable[[], int]:
    """Finds 1, then 2, and so on."""
    return partial(next, itertools.count(1))


def test_what_is_fresh_is_not_measured_again() -> None:
    measurement = Measurement(counting(), at_once)
    assert [measurement.latest() for _ in range(5)] == [1] * 5


def test_what_is_old_is_measured_again() -> None:
    measurement = Measurement(counting(), at_once, fresh_seconds=0)
    assert measurement.latest() == 1
    # A share of what measuring took has to pass, which is next to nothing here.
    while measurement.latest() == 1:
        pass


def test_a_hundred_who_ask_at_once_have_it_measured_once() -> None:
    may_end = threading.Event()
    found: list[int] = []

    def find() -> int:
        assert may_end.wait(30)
        found.append(1)
        return len(found)

    with ThreadPoolExecutor(4) as pool:
        measurement = Measurement(find, pool.submit)
        assert [measurement.latest() for _ in range(100)] == [None] * 100
        may_end.set()
        assert measurement.latest(30) == 1
    assert found == [1]


def test_what_fails_is_tried_again_by_the_next_who_asks() -> None:
    tried: list[int] = []

    def find() -> int:
        tried.append(1)
        if len(tried) == 1:
            raise OSError("the disk is gone")
        return 5

    measurement = Measurement(find, at_once)
    assert measurement.latest() is None
    assert measurement.latest() == 5
