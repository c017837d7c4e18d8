"""Attacks that take more than is there for one plugin. Each holds for a while what it took before it answers.

What ends a plugin that took too much may look only every so often: it has as long as the attack holds on.
"""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.attacks.attack import Attacks, Outcome, Run
from tests.attacks.stage import DATA_MB, MEMORY_MB, Stage

ATTACKS = Attacks()
MIB = 1024 * 1024
HOLD_SECONDS = 1.0
MEMORY_TAKEN_MB = 2 * MEMORY_MB + 8
#: More than may pass between two looks at what grows so slowly.
DISK_TAKEN_MB = 6 * DATA_MB
TINY_FILES = 30_000
OPEN_FILES = 900
SHORT_CALL_SECONDS = 1.0
THE_SERVERS = "the deadline is the server's, with and without the sandbox"


def _hoards(tool: str) -> Run:
    def run(stage: Stage) -> Outcome:
        stage.start_anew("hoarder")
        worker = stage.worker("hoarder")
        before = _held(worker)
        answer = stage.call("hoarder", tool, mib=MEMORY_TAKEN_MB, seconds=HOLD_SECONDS)
        grown = _held(worker) - before
        if answer.ok:
            stage.call("hoarder", "release")
        return Outcome(answer, grown >= (MEMORY_TAKEN_MB - 16) * MIB)

    return run


def _held(worker: psutil.Process) -> int:
    """The memory a process has by itself, and in files that are in memory only, in bytes; 0 when it has ended."""
    try:
        return int(worker.memory_info().rss) + _in_memory_files(worker.pid)
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return 0


def _in_memory_files(pid: int) -> int:
    return sum(_size_if_in_memory(file) for file in Path(f"/proc/{pid}/fd").iterdir())


def _size_if_in_memory(file: Path) -> int:
    """The size of what a descriptor leads to, in bytes; 0 where it is no file in memory, or closed meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_size if "memfd:" in str(file.readlink()) else 0
    return 0


for _tool in (
    "one_piece",
    "small_pieces",
    "shared",
    "memory_files",
    "mapped_memory_files",
    "as_stack",
    "private_file",
    "by_break",
):
    ATTACKS.add(f"hoard_memory_{_tool}", _hoards(_tool))


def _fills(tool: str, used: Callable[[Path], int], enough: int, *, anew: bool = True, **arguments: object) -> Run:
    def run(stage: Stage) -> Outcome:
        if anew:
            _empty_anew(stage)
        else:
            stage.await_plugin("filler", "clean")
        before = sum(map(used, _places(stage)))
        answer = stage.call("filler", tool, seconds=HOLD_SECONDS, **arguments)
        grown = sum(map(used, _places(stage))) - before
        if answer.ok:
            _empty_anew(stage)
        return Outcome(answer, grown >= enough)

    return run


def _empty_anew(stage: Stage) -> None:
    """Have a worker that has its room to itself: one that has none can only read and delete, and could not even try.

    What the one before it left in its data is removed from outside, where no deadline ends it: on a busy disk it takes
    long.
    """
    shutil.rmtree(stage.data("filler") / "fill", ignore_errors=True)
    stage.start_anew("filler")


def _places(stage: Stage) -> list[Path]:
    """Where the plugin could have written to: a worker that took over has temporary files of its own."""
    return [stage.data("filler"), *stage.snapshots("tmp")]


def _fill_when_full(stage: Stage) -> Outcome:
    """Fills the data directory, is ended for it, and goes on in the temporary files."""
    _empty_anew(stage)
    stage.call("filler", "several_files", place="data", mib=2 * DATA_MB, seconds=HOLD_SECONDS)
    run = _fills("several_files", _bytes_in, _ENOUGH, anew=False, mib=DISK_TAKEN_MB, place="temporary")
    return run(stage)


def _bytes_in(folder: Path) -> int:
    return sum(map(_bytes_of, _below(folder)))


def _bytes_of(path: Path) -> int:
    """What a file takes on the disk; nothing when it went meanwhile, as those in a folder that is removed."""
    with contextlib.suppress(FileNotFoundError):
        return path.lstat().st_blocks * 512
    return 0


def _files_in(folder: Path) -> int:
    return sum(1 for _ in _below(folder))


def _below(folder: Path) -> list[Path]:
    """What lies in a folder, which may go meanwhile: the temporary files of a worker that ends."""
    return [Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files)]


_ENOUGH = (DISK_TAKEN_MB - 4) * MIB
ATTACKS.add("fill_the_disk_with_one_file", _fills("one_file", _bytes_in, _ENOUGH, mib=DISK_TAKEN_MB))
for _place in ("data", "temporary"):
    ATTACKS.add(
        f"fill_the_disk_with_{_place}_files",
        _fills("several_files", _bytes_in, _ENOUGH, mib=DISK_TAKEN_MB, place=_place),
    )
ATTACKS.add("fill_the_disk_when_full_with_temporary_files", _fill_when_full)
ATTACKS.add("fill_the_disk_with_reserved_space", _fills("reserved", _bytes_in, _ENOUGH, mib=DISK_TAKEN_MB))
ATTACKS.add("fill_the_disk_with_tiny_files", _fills("tiny_files", _files_in, TINY_FILES, count=TINY_FILES))


@ATTACKS.attack()
def fill_the_disk_with_nameless_files(stage: Stage) -> Outcome:
    _empty_anew(stage)
    answer = stage.call("filler", "nameless", mib=DISK_TAKEN_MB, seconds=HOLD_SECONDS)
    return Outcome(answer, answer.ok)  # what has no name cannot be seen from outside


def _opens(tool: str) -> Run:
    def run(stage: Stage) -> Outcome:
        stage.install("opener")
        answer = stage.call("opener", tool, most=OPEN_FILES)
        held = stage.worker("opener").num_fds()
        if answer.ok:
            assert stage.call("opener", "release").ok
        return Outcome(answer, held >= OPEN_FILES)

    return run


ATTACKS.add("open_files_without_end", _opens("open_endlessly"))
ATTACKS.add("raise_its_own_limits", _opens("raise_limits"))


def _lasts(tool: str) -> Run:
    """Does not come to an end, though its call does."""

    def run(stage: Stage) -> Outcome:
        stage.start_anew("spinner")
        stage.grant("spinner", call_seconds=SHORT_CALL_SECONDS)
        stage.await_plugin("spinner", "ping")
        answer = stage.call("spinner", tool)
        assert answer.status in (502, 504), answer
        stage.await_plugin("spinner", "ping")
        return Outcome(answer, answer.ok)

    return run


for _tool in ("spin", "spin_natively", "sleep", "spin_in_loop", "sleep_in_loop", "ignore_signals", "stop_itself"):
    ATTACKS.add(f"outlast_the_deadline_by_{_tool}", _lasts(_tool), root=THE_SERVERS, ordinary=THE_SERVERS)
