"""The memory of one more idle live plugin: its unique set size, that is, what would be free again if it ended."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, Samples
from benchmarks.workbench import ARGUMENTS, TOOL, fresh_command, math_launch, running, workbench
from cadence.parts import Running
from cadence.runtime.launcher import Launch

_CALL_SECONDS = 10.0
_MIB = 1024 * 1024


def measure(effort: Effort) -> list[Figure]:
    """Several workers and several fresh processes, all alive at once, each after one call."""
    count = effort.pick(5, 2)
    with workbench() as folder, running(folder) as runtime, ExitStack() as stack:
        launch = math_launch(folder)
        fresh = [stack.enter_context(_fresh(launch.package)) for _ in range(effort.pick(3, 1))]
        ours, theirs = of_workers(runtime, launch, count), Samples.of(map(_unique_mib, fresh))
    against = "a fresh process with the same plugin"
    return [compared("memory of one more idle plugin", "MiB", ours, theirs, against=against, goal=Goal(7))]


def of_workers(runtime: Running, launch: Launch, count: int) -> Samples:
    """The unique set sizes of so many workers that live at once, in MiB."""
    workers = [_worker(runtime, launch) for _ in range(count)]
    return Samples.of(map(_unique_mib, workers))


def _unique_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().uss) / _MIB


def _worker(runtime: Running, launch: Launch) -> int:
    worker = runtime.live_set.trial(launch)  # the runtime ends it
    worker.call(TOOL, ARGUMENTS, _CALL_SECONDS)
    return worker.pid


@contextmanager
def _fresh(plugin: Path) -> Iterator[int]:
    process = subprocess.Popen(fresh_command(plugin), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it has answered
        yield process.pid
    finally:
        process.communicate()
