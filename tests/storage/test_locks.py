"""Locks and owners: who is at work, across threads and processes, and who died."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cadence.errors import Cancelled, InvalidFilename
from cadence.storage.locks import Busy, plugin_lock, try_lock
from cadence.storage.owners import Owner, forget_dead, is_alive

HOLDER = """
import pathlib, subprocess, sys
from cadence.storage.owners import Owner
from cadence.storage.locks import plugin_lock
instance = pathlib.Path(sys.argv[1])
owner = Owner.acquire(instance)
with plugin_lock(instance, "math"):
    subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], close_fds=False)
    print(owner.id, flush=True)
    sys.stdin.read()
"""


def test_another_process_holds_its_owner_and_its_lock_until_it_is_killed(tmp_path: Path) -> None:
    """And not longer: a program that it started, which lives on, holds neither."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        id = holder.stdout.readline().strip()
        try:
            assert is_alive(tmp_path, id)
            with pytest.raises(Busy, match="Another change of math"), plugin_lock(tmp_path, "math", timeout=0):
                pass
        finally:
            os.kill(holder.pid, signal.SIGKILL)
        # The kernel lets go of what the dead held a moment after it tells of the death.
        with plugin_lock(tmp_path, "math", timeout=60):
            pass
        while is_alive(tmp_path, id):
            pass


def test_an_owner_lives_until_it_is_released(tmp_path: Path) -> None:
    with Owner.acquire(tmp_path) as one, Owner.acquire(tmp_path) as other:
        assert is_alive(tmp_path, one.id)
        assert is_alive(tmp_path, other.id)
        one.release()
        one.release()
        assert not is_alive(tmp_path, one.id)
    assert list((tmp_path / "owners").iterdir()) == []


def test_forgetting_the_dead_leaves_the_living(tmp_path: Path) -> None:
    with Owner.acquire(tmp_path) as owner:
        (tmp_path / "owners/dead.lock").touch()
        forget_dead(tmp_path)
        assert [path.stem for path in (tmp_path / "owners").iterdir()] == [owner.id]


@pytest.mark.parametrize("id", ["", "../x", "a/b"])
def test_an_owner_that_is_no_name_is_refused(tmp_path: Path, id: str) -> None:
    with pytest.raises(InvalidFilename):
        is_alive(tmp_path, id)


def test_changes_of_one_plugin_queue_behind_each_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def change(number: int) -> None:
        with plugin_lock(tmp_path, "math"):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(200)))
    assert (len(most), max(most)) == (200, 1)


def test_changes_of_different_plugins_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with plugin_lock(tmp_path, "one"), plugin_lock(tmp_path, "two", timeout=0):
        pass


def test_a_wait_ends_at_its_timeout_and_when_it_is_cancelled(tmp_path: Path) -> None:
    cancel = threading.Event()

    def wait() -> None:
        with plugin_lock(tmp_path, "math", cancel=cancel):
            pass

    with plugin_lock(tmp_path, "math"), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        with pytest.raises(Busy), plugin_lock(tmp_path, "math", timeout=0.01):
            pass
        cancel.set()
        with pytest.raises(Cancelled):
            waiting.result()


def test_a_lock_file_that_is_deleted_while_it_is_taken_still_excludes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between open and flock: the lock would be on a file that nobody else can find."""
    path = tmp_path / "x.lock"
    real = fcntl.flock
    deletions = iter([path])

    def deleted_meanwhile(descriptor: int, operation: int) -> None:
        for doomed in deletions:
            doomed.unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", deleted_meanwhile)
    descriptor = try_lock(path)
    assert descriptor is not None
    assert try_lock(path) is None
    os.close(descriptor)


@pytest.mark.parametrize("name", ["../math", "", "a/b", ".hidden"])
def test_a_lock_is_never_a_path_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidFilename), plugin_lock(tmp_path, name):
        pass
