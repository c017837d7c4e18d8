"""Environments that nobody needs go, whole and alone; those that anybody has do not."""

import os
import secrets
import threading
from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cadence.dependencies import tree
from cadence.dependencies.command import Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.hold import Holds
from cadence.dependencies.lock import Lock
from cadence.dependencies.resolver import resolve
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
from tests.dependencies.shelf import Shelf, SilentIndex

QUICK = QuickUv(idle_seconds=1)


def key_of(lock: Lock) -> str:
    assert lock.key is not None
    return lock.key


def test_what_is_not_needed_goes_with_its_lock_and_the_rest_stays(environments: Environments, tmp_path: Path) -> None:
    locks = [quick_lock(name) for name in ("alpha", "beta", "gamma")]
    for lock in locks:
        made(environments, lock, QUICK)
    needed = {key_of(locks[1])}
    assert environments.collect(lambda: needed) == tuple(sorted({key_of(lock) for lock in locks} - needed))
    assert left_in(tmp_path / "environments") == sorted(needed)
    assert locks_in(tmp_path / "environments") == sorted(needed)
    assert environments.collect(lambda: needed) == ()


def test_where_nothing_was_ever_installed_nothing_is_made(environments: Environments, tmp_path: Path) -> None:
    assert environments.collect(set) == ()
    assert environments.usage() == ()
    environments.recover()
    assert not (tmp_path / "environments").exists()


def test_what_is_leased_here_stays_until_it_is_let_go(environments: Environments) -> None:
    lock = quick_lock()
    lease = environments.ensure(lock, QUICK)
    assert lease is not None
    assert environments.collect(set) == ()
    assert (lease.path / "lock.txt").read_text() == lock.text
    lease.close()
    assert environments.collect(set) == (lock.key,)


def test_what_another_process_leases_stays_until_that_is_dead(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    holder = start_install(tmp_path / "environments", lock, shelf.options, then="keep")
    await_pause(holder)
    assert environments.collect(set) == ()
    assert left_in(tmp_path / "environments") == [lock.key]
    kill(holder)
    assert environments.collect(set) == (lock.key,)


def test_an_install_that_runs_is_left_alone(silent: SilentIndex, environments: Environments, tmp_path: Path) -> None:
    cancelled = threading.Event()
    with ThreadPoolExecutor() as pool:
        uv = Uv(idle_seconds=60, cancelled=cancelled, options=silent.options)
        install = pool.submit(environments.ensure, MISSING, uv)
        silent.await_reader()
        before = left_in(tmp_path / "environments")
        assert environments.collect(set) == ()
        assert left_in(tmp_path / "environments") == before != []
        assert locks_in(tmp_path / "environments") == [MISSING.key]
        cancelled.set()
        assert install.exception() is not None


def test_a_version_that_is_published_while_it_is_looked_for_keeps_its_environment(environments: Environments) -> None:
    """The install commits and lets go after the first look at what is needed and before its key is held alone."""
    lock = quick_lock()
    lease = environments.ensure(lock, QUICK)
    assert lease is not None
    index: set[str] = set()
    looks: list[Set[str]] = []

    def needed() -> Set[str]:
        looks.append(frozenset(index))
        if len(looks) == 1:
            index.add(key_of(lock))
            lease.close()
        return looks[-1]

    assert environments.collect(needed) == ()
    assert looks == [frozenset(), frozenset({lock.key})]
    assert lease.path.is_dir()


def test_what_is_needed_is_asked_again_while_its_key_is_held_alone(environments: Environments, tmp_path: Path) -> None:
    path = made(environments, quick_lock(), QUICK)
    holds = Holds(tmp_path / "environments" / ".locks")
    was_free: list[bool] = []

    def needed() -> Set[str]:
        file = holds.take(path.name, alone=False)
        was_free.append(file is not None)
        if file is not None:
            os.close(file)
            return set()
        return {path.name}

    assert environments.collect(needed) == ()
    assert was_free == [True, False]


def test_a_kill_in_the_middle_of_a_removal_leaves_nothing_that_is_taken_for_whole(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    whole = contents(made(environments, lock, uv))
    victim = start_install(tmp_path / "environments", lock, shelf.options, pause="tree.remove", then="collect")
    await_pause(victim)
    kill(victim)
    (leftover,) = left_in(tmp_path / "environments")
    assert leftover.startswith(f".{lock.key}-")
    environments.recover()
    assert left_in(tmp_path / "environments") == locks_in(tmp_path / "environments") == []
    assert contents(made(environments, lock, uv)) == whole


def test_an_install_goes_on_beside_what_is_being_removed(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    made(environments, lock, uv)
    remover = start_install(tmp_path / "environments", lock, shelf.options, pause="tree.remove", then="collect")
    await_pause(remover)
    lease = environments.ensure(lock, uv)
    assert lease is not None
    assert (lease.path / "alpha").is_dir()
    kill(remover)


def test_what_cannot_be_removed_does_not_come_back(environments: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = quick_lock()
    path = made(environments, lock, QUICK)
    monkeypatch.setattr(tree, "remove", lambda _: None)
    assert environments.collect(set) == (lock.key,)
    assert not path.exists()
    assert environments.usage() == ()


def test_a_lease_holds_whatever_installs_and_removes_meanwhile(environments: Environments, tmp_path: Path) -> None:
    """Four threads take the same two environments again and again, two remove them as often as they can."""
    locks = [quick_lock("alpha"), quick_lock("beta")]
    over = threading.Event()

    def use(number: int) -> None:
        lock = locks[number % 2]
        for _ in range(60):
            lease = environments.ensure(lock, QUICK)
            assert lease is not None
            for _ in range(3):
                assert (lease.path / "lock.txt").read_text() == lock.text
            lease.close()

    def remove() -> int:
        removed = 0
        while not over.is_set():
            removed += len(environments.collect(set))
        return removed

    with ThreadPoolExecutor(6) as pool:
        removers = [pool.submit(remove) for _ in range(2)]
        try:
            for user in [pool.submit(use, number) for number in range(4)]:
                user.result()
        finally:
            over.set()
        assert sum(remover.result() for remover in removers) > 0
    environments.collect(set)
    assert left_in(tmp_path / "environments") == locks_in(tmp_path / "environments") == []


def test_usage_tells_size_packages_and_time(shelf: Shelf, uv: Uv, environments: Environments) -> None:
    shelf.wheel("alpha", "1.5", files={"alpha/large.bin": secrets.token_hex(500_000)}, requires=["beta-b"])
    shelf.wheel("beta_b", "2.0+local.1")
    lock = resolve(["alpha"], (), uv)
    made(environments, lock, uv)
    (usage,) = environments.usage()
    assert usage.key == lock.key
    assert usage.packages == ("alpha==1.5", "beta-b==2.0+local.1")
    assert 1_000_000 <= usage.size_bytes < 1_200_000
    assert usage.made_at.endswith("+00:00")
    made(environments, lock, NoUv(idle_seconds=1))
    assert environments.usage() == (usage,)


def test_recovery_leaves_no_lock_of_what_is_gone(environments: Environments, tmp_path: Path) -> None:
    made(environments, quick_lock(), QUICK)
    (tmp_path / "environments" / f".{'0' * 32}-abc" / "packages").mkdir(parents=True)
    environments.recover()
    assert left_in(tmp_path / "environments") == locks_in(tmp_path / "environments") == [key_of(quick_lock())]
