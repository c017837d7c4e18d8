"""What an instance takes on its disks, by kind: measured in the background now and then, and kept in between.

A walk over ten thousand versions takes half a second. So nobody waits for one but the very first who asks, and walks
never take more than a small share of a processor, however large the instance and however often somebody asks.
"""

import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct

from cadence.config import Settings
from cadence.dependencies.environment import Environments, Usage
from cadence.storage.store import DELETED, STAGING

Kind: TypeAlias = Literal[
    "plugins", "archives", "deleted", "environments", "data", "logs", "index", "threads", "running", "other"
]

T = TypeVar("T")

#: What was measured is good for so many seconds, and for so many times what measuring took.
FRESH_SECONDS = 60.0
_SHARE = 50

_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own are (stat(2))
#: After so many entries others get the interpreter for a moment.
_SLICE = 200
_REST_SECONDS = 0.0005


class Taken(Struct, frozen=True):
    """What files of one kind take, in bytes of disk; ``hidden`` counts the folders that could not be looked into."""

    kind: Kind
    size_bytes: int
    hidden: int = 0


class Measured(Struct, frozen=True):
    """What there was at a moment (UTC, ISO 8601), and each environment by itself. A file that is linked counts once."""

    at: str
    taken: tuple[Taken, ...]
    environments: tuple[Usage, ...]


class FileSystem(Struct, frozen=True):
    """A file system that folders of the instance lie on, with its room in bytes; ``holds`` says which lie there."""

    holds: tuple[str, ...]
    total_bytes: int
    free_bytes: int


class Measurement(Generic[T]):
    """A value that takes a while to find out, found out when somebody asks and what is known has become old.

    :param find: takes a while.
    :param in_background: runs it where nobody waits.
    :param fresh_seconds: for how long what was found is good; longer where finding it took long.
    """

    def __init__(
        self,
        find: Callable[[], T],
        in_background: Callable[[Callable[[], None]], "Future[None]"],
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        self._find = find
        self._in_background = in_background
        self._fresh_seconds = fresh_seconds
        self._guard = threading.Lock()
        self._known: T | None = None
        self._running: Future[None] | None = None
        self._due = 0.0

    def latest(self, patience_seconds: float = 0.0) -> T | None:
        """What is known; looking again begins where that is old.

        :param patience_seconds: how long to wait for that.
        :returns: what was known before where it is not over by then, None where nothing was.
        """
        with self._guard:
            if time.monotonic() >= self._due and (self._running is None or self._running.done()):
                self._running = self._in_background(self._refresh)
            running = self._running
        if running is not None:
            wait([running], patience_seconds)
        return self._known

    def _refresh(self) -> None:
        began = time.monotonic()
        self._known = self._find()
        now = time.monotonic()
        self._due = now + max(self._fresh_seconds, _SHARE * (now - began))


def measure(settings: Settings, environments: Environments) -> Measured:
    """Look at every file of an instance. Nothing is followed, and what goes meanwhile is not there."""
    tally = _Tally()
    taken = tuple(tally.taken(kind, paths) for kind, paths in _places(settings))
    usages = environments.usage()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Measured(at, taken, usages)


def file_systems(settings: Settings) -> tuple[FileSystem, ...]:
    """The file systems below the instance and the stores. Costs some microseconds.

    :raises OSError: when one of the folders is gone.
    """
    folders = {"instance": settings.instance, "plugins": settings.plugin_dir, "archives": settings.archive_dir}
    holds: dict[int, list[str]] = {}
    for name, folder in folders.items():
        holds.setdefault(folder.stat().st_dev, []).append(name)
    return tuple(_file_system(names, folders[names[0]]) for names in holds.values())


def _file_system(names: list[str], folder: Path) -> FileSystem:
    usage = shutil.disk_usage(folder)
    return FileSystem(tuple(names), usage.total, usage.free)


def _places(settings: Settings) -> Iterator[tuple[Kind, list[Path]]]:
    """What lies where. The folders of plugins come before those of workers, which are made of links to them."""
    instance, stores = settings.instance, (settings.plugin_dir, settings.archive_dir)
    databases: dict[Kind, str] = {"index": "index.db", "threads": "threads.db"}
    folders: dict[Kind, str] = {"environments": "environments", "data": "data", "logs": "logs"}
    yield "plugins", _children(settings.plugin_dir, hidden=False)
    yield "archives", _children(settings.archive_dir, hidden=False)
    yield "deleted", [store / DELETED for store in stores]
    for kind, name in folders.items():
        yield kind, [instance / name]
    for kind, name in databases.items():
        yield kind, [instance / f"{name}{end}" for end in ("", "-wal", "-shm")]
    yield "running", [instance / "run", *(store / name for store in stores for name in (STAGING, ".uploads"))]
    known = {*folders.values(), "run", *(f"{name}{end}" for name in databases.values() for end in ("", "-wal", "-shm"))}
    yield "other", [path for path in _children(instance, hidden=True) if path.name not in known and path not in stores]


def _children(folder: Path, *, hidden: bool) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if hidden or not entry.name.startswith(".")]
    return []


class _Tally:
    """Adds up, and counts no file twice."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self._entries = 0

    def taken(self, kind: Kind, paths: Iterable[Path]) -> Taken:
        """What lies at some paths and below them."""
        total, hidden = 0, 0
        waiting = [str(path) for path in paths]
        while waiting:
            path = waiting.pop()
            try:
                status = os.lstat(path)
                total += self._bytes(status)
                if stat.S_ISDIR(status.st_mode):
                    with os.scandir(path) as entries:
                        waiting += [entry.path for entry in entries]
            except (FileNotFoundError, NotADirectoryError):
                continue  # it went meanwhile, or never was
            except OSError:
                hidden += 1
        return Taken(kind, total, hidden)

    def _bytes(self, status: os.stat_result) -> int:
        self._entries += 1
        if self._entries % _SLICE == 0:
            time.sleep(_REST_SECONDS)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            file = (status.st_dev, status.st_ino)
            if file in self._seen:
                return 0
            self._seen.add(file)
        return status.st_blocks * _BLOCK_BYTES
