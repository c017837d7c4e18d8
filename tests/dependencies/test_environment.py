import errno
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cadence.dependencies import tree
from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.environment import EnvironmentMissing, Environments
from cadence.dependencies.lock import Lock
from cadence.dependencies.resolver import resolve
from cadence.errors import Cancelled, DependenciesFailed, StorageFull
from tests.dependencies.making import (
    MISSING,
    NoUv,
    QuickUv,
    await_pause,
    contents,
    kill,
    left_in,
    locks_in,
    made,
    quick_lock,
    start_install,
)
from tests.dependencies.shelf import Shelf, SilentIndex, await_true, damage, is_over


def test_a_lock_becomes_a_directory_that_can_be_imported_from(shelf: Shelf, uv: Uv, environments: Environments) -> None:
    shelf.wheel("alpha", "2.0")
    path = made(environments, resolve(["alpha"], (), uv), uv)
    program = f"import sys; sys.path.insert(0, {str(path)!r}); import alpha; print(alpha.version)"
    assert subprocess.check_output([sys.executable, "-I", "-c", program], text=True) == "2.0\n"


def test_nothing_but_the_packages_is_in_the_environment(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    path = made(environments, lock, uv)
    assert sorted(entry.name for entry in path.iterdir()) == ["alpha", "alpha-1.0.dist-info"]
    assert left_in(tmp_path / "environments") == [lock.key]


def test_bytecode_is_compiled_into_it_whatever_the_server_was_started_with(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "elsewhere"))
    shelf.wheel("alpha", files={"alpha/inner/more.py": "x = 1\n", "alpha/broken.py": "x = ("})
    path = made(environments, resolve(["alpha"], (), uv), uv)
    compiled = sorted(file.name.partition(".")[0] for file in path.rglob(f"*.{sys.implementation.cache_tag}.pyc"))
    assert compiled == ["__init__", "more"]


def test_an_environment_that_exists_costs_no_run_of_uv(shelf: Shelf, uv: Uv, environments: Environments) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    first = made(environments, lock, uv)
    assert made(environments, lock, NoUv(idle_seconds=1)) == first


def test_an_empty_lock_needs_no_environment(environments: Environments, tmp_path: Path) -> None:
    assert environments.ensure(Lock(), NoUv(idle_seconds=1)) is None
    assert not (tmp_path / "environments").exists()


