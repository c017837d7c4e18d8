"""A server with 1,000 active plugins beside one with a single one: none of them is started before it is called."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from benchmarks.client import Connection, asking, call_request, request
from benchmarks.figure import Figure, compared
from benchmarks.sampling import Effort, Sampler, Samples, interleave
from benchmarks.seeding import name_of, seed
from benchmarks.server import cadence, family, fetch
from benchmarks.workbench import ARGUMENTS, TOOL, math_plugin, packed, workbench

_MANY = 1000
_MIB = 1024 * 1024
_PAGES = {
    "list page": "/plugins",
    "GET /api/v1/plugins": "/api/v1/plugins",
    "search among them": "/api/v1/plugins/uploaded?q=addition&limit=50",
    "GET /metrics": "/metrics",
}


class _Side(Struct, frozen=True):
    """One server, and how many plugins it has."""

    port: int
    instance: Path
    plugins: int


def measure(effort: Effort) -> list[Figure]:
    """Starts of servers by turns; then both at once: what they take, what pages cost, how long the first call takes."""
    many = effort.pick(_MANY, 10)
    with workbench() as folder:
        plugin = math_plugin(folder)
        archive = packed(plugin, folder)
        sides = {"many": folder / "many", "one": folder / "one"}
        seed(sides["many"], plugin, archive, many, active=True)
        seed(sides["one"], plugin, archive, 1, active=True)
        starts = interleave(
            {name: _start(instance) for name, instance in sides.items()},
            seconds=effort.seconds(10),
            at_least=effort.pick(3, 1),
            warm_up=effort.pick(1, 0),
        )
        with _served(sides["many"], many) as full, _served(sides["one"], 1) as single:
            return [
                compared(
                    f"{many:,} active plugins: server to its first page",
                    "ms",
                    starts["many"],
                    starts["one"],
                    against="with one plugin",
                ),
                _memory(full, single),
                _first_calls(full, effort),
                *_pages(full, single, effort),
            ]


@contextmanager
def _served(instance: Path, plugins: int) -> Iterator[_Side]:
    with cadence(instance, first_page="/plugins") as port:
        yield _Side(port, instance, plugins)


def _start(instance: Path) -> Sampler:
    def sample() -> list[float]:
        started = time.perf_counter()
        with cadence(instance, first_page="/plugins"):
            return [(time.perf_counter() - started) * 1000]

    return sample


def _memory(full: _Side, single: _Side) -> Figure:
    """Of all processes of each server together, after its first pages."""
    for side in (full, single):
        for path in _PAGES.values():
            fetch(side.port, path)
    return Figure(
        "  memory of the server and all it started",
        "MiB",
        _unique_mib(full.instance),
        _unique_mib(single.instance),
        "with one plugin",
    )


def _unique_mib(instance: Path) -> float:
    return sum(child.memory_full_info().uss for child in family(instance)) / _MIB


def _first_calls(full: _Side, effort: Effort) -> Figure:
    """Calls over HTTP of plugins that sleep, each of another one, and a second call of each while it is awake."""
    asleep: list[float] = []
    awake: list[float] = []
    with Connection(full.port) as connection:
        for number in range(effort.pick(40, 3)):
            call = asking(connection, call_request(name_of(number), TOOL, ARGUMENTS))
            asleep.extend(call())
            awake.extend(call())
    against = "a call of one that is awake"
    return compared("  first call of a sleeping plugin", "ms", Samples.of(asleep), Samples.of(awake), against=against)


def _pages(full: _Side, single: _Side, effort: Effort) -> list[Figure]:
    figures = []
    with Connection(full.port) as many, Connection(single.port) as one:
        for words, path in _PAGES.items():
            message = request("GET", path)
            samples = interleave(
                {"many": asking(many, message), "one": asking(one, message)},
                seconds=effort.seconds(3),
                at_least=effort.pick(10, 2),
                warm_up=2,
            )
            ours, theirs = samples["many"], samples["one"]
            figures.append(compared(f"  {words}", "ms", ours, theirs, against="with one plugin", tail=True))
    return figures
