"""What a plugin takes at this moment of each of its limits, as far as the kernel tells (proc(5)).

Only who looks pays: some system calls and, for the memory and descriptors of each process, a file in procfs. All of it
belongs to a plugin, which may change it at any moment; what cannot be found out is None, and never an error.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, structs

from cadence.runtime.cgroup import BASE_TASKS
from cadence.runtime.footprint import Unmeasurable, cpu_seconds, disk_bytes, own_bytes
from cadence.runtime.worker import Worker

#: So many processes of one plugin are looked at: as many as can be granted, and its worker.
_MAX_PROCESSES = 1025


class Usage(Struct, frozen=True):
    """What a plugin took at one moment; nothing but disk while it sleeps.

    ``memory_bytes`` is memory of its own, ``cpu_percent`` the share of one processor since the look before, at first
    since its worker started. ``processes`` are those beside its worker, ``threads`` those beside the ones that every
    worker has. ``open_files`` are the descriptors of the process that has most, for which the limit is. ``disk_bytes``
    are its data and temporary files. ``disk_words`` says why that is None, where it is.
    """

    memory_bytes: int = 0
    cpu_percent: float = 0.0
    processes: int = 0
    threads: int | None = 0
    open_files: int | None = 0
    disk_bytes: int | None = 0
    disk_words: str = ""


class Meter:
    """Looks at one plugin now and then. One thread at a time may use it."""

    def __init__(self) -> None:
        self._seen: tuple[Worker, float, float] | None = None

    def look(self, worker: Worker | None, data: Path, most_bytes: int) -> Usage:
        """What it takes.

        :param worker: that answers for it, None while it sleeps.
        :param data: its data directory, which may not be there.
        :param most_bytes: counting what lies on the disk stops above this.
        """
        if worker is None or worker.gone:
            return _with_disk(Usage(), (data,), most_bytes, ())
        pids = family(worker.pid, worker.group.processes())
        usage = Usage(
            memory_bytes=sum(map(own_bytes, pids)),
            cpu_percent=self._cpu_percent(worker, sum(map(cpu_seconds, pids))),
            processes=len(pids) - 1,
            threads=_threads(pids),
            open_files=_open_files(pids),
        )
        return _with_disk(usage, (data, *worker.writable), most_bytes, pids)

    def _cpu_percent(self, worker: Worker, seconds: float) -> float:
        now, (seen, then, before) = time.monotonic(), self._seen or (None, 0.0, 0.0)
        self._seen = worker, now, seconds
        if seen is not worker:
            then, before = worker.started_at, 0.0
        # Less than before: one of its processes has ended, and takes its time with it.
        return round(100 * max(0.0, seconds - before) / max(now - then, 0.001), 1)


def family(pid: int, group: Iterable[int]) -> tuple[int, ...]:
    """The processes of a worker, itself first.

    :param group: those of its control group; where there is none, its descendants are found one by one.
    """
    others = [one for one in group if one != pid] or _descendants(pid)
    return (pid, *others)[:_MAX_PROCESSES]


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting and len(found) < _MAX_PROCESSES:
        children = [*_children(waiting.pop())]
        found += children
        waiting += children
    return found


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):  # it has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                yield from map(int, (task / "children").read_text().split())


def _threads(pids: Iterable[int]) -> int | None:
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += _entries(f"/proc/{pid}/task")
    return max(0, total - BASE_TASKS) if total else None


def _open_files(pids: Iterable[int]) -> int | None:
    """None where only the owner of the processes may ask."""
    counts = []
    for pid in pids:
        with suppress(OSError):
            counts.append(_entries(f"/proc/{pid}/fd"))
    return max(counts, default=None)


def _entries(folder: str) -> int:
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)


def _with_disk(usage: Usage, folders: tuple[Path, ...], most_bytes: int, pids: Iterable[int]) -> Usage:
    try:
        found = disk_bytes(folders, most_bytes, pids)
    except Unmeasurable as error:
        return structs.replace(usage, disk_bytes=None, disk_words=str(error))
    return structs.replace(usage, disk_bytes=found)