def test_a_file_that_is_not_the_one_locked_is_refused(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(MISSING, uv)
    assert caught.value.details == (
        "Failed to install: alpha>=1: The file of alpha 1.0 is not the one that was resolved: its hash differs."
    )
    assert left_in(tmp_path / "environments") == []


def test_a_damaged_wheel_is_told_by_name(shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path) -> None:
    wheel = shelf.wheel("alpha")
    damage(wheel)
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(MISSING, uv)
    assert caught.value.faults[0].code in ("broken_wheel", "hash_mismatch")
    assert left_in(tmp_path / "environments") == []


def test_a_cancelled_install_leaves_nothing(silent: SilentIndex, environments: Environments, tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    cancelled = threading.Event()
    uv = Uv(idle_seconds=60, cancelled=cancelled, options=silent.options)
    with ThreadPoolExecutor() as pool:
        install = pool.submit(environments.ensure, MISSING, uv)
        silent.await_reader()
        assert left_in(tmp_path / "environments") != []
        cancelled.set()
        with pytest.raises(Cancelled):
            install.result()
    assert left_in(tmp_path / "environments") == []
    assert set(psutil.Process().children()) <= before


def test_an_install_that_makes_no_progress_is_ended_and_leaves_nothing(
    silent: SilentIndex, environments: Environments, tmp_path: Path
) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(MISSING, Uv(idle_seconds=0.5, options=silent.options))
    assert caught.value.details == (
        "Failed to install: alpha>=1: The installer made no progress for 0.5 seconds and was ended."
    )
    assert left_in(tmp_path / "environments") == []
    assert set(psutil.Process().children()) <= before


def test_threads_that_want_the_same_environment_install_it_once(
    shelf: Shelf, uv: Uv, environments: Environments
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    lines: list[str] = []
    together = threading.Barrier(4)

    def ensure() -> Path:
        together.wait()
        return made(environments, lock, Uv(idle_seconds=60, on_line=lines.append, options=shelf.options))

    with ThreadPoolExecutor(4) as pool:
        paths = [one.result() for one in [pool.submit(ensure) for _ in range(4)]]
    assert len(set(paths)) == 1
    assert sum("Installed" in line for line in lines) == 1


def test_processes_that_want_the_same_environment_install_it_once(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    processes = [start_install(tmp_path / "environments", lock, shelf.options) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert "".join(said).count("Installed") == 1


def test_waiting_for_another_install_can_be_cancelled(silent: SilentIndex, environments: Environments) -> None:
    first, second = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        holder = pool.submit(environments.ensure, MISSING, Uv(idle_seconds=60, cancelled=first, options=silent.options))
        silent.await_reader()
        waiter = pool.submit(environments.ensure, MISSING, NoUv(idle_seconds=60, cancelled=second))
        second.set()
        with pytest.raises(Cancelled):
            waiter.result()
        assert not holder.done()
        first.set()
        with pytest.raises(Cancelled):
            holder.result()


def test_a_server_that_is_killed_takes_uv_with_it_and_what_it_left_does_not_count(
    shelf: Shelf, uv: Uv, silent: SilentIndex, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    # Another cache than the one that has the file by now.
    options = IndexOptions(index=silent.options.index, cache=tmp_path / "empty")
    server = start_install(tmp_path / "environments", lock, options)
    silent.await_reader()
    children = psutil.Process(server.pid).children(recursive=True)
    assert children != []
    server.kill()
    server.communicate()
    await_true(lambda: all(is_over(child.pid) for child in children))
    (leftover,) = left_in(tmp_path / "environments")
    assert leftover != lock.key
    made(environments, lock, uv)
    assert left_in(tmp_path / "environments") == [lock.key]


def test_recovery_removes_what_the_dead_left_and_nothing_that_is_in_work(
    silent: SilentIndex, environments: Environments, tmp_path: Path
) -> None:
    cancelled = threading.Event()
    with ThreadPoolExecutor() as pool:
        install = pool.submit(
            environments.ensure, MISSING, Uv(idle_seconds=60, cancelled=cancelled, options=silent.options)
        )
        silent.await_reader()
        dead = tmp_path / "environments" / f".{'0' * 32}-abc"
        dead.mkdir()
        environments.recover()
        (left,) = left_in(tmp_path / "environments")
        cancelled.set()
        with pytest.raises(Cancelled):
            install.result()
    assert left.startswith(f".{MISSING.key}-")


def test_a_lease_is_of_an_environment_that_is_there(environments: Environments, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing):
        environments.lease(environments.path("0" * 32))
    assert not (tmp_path / "environments").exists()
    lock = quick_lock()
    path = made(environments, lock, QuickUv(idle_seconds=1))
    first, second = environments.lease(path), environments.lease(path)
    assert first.path == second.path == path
    first.close()
    first.close()
    assert environments.collect(set) == ()
    second.close()
    assert environments.collect(set) == (lock.key,)


def test_a_closed_lease_is_told_once(environments: Environments) -> None:
    told: list[int] = []
    lease = environments.ensure(quick_lock(), QuickUv(idle_seconds=1))
    environments.on_release = lambda: told.append(1)
    assert lease is not None
    assert told == []
    lease.close()
    lease.close()
    assert told == [1]


def test_asking_for_an_environment_that_is_being_installed_does_not_wait_for_it(
    silent: SilentIndex, environments: Environments
) -> None:
    cancelled = threading.Event()
    with ThreadPoolExecutor() as pool:
        uv = Uv(idle_seconds=60, cancelled=cancelled, options=silent.options)
        install = pool.submit(environments.ensure, MISSING, uv)
        silent.await_reader()
        assert MISSING.key is not None
        with pytest.raises(EnvironmentMissing):
            environments.lease(environments.path(MISSING.key))
        assert not install.done()
        cancelled.set()
        with pytest.raises(Cancelled):
            install.result()


def test_an_install_that_failed_leaves_no_lock_behind(environments: Environments, uv: Uv, tmp_path: Path) -> None:
    with pytest.raises(DependenciesFailed):
        environments.ensure(MISSING, uv)
    assert locks_in(tmp_path / "environments") == []


def test_what_is_counted_are_the_packages_that_are_ready(shelf: Shelf, uv: Uv, environments: Environments) -> None:
    for name in ("alpha", "beta", "gamma"):
        shelf.wheel(name)
    lock = resolve(["alpha", "beta", "gamma"], (), uv)
    counts: list[tuple[int, int]] = []
    made(environments, lock, Uv(idle_seconds=60, on_count=lambda *count: counts.append(count), options=shelf.options))
    assert counts[-1] == (3, 3)
    assert counts == sorted(set(counts))
    assert {total for _, total in counts} == {3}


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_every_worker_can_read_it_whatever_the_umask(
    shelf: Shelf, uv: Uv, environments: Environments, umask: int
) -> None:
    shelf.wheel("alpha", files={"alpha/inner/more.py": ""})
    lock = resolve(["alpha"], (), uv)
    before = os.umask(umask)
    try:
        path = made(environments, lock, uv)
    finally:
        os.umask(before)
    modes = {entry: stat.S_IMODE(entry.stat().st_mode) for entry in [path, *path.rglob("*")]}
    assert all(mode & 0o444 == 0o444 for mode in modes.values())
    assert all(mode & 0o111 == 0o111 for entry, mode in modes.items() if entry.is_dir())
    assert path.parent.stat().st_mode & 0o111 == 0o111


def test_it_is_on_the_disk_before_it_has_its_name(environments: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = quick_lock()
    assert lock.key is not None
    path = environments.path(lock.key)
    order: list[tuple[str, bool]] = []
    sync, sync_path = tree.sync, tree.sync_path

    def noted_sync(root: Path) -> None:
        order.append((root.name, path.is_dir()))
        sync(root)

    def noted_sync_path(folder: Path) -> None:
        order.append((folder.name, path.is_dir()))
        sync_path(folder)

    monkeypatch.setattr(tree, "sync", noted_sync)
    monkeypatch.setattr(tree, "sync_path", noted_sync_path)
    made(environments, lock, QuickUv(idle_seconds=1))
    assert order == [("packages", False), (path.parent.name, True)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_when_it_is_written_through_is_said_and_nothing_is_left(
    environments: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(_: Path) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tree, "sync", full)
    with pytest.raises(StorageFull, match="no room for the packages"):
        environments.ensure(quick_lock(), QuickUv(idle_seconds=1))
    assert left_in(tmp_path / "environments") == []


@pytest.mark.parametrize(
    "moment", ["Using", "Resolved", "Prepared", "Installed", "Bytecode", "tree.make_readable", "tree.sync"]
)
def test_a_kill_in_any_moment_leaves_nothing_that_a_later_install_takes_for_whole(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, moment: str
) -> None:
    shelf.wheel("alpha", files={f"alpha/part{number}.py": f"x = {number}\n" for number in range(50)})
    lock = resolve(["alpha"], (), uv)
    whole = contents(made(Environments(tmp_path / "elsewhere"), lock, uv))
    options = IndexOptions(find_links=shelf.options.find_links, no_index=True, cache=tmp_path / "empty")
    victim = start_install(tmp_path / "environments", lock, options, pause=moment)
    await_pause(victim)
    assert lock.key is not None
    assert not environments.path(lock.key).exists()
    children = psutil.Process(victim.pid).children(recursive=True)
    kill(victim)
    await_true(lambda: all(is_over(child.pid) for child in children))
    assert len(left_in(tmp_path / "environments")) == 1
    assert contents(made(environments, lock, uv)) == whole
    assert left_in(tmp_path / "environments") == [lock.key]


def test_a_kill_right_after_it_has_its_name_leaves_it_whole(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    whole = contents(made(Environments(tmp_path / "elsewhere"), lock, uv))
    victim = start_install(tmp_path / "environments", lock, shelf.options, pause="tree.sync_path")
    await_pause(victim)
    kill(victim)
    assert contents(made(environments, lock, NoUv(idle_seconds=1))) == whole
    environments.recover()
    assert left_in(tmp_path / "environments") == [lock.key]


FULL = """
import sys
from pathlib import Path
from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.resolver import resolve
from cadence.errors import StorageFull

shelf, cache, disk, filled = sys.argv[1:]
uv = Uv(idle_seconds=60, options=IndexOptions(find_links=(Path(shelf),), no_index=True, cache=Path(cache)))
lock = resolve(["alpha"], (), uv)
if filled:
    for number in range(100):
        try:
            Path(disk, str(number)).mkdir()
        except OSError:
            break
try:
    Environments(Path(disk, "environments")).ensure(lock, uv)
except StorageFull as full:
    print(full.in_words)
print(sorted(entry.name for entry in Path(disk, "environments").glob("*") if entry.name != ".locks"))
"""


@pytest.mark.parametrize("filled", ["", "filled"], ids=["while uv writes", "before anything is written"])
def test_a_disk_that_is_really_full_is_said_and_nothing_is_left(
    shelf: Shelf, uv: Uv, tmp_path: Path, filled: str
) -> None:
    entering = ["unshare", "--map-root-user", "--mount", "--"]
    if subprocess.run([*entering, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this system lets nobody mount anything")
    shelf.wheel("alpha", files={"alpha/large.py": "#" * 3_000_000})
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = 'mount -t tmpfs -o size=1m,nr_inodes=50 none "$0" && exec "$@"'
    program = [sys.executable, "-c", FULL, str(shelf.folder), str(tmp_path / "cache"), str(disk), filled]
    said = subprocess.check_output([*entering, "sh", "-c", mounting, str(disk), *program], text=True).splitlines()
    assert said == ["There is no room for the packages that the plugin needs.", "[]"]
