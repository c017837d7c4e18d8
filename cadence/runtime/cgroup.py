"""Control groups: what the kernel counts for a worker and whatever it starts together (cgroups(7)).

Resource limits are for single processes and know nothing of memory that processes share; a group bounds all of it, and
processor time too.

Entering a group can take milliseconds: the kernel waits until no other process looks at the one that is moved. So the
worker that is forked ahead enters a group of its own, named for its process id, before a plugin waits for it (see
:mod:`cadence_sdk._runtime.membership`). What is left is to write the limits. Measured, in microseconds: to have a
worker moved by the server 5,000 to 28,000; to have it move its only thread itself, ahead of time, 130; the limits 110.

Each zygote has a parent for the groups of its workers. A lock on its folder, which the kernel gives up when the server
dies, tells the parents of the living from those of the dead: whoever makes a parent removes the latter.
"""

import fcntl
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cadence.model import Limits
from cadence.runtime.cgroup_places import CONTROLLERS, Place, Places, enable, find_places, write
from cadence_sdk._runtime.limits import MIB
from cadence_sdk._runtime.report import Layer

#: What a worker takes before it has a plugin, with room for what the kernel counts beside its memory, in bytes: the
#: pages it no longer shares with the zygote (6 MiB), page tables and sockets.
BASE_MEMORY_BYTES = 32 * MIB
#: A worker's own threads: the first, the one that stands by, the event loop's.
BASE_TASKS = 3
#: The nice value of workers where no group bounds their share of the processor: a tenth of the server's weight.
NICE_WITHOUT_GROUP = 10

_PREFIX = "cadence-"
_CPU_PERIOD_US = 100_000
#: The weight of one process among its like, in version 1 and 2.
_SHARES, _WEIGHT, _MAX_WEIGHT = 1024, 100, 10_000
#: How long to wait for the processes of a group to be gone, in seconds; each wait is twice the one before.
_FIRST_WAIT_SECONDS = 0.001
_WAITS = 10
_NAMES = 5


class _Parent(NamedTuple):
    """The folder for the groups of one zygote at a place, and the descriptor that holds its lock."""

    place: Place
    folder: Path
    lock: int


class Cgroups:
    """The groups of the workers of one zygote. Made by :meth:`open`; :meth:`close` removes them."""

    def __init__(self, parents: tuple[_Parent, ...], reasons: dict[str, str]) -> None:
        self._parents = parents
        self._reasons = reasons
        self._closing = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, places: Places | None = None) -> "Cgroups":
        """Make the parents wherever that can be done, and remove those of servers that died.

        :param places: where to, by default what :func:`find_places` finds.
        """
        places = places or find_places()
        parents, reasons = [], dict(places.reasons)
        for place in places.found:
            try:
                _sweep(place)
                parents.append(_make_parent(place))
            except OSError as error:
                why = f"no group can be made in {place.folder}: {error.strerror}"
                reasons.update(dict.fromkeys(sorted(place.controllers), why))
        return cls(tuple(parents), reasons)

    @property
    def layer(self) -> Layer:
        """What is bounded here by groups, and why not everything where it is not."""
        missing = [name for name in CONTROLLERS if name not in self._controllers]
        reasons = dict.fromkeys(f"{name}: {self._reasons.get(name, 'not there')}" for name in missing)
        return Layer(
            name="cgroup",
            protects="memory, processor and process count, shared memory too",
            active=not missing,
            reason="; ".join(reasons) or None,
        )

    @property
    def bounds_memory(self) -> bool:
        """Whether the kernel bounds the memory of workers, shared memory too."""
        return "memory" in self._controllers

    @property
    def bounds_cpu(self) -> bool:
        """Whether the kernel bounds the processor time of workers."""
        return "cpu" in self._controllers

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders in each of which a worker makes a group named for its process id, and enters it."""
        return tuple(str(parent.folder) for parent in self._parents)

    def group(self, name: str) -> "Group":
        """The group of one worker, ``name`` being its process id as itself sees it."""
        return Group(tuple((parent.place, parent.folder / name) for parent in self._parents))

    def close(self) -> None:
        """Remove every group, and the parents. A second call does nothing."""
        with self._closing:
            for parent in () if self._closed else self._parents:
                with suppress(OSError):
                    _remove_parent(parent.place, parent.folder)
                os.close(parent.lock)
            self._closed = True

    @property
    def _controllers(self) -> frozenset[str]:
        return frozenset(name for parent in self._parents for name in parent.place.controllers)


class Group:
    """One worker's group, which is a folder at each place."""

    def __init__(self, folders: tuple[tuple[Place, Path], ...]) -> None:
        self._folders = folders

    @property
    def bounds_memory(self) -> bool:
        """Whether its memory is bounded by the kernel."""
        return self._memory is not None

    def limit(self, limits: Limits) -> None:
        """Set limits upon it, before the plugin is loaded; a worker that has not entered it yet finds it so.

        :raises OSError: when the kernel does not take them.
        """
        for place, folder in self._folders:
            with suppress(FileExistsError):
                folder.mkdir()
            for name, value in _settings(place, limits):
                write(folder / name, value)
            for name, value in _swap_settings(place, limits):
                with suppress(FileNotFoundError):  # a kernel that does not count swap
                    write(folder / name, value)

    def memory_kills(self) -> int:
        """How many of its processes the kernel ended because its memory was used up."""
        if self._memory is None:
            return 0
        place, folder = self._memory
        with suppress(OSError):
            text = (folder / ("memory.events" if place.unified else "memory.oom_control")).read_text()
            fields = dict(line.split() for line in text.splitlines())
            return int(fields.get("oom_kill", 0))
        return 0

    def processes(self) -> list[int]:
        """The ids of the processes in it."""
        return _processes(self._folders[0][1]) if self._folders else []

    def remove(self) -> None:
        """End what is still in it, and remove it. What cannot be removed in time goes with the parent."""
        for place, folder in self._folders:
            with suppress(OSError):
                _remove(place, folder)

    @property
    def _memory(self) -> tuple[Place, Path] | None:
        return next(((place, folder) for place, folder in self._folders if "memory" in place.controllers), None)


