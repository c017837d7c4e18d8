"""Calls over HTTP while the plugin is overwritten and reloaded all the time: none may fail, few may be late."""

import time
from pathlib import Path

from msgspec import Struct, structs

from benchmarks.client import Connection, request, upload_request
from benchmarks.figure import Figure, Goal
from benchmarks.figures.http import CALL, CALL_ANSWER, CALLERS, install_math
from benchmarks.load import Driver, Load, Order
from benchmarks.sampling import Effort, Samples, percentile
from benchmarks.server import cadence
from benchmarks.workbench import MATH, workbench

_SLICES, _SLICE_SECONDS = 15, 4.0  # busy for a minute
_RELOAD = request("POST", "/api/v1/plugins/reload")


class _Slice(Struct, frozen=True):
    """One quiet and one busy stretch of load, and how often the plugin was replaced in the second."""

    quiet: Load
    busy: Load
    replaced: int


def measure(effort: Effort) -> list[Figure]:
    """Quiet and busy stretches by turns; in a busy one, overwrites by upload and reloads follow each other."""
    with workbench() as folder, cadence(folder / "instance") as port, Driver() as driver:
        install_math(folder, port)
        order = Order(port, CALL, CALL_ANSWER, CALLERS, effort.seconds(_SLICE_SECONDS))
        driver.run(structs.replace(order, seconds=effort.seconds(0.5)))  # to warm up
        changes = _changes(folder)
        slices = [_slice(driver, order, changes) for _ in range(effort.pick(_SLICES, 1))]
    return _figures(slices)


def _changes(folder: Path) -> tuple[bytes, ...]:
    archive = folder / f"{MATH.slug}.zip"
    return upload_request(archive.name, archive.read_bytes()), _RELOAD


def _slice(driver: Driver, order: Order, changes: tuple[bytes, ...]) -> _Slice:
    quiet = driver.run(order)
    driver.start(order)
    replaced = _replace_for(order.port, order.seconds, changes)
    return _Slice(quiet, driver.finish(), replaced)


def _replace_for(port: int, seconds: float, changes: tuple[bytes, ...]) -> int:
    """Replace the plugin over and over; gives how often."""
    deadline = time.monotonic() + seconds
    replaced = 0
    with Connection(port) as connection:
        while time.monotonic() < deadline:
            answer = connection.exchange(changes[replaced % len(changes)])
            if answer.status != 200:
                words = answer.body[:300].decode(errors="replace")
                raise ValueError(f"replacing the plugin was answered {answer.status}: {words}")
            replaced += 1
    return replaced


def _figures(slices: list[_Slice]) -> list[Figure]:
    busy = Samples.of(ms for one in slices for ms in one.busy.answered_ms)
    quiet = Samples.of(ms for one in slices for ms in one.quiet.answered_ms)
    failed = sum(one.busy.failed for one in slices)
    first = next((f" The first: {one.busy.failure}" for one in slices if one.busy.failed), "")
    replaced = sum(one.replaced for one in slices)
    note = f"Of {len(busy.values) + failed:,} calls, while the plugin was replaced {replaced} times.{first}"
    against = "the same calls in quiet"
    return [
        Figure("reload under load: failed calls", "calls", failed, goal=Goal(0), note=note),
        Figure(
            "  p99 of a call",
            "ms",
            percentile(busy.values, 99),
            percentile(quiet.values, 99),
            against,
            Goal(3, of="ratio"),
        ),
        Figure("  median of a call", "ms", busy.median, quiet.median, against),
    ]
