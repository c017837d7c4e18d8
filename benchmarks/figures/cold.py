"""From nothing to the first answer of a plugin: a forked worker against a fresh interpreter."""

import os
import subprocess
from pathlib import Path

from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, Sampler, interleave, milliseconds
from benchmarks.workbench import ARGUMENTS, RESULT, TOOL, fresh_command, math_launch, running, workbench
from cadence.parts import Running
from cadence.runtime.launcher import Launch
from cadence.runtime.worker import Worker

_CALL_SECONDS = 10.0
#: Forks in a row for each fresh interpreter, which takes as long as dozens of them.
_FORKS = 12


def measure(effort: Effort) -> list[Figure]:
    """Start, load and first call, wall time."""
    with workbench() as folder, running(folder) as runtime:
        launch = math_launch(folder)
        samples = interleave(
            {
                "cadence": forks(runtime, launch, effort.pick(_FORKS, 2)),
                "fresh": _fresh(launch.package, folder / "bytecode"),
            },
            seconds=effort.seconds(14),
            at_least=effort.pick(5, 1),
        )
    against = "a fresh interpreter: import the SDK, load, call"
    goal = Goal(15)
    name = "cold plugin to first answer"
    return [compared(name, "ms", samples["cadence"], samples["fresh"], against=against, goal=goal, tail=True)]


def forks(runtime: Running, launch: Launch, count: int) -> Sampler:
    """Starts so many workers one after the other, and takes the time of each to its first answer, in ms."""

    def first_answer() -> None:
        worker = runtime.live_set.trial(launch)
        workers.append(worker)
        if worker.call(TOOL, ARGUMENTS, _CALL_SECONDS) != RESULT:
            raise ValueError("the worker answered something else")

    def sample() -> list[float]:
        taken = []
        for _ in range(count):
            taken.append(milliseconds(first_answer))
            worker = workers.pop()
            runtime.live_set.dismiss(worker)
            worker.ended.wait(_CALL_SECONDS)  # its end must not fall into the next one's beginning
        return taken

    workers: list[Worker] = []
    return sample


def _fresh(plugin: Path, bytecode: Path) -> Sampler:
    # With the bytecode of everything at hand, also where the environment says that none is to be written.
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = str(bytecode)

    def first_answer() -> None:
        process = subprocess.Popen(
            fresh_command(plugin), env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        if float(process.stdout.readline() or "nan") != RESULT:
            raise ValueError("the fresh interpreter answered something else")

    def sample() -> list[float]:
        taken = milliseconds(first_answer)
        processes.pop().communicate()
        return [taken]

    processes: list[subprocess.Popen[str]] = []
    return sample
