"""The management page with 10,000 installed versions while a hundred others stay open."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from msgspec import Struct

from benchmarks.client import Connection, asking, request
from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, interleave
from benchmarks.seeding import seed
from benchmarks.server import cadence, family
from benchmarks.visitors import Visitors
from benchmarks.workbench import math_plugin, packed, workbench

_VERSIONS = 10_000
_IDLE_PAGES = 100
#: The 99th percentile that the design asks for, in ms.
_P99_GOAL = Goal(15.0)
_PAGES = {
    "first page": "/plugins",
    "list fragment": "/plugins/list",
    "its last page": "/plugins/list?page=100000",
    "what failed": "/plugins/list?status=failed",
    "search for two words": "/plugins/list?q=many+addition",
}
_GOALS = ("first page", "list fragment")


class _Side(Struct, frozen=True):
    """One server."""

    port: int
    instance: Path


def measure(effort: Effort) -> list[Figure]:
    """Requests by turns to a server with many versions, which others look at, and to one with a single plugin."""
    with workbench() as folder:
        plugin = math_plugin(folder)
        archive = packed(plugin, folder)
        many, idle = effort.pick(_VERSIONS, 20), effort.pick(_IDLE_PAGES, 3)
        for name, count in (("many", many), ("one", 1)):
            seed(folder / name, plugin, archive, count, active=True)
        with _served(folder / "many") as full, _served(folder / "one") as single:
            with Visitors(full.port, idle) as visitors:
                looked_at, alone = _shares((full, single), effort)
                figures = _pages(full, single, many, idle, effort)
            visits = visitors.visits
        assert visits is not None
        note = (
            f"{visits.asked / visits.seconds:.0f} questions a second, {visits.unchanged} of {visits.asked} answered 304"
        )
        words, against = f"  processor time of the server, {idle} idle pages", "with one plugin, nobody looks"
        return [*figures, Figure(words, "% of one", looked_at, alone, against, note=note)]


@contextmanager
def _served(instance: Path) -> Iterator[_Side]:
    with cadence(instance, first_page="/plugins") as port:
        yield _Side(port, instance)


def _pages(full: _Side, single: _Side, many: int, idle: int, effort: Effort) -> list[Figure]:
    figures: list[Figure] = []
    with Connection(full.port) as here, Connection(single.port) as there:
        for words, path in _PAGES.items():
            message = request("GET", path)
            samples = interleave(
                {"many": asking(here, message), "one": asking(there, message)},
                seconds=effort.seconds(6),
                at_least=effort.pick(300, 2),
                warm_up=3,
            )
            figure = compared(
                f"{many:,} versions, {idle} idle pages: {words}" if not figures else f"  {words}",
                "ms",
                samples["many"],
                samples["one"],
                against="with one plugin",
                tail=True,
            )
            figures.append(_with_goal(figure) if words in _GOALS else figure)
    return figures


def _with_goal(figure: Figure) -> Figure:
    """The goal is one of the tail, so the figure is its tail, and the median is a note."""
    if figure.ours_p99 is None:
        return figure
    return Figure(
        name=f"{figure.name}, p99",
        unit=figure.unit,
        ours=figure.ours_p99,
        theirs=figure.theirs_p99,
        against=figure.against,
        goal=_P99_GOAL,
        note=f"median {figure.ours:.2f} ms",
    )


def _shares(sides: Sequence[_Side], effort: Effort) -> list[float]:
    """The processor time that each server takes of one processor, in percent, all over the same while."""
    families = [family(side.instance) for side in sides]
    began, before = time.perf_counter(), [_processor_seconds(one) for one in families]
    time.sleep(effort.seconds(15))
    seconds = time.perf_counter() - began
    return [100 * (_processor_seconds(one) - was) / seconds for one, was in zip(families, before, strict=True)]


def _processor_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)
