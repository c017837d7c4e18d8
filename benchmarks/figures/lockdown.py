"""What confinement costs: workers as they are by default against such with ``CADENCE_SANDBOX=off``, side by side."""

from functools import partial

from benchmarks.figure import Figure, compared
from benchmarks.figures.call import install
from benchmarks.figures.cold import forks
from benchmarks.figures.memory import of_workers
from benchmarks.sampling import Effort, Samples, block_of, interleave
from benchmarks.workbench import ARGUMENTS, MATH, TOOL, math_launch, running, workbench
from cadence.config import SandboxMode

_FORKS, _BLOCK = 6, 50
_AGAINST = "the same without lockdown (CADENCE_SANDBOX=off)"


def measure(effort: Effort) -> list[Figure]:
    """Cold start, call and memory, each with and without."""
    with (
        workbench() as one,
        workbench() as other,
        running(one) as confined,
        running(other, SandboxMode.OFF) as unconfined,
    ):
        sides = {"on": (confined, math_launch(one)), "off": (unconfined, math_launch(other))}
        count = effort.pick(_FORKS, 2)
        cold = interleave(
            {side: forks(runtime, launch, count) for side, (runtime, launch) in sides.items()},
            seconds=effort.seconds(8),
            at_least=effort.pick(10, 1),
        )
        memory = {side: of_workers(runtime, launch, effort.pick(5, 2)) for side, (runtime, launch) in sides.items()}
        for (runtime, launch), folder in zip(sides.values(), (one, other), strict=True):
            install(runtime, launch.package, folder)
        calls = interleave(
            {
                side: block_of(_BLOCK, partial(runtime.live_set.call, MATH.name, TOOL, ARGUMENTS))
                for side, (runtime, _) in sides.items()
            },
            seconds=effort.seconds(6),
            warm_up=4,
        )
    return [
        _price("lockdown: cold plugin to first answer", "ms", cold),
        _price("lockdown: call add(2, 3)", "µs", calls),
        _price("lockdown: memory of one more idle plugin", "MiB", memory),
    ]


def _price(name: str, unit: str, sides: dict[str, Samples]) -> Figure:
    return compared(name, unit, sides["on"], sides["off"], against=_AGAINST, tail=True)
