"""What a plugin takes up: bytes on disk, also of files that have no name any more, and memory.

Everything that is looked at belongs to a plugin, which may change it at any moment. Nothing is followed, and what
cannot be measured is told apart from what is not there.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

#: What a file or folder takes at least, in bytes: a block for its entry and itself.
ENTRY_BYTES = 4096
_BLOCK_BYTES = 512  # of st_blocks, stat(3type)
#: So many entries at a time, then others get the interpreter: about half a millisecond.
_SLICE = 200
_REST_SECONDS = 0.0005


class Unmeasurable(Exception):
    """There is something whose size cannot be found out; the words say why."""


class _Tally:
    """Adds up, no further than a limit, and lets others work in between."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._limit = limit
        self._entries = 0
        self._seen: set[tuple[int, int]] = set()

    @property
    def over(self) -> bool:
        return self.total > self._limit

    def add(self, status: os.stat_result) -> None:
        file = (status.st_dev, status.st_ino)
        # Without a name, or with several, it may come up again.
        again = status.st_nlink != 1 and not stat.S_ISDIR(status.st_mode) and file in self._seen
        if status.st_nlink != 1:
            self._seen.add(file)
        self.total += ENTRY_BYTES if again else max(ENTRY_BYTES, status.st_blocks * _BLOCK_BYTES)
        self._entries += 1
        if self._entries % _SLICE == 0:
            time.sleep(_REST_SECONDS)

    def has(self, file: tuple[int, int]) -> bool:
        return file in self._seen


def disk_bytes(folders: Iterable[Path], limit: int, pids: Iterable[int] = ()) -> int:
    """What the files in some folders take on disk, in bytes; counting stops above ``limit``.

    :param pids: processes whose open and mapped files count too where they have been deleted.
    :raises Unmeasurable: when there is something that cannot be looked at.
    """
    folders = list(folders)
    tally = _Tally(limit)
    for folder in folders:
        _add_tree(tally, folder)
    for pid in pids:
        if not tally.over:
            _add_unnamed(tally, pid, folders)
    return tally.total


def grown_bytes(pid: int, base: int) -> int:
    """How much more memory of its own a process has, shared memory too, than ``base`` bytes; 0 for one that is gone."""
    return max(0, resident_bytes(pid) - base)


def resident_bytes(pid: int) -> int:
    """The memory of a process that is not the content of files, in bytes (proc(5), status); 0 for one that is gone."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if line.startswith(("RssAnon", "RssShmem")))
        return sum(int(value.split()[0]) * 1024 for value in fields.values())
    return 0


def own_bytes(pid: int) -> int:
    """The memory that would be free if a process ended, in bytes (proc(5), smaps_rollup); 0 for one that is gone.

    Where only its owner may ask that, all of :func:`resident_bytes`, which has what it shares with its parent too.
    """
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        fields = (line.split() for line in lines if line.startswith("Private_"))
        return sum(int(value) * 1024 for _, value, *_ in fields)
    return resident_bytes(pid)


def cpu_seconds(pid: int) -> float:
    """The processor time of a process and its threads; 0 for one that is gone.

    One system call, where a file in procfs would take ten times as long (clock_getcpuclockid(3), as glibc makes it).
    """
    with suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def _add_tree(tally: _Tally, folder: Path) -> None:
    waiting = [str(folder)]
    while waiting and not tally.over:
        path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    _add_entry(tally, entry, waiting)
                    if tally.over:
                        return
        except (FileNotFoundError, NotADirectoryError):
            continue  # it went meanwhile
        except OSError as error:
            raise Unmeasurable(f"one of its folders cannot be looked into ({error.strerror})") from None


def _add_entry(tally: _Tally, entry: "os.DirEntry[str]", waiting: list[str]) -> None:
    with suppress(FileNotFoundError):
        tally.add(entry.stat(follow_symlinks=False))
        if entry.is_dir(follow_symlinks=False):
            waiting.append(entry.path)


def _add_unnamed(tally: _Tally, pid: int, folders: list[Path]) -> None:
    """Add the files without a name that a process holds open, or has in its memory."""
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with suppress(OSError):
                status = os.stat(entry.path)  # noqa: PTH116  (where every microsecond counts)
                if status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
                    tally.add(status)
    for span, file in _deleted_mappings(pid, tuple(f"{folder}/" for folder in folders)):
        if tally.has(file):
            continue
        try:
            tally.add(Path(f"/proc/{pid}/map_files/{span}").stat())
        except PermissionError:  # only root may ask
            raise Unmeasurable("it maps a deleted file that it has not open, whose size nobody can tell") from None
        except OSError:
            continue


def _deleted_mappings(pid: int, folders: tuple[str, ...]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Where, and which file, for each mapped file of the folders without a name (proc(5), ``/proc/PID/maps``)."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape")
    except OSError:
        return
    if "(deleted)" not in maps:
        return
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith(folders) and fields[5].endswith(" (deleted)"):
            start, end = (int(address, 16) for address in fields[0].split("-"))
            major, minor = (int(part, 16) for part in fields[3].split(":"))
            yield f"{start:x}-{end:x}", (os.makedev(major, minor), int(fields[4]))