def _settings(place: Place, limits: Limits) -> Iterator[tuple[str, str]]:
    """The files to write, and what into them."""
    memory = limits.memory_bytes + BASE_MEMORY_BYTES
    quota_us = max(1000, limits.cpu_percent * _CPU_PERIOD_US // 100)
    if "memory" in place.controllers:
        yield ("memory.max" if place.unified else "memory.limit_in_bytes"), str(memory)
    if "pids" in place.controllers:
        yield "pids.max", str(limits.threads + limits.processes + BASE_TASKS)
    if "cpu" in place.controllers and place.unified:
        yield "cpu.max", f"{quota_us} {_CPU_PERIOD_US}"
    elif "cpu" in place.controllers:
        yield "cpu.cfs_period_us", str(_CPU_PERIOD_US)
        yield "cpu.cfs_quota_us", str(quota_us)


def _swap_settings(place: Place, limits: Limits) -> Iterator[tuple[str, str]]:
    """As :func:`_settings`, where the kernel may not have the file: no swap, and all processes end as one."""
    if "memory" not in place.controllers:
        return
    if place.unified:
        yield "memory.swap.max", "0"
        yield "memory.oom.group", "1"
    else:
        yield "memory.memsw.limit_in_bytes", str(limits.memory_bytes + BASE_MEMORY_BYTES)


def _make_parent(place: Place) -> _Parent:
    for _ in range(_NAMES):
        folder = place.folder / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir()
        lock = _lock(folder)
        # Before it was locked, somebody who sweeps may have taken it for one of the dead.
        if lock is not None and folder.exists():
            break
    else:
        raise BlockingIOError("others keep removing it")
    try:
        _prepare_parent(place, folder)
    except OSError:
        folder.rmdir()
        os.close(lock)
        raise
    return _Parent(place, folder, lock)


def _prepare_parent(place: Place, folder: Path) -> None:
    if place.unified:
        for error in enable(folder, place.controllers).values():
            raise error
    if "cpu" in place.controllers:
        # Else all workers together would weigh as much as a single process beside them.
        processors = os.cpu_count() or 1
        weight = min(_MAX_WEIGHT, _WEIGHT * processors) if place.unified else _SHARES * processors
        write(folder / ("cpu.weight" if place.unified else "cpu.shares"), str(weight))


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the lock on a folder, None where somebody else does, or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(place: Place) -> None:
    """Remove the parents that nobody holds the lock on any more: their servers died, here or beside here.

    Beside, because each login, and each start under some supervisors, is in a group of its own.
    """
    here = place.folder
    beside = here.parent.glob(f"*/{_PREFIX}*") if here.parent.joinpath("cgroup.procs").exists() else ()
    for folder in {*here.glob(f"{_PREFIX}*"), *beside}:
        lock = _lock(folder)
        if lock is not None:
            with suppress(OSError):
                _remove_parent(place, folder)
            os.close(lock)


def _remove_parent(place: Place, folder: Path) -> None:
    for child in folder.iterdir():
        if child.is_dir():
            _remove(place, child)
    _remove(place, folder)


def _remove(place: Place, folder: Path) -> None:
    """Remove one group, whose processes have ended or are ended here.

    :raises OSError: when they do not go away.
    """
    wait = _FIRST_WAIT_SECONDS
    for _ in range(_WAITS):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            _kill_all(place, folder)
            time.sleep(wait)
            wait *= 2
        else:
            return
    folder.rmdir()


def _kill_all(place: Place, folder: Path) -> None:
    if place.unified:
        with suppress(OSError):  # Linux 5.14
            write(folder / "cgroup.kill", "1")
            return
    if "pids" in place.controllers:
        with suppress(OSError):  # no more of them, while they are ended one after the other
            write(folder / "pids.max", "0")
    for pid in _processes(folder):
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            # Still there: then the descriptor is that of the process in the group, not of a later one of its number.
            if pid in _processes(folder):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)


def _processes(folder: Path) -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    return []
