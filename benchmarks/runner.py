"""Runs benchmarks one after the other; one that cannot be measured does not keep the others from it."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from benchmarks.figure import Figure
from benchmarks.sampling import Effort

#: Measures one figure of the design, which can be several rows.
Benchmark = Callable[[Effort], list[Figure]]


class Outcome(Struct, frozen=True):
    """What came of one benchmark: its rows or, in words, why there are none."""

    name: str
    seconds: float
    figures: tuple[Figure, ...] = ()
    error: str | None = None


class Report(Struct, frozen=True):
    """A whole run, and the machine it ran on: ``load`` is how many processes wanted a core in the minute before."""

    measured_at: str
    cores: int
    load: float
    quick: bool
    outcomes: tuple[Outcome, ...]

    @property
    def figures(self) -> list[Figure]:
        """Every row."""
        return [figure for outcome in self.outcomes for figure in outcome.figures]

    @property
    def errors(self) -> dict[str, str]:
        """What could not be measured, and why."""
        return {outcome.name: outcome.error for outcome in self.outcomes if outcome.error is not None}

    def as_json(self) -> dict[str, Any]:
        """The report in plain values."""
        benchmarks = [
            {
                "name": outcome.name,
                "seconds": outcome.seconds,
                "error": outcome.error,
                "figures": [figure.as_json() for figure in outcome.figures],
            }
            for outcome in self.outcomes
        ]
        machine = {"cores": self.cores, "load": self.load}
        return {"measured_at": self.measured_at, "quick": self.quick, "machine": machine, "benchmarks": benchmarks}


def run(benchmarks: Mapping[str, Benchmark], effort: Effort, say: Callable[[str], None]) -> Report:
    """Run them in order.

    :param say: is told which one begins.
    """
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    load = os.getloadavg()[0]
    outcomes = tuple(_run_all(benchmarks.items(), effort, say))
    return Report(measured_at, os.cpu_count() or 1, load, effort.quick, outcomes)


def _run_all(
    benchmarks: Iterable[tuple[str, Benchmark]], effort: Effort, say: Callable[[str], None]
) -> Iterable[Outcome]:
    for name, benchmark in benchmarks:
        say(name)
        yield _outcome(name, benchmark, effort)


def _outcome(name: str, benchmark: Benchmark, effort: Effort) -> Outcome:
    started = time.monotonic()
    figures: tuple[Figure, ...] = ()
    error = None
    try:
        figures = tuple(benchmark(effort))
    except Exception as failure:  # noqa: BLE001  (whatever stops one figure is said, and the others go on)
        error = f"{type(failure).__name__}: {failure}"
    return Outcome(name, round(time.monotonic() - started, 1), figures, error)
