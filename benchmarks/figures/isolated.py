"""A plugin that conflicts with what workers have preloaded: its worker is a fresh interpreter, not a warm fork."""

from pathlib import Path

from benchmarks.figure import Figure, compared
from benchmarks.figures.call import install_archive
from benchmarks.figures.cold import forks
from benchmarks.sampling import Effort, interleave
from benchmarks.workbench import MATH, math_launch, math_variant, running, workbench
from cadence.model import PluginRef
from cadence.parts import Running
from cadence.runtime.launcher import Launch

#: Older than what the SDK brings today, and new enough for it.
_DEPENDENCY = "pydantic<2.12"
_FORKS = 6


def measure(effort: Effort) -> list[Figure]:
    """Start, load and first call of both kinds of worker, by turns."""
    with workbench() as folder, running(folder) as runtime:
        isolated = _isolated_launch(runtime, folder)
        launches = {"isolated": (isolated, 1), "forked": (math_launch(folder), effort.pick(_FORKS, 1))}
        samples = interleave(
            {kind: forks(runtime, launch, count) for kind, (launch, count) in launches.items()},
            seconds=effort.seconds(10),
            at_least=effort.pick(5, 1),
        )
    return [
        compared(
            "isolated plugin, cold to first answer",
            "ms",
            samples["isolated"],
            samples["forked"],
            against="a plugin that shares what workers have preloaded",
            note=f"It requires {_DEPENDENCY}, so its environment holds all it imports, and nothing is warm.",
        )
    ]


def _isolated_launch(runtime: Running, folder: Path) -> Launch:
    """Install a plugin that conflicts, and give how its worker is started."""
    archive = math_variant(folder, "older", _DEPENDENCY)
    install_archive(runtime, archive)
    (key,) = runtime.environments.keys()
    package = folder / archive.stem
    return Launch(PluginRef("older", MATH.version), package, runtime.environments.path(key), isolated=True)
