"""Tool calls a second over HTTP with eight callers, beside what the same server and a bare one do at best."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.client import Connection, call_request, request, upload_request
from benchmarks.figure import Figure, Goal
from benchmarks.load import Driver, Load, Order
from benchmarks.sampling import Effort, Samples
from benchmarks.server import cadence, floor
from benchmarks.workbench import ARGUMENTS, MATH, TOOL, math_plugin, packed, workbench
from cadence.config import Settings

CALLERS = 8
_SLICE_SECONDS = 0.8
CALL = call_request(MATH.name, TOOL, ARGUMENTS)
CALL_ANSWER = b'"result":5'


def measure(effort: Effort) -> list[Figure]:
    """Slices of load by turns on the tool, the health endpoint and the floor; each slice is one sample of the rate."""
    with workbench() as folder, cadence(folder / "instance") as port, floor(folder, Settings().threads) as bare:
        install_math(folder, port)
        slice_seconds = effort.seconds(_SLICE_SECONDS)
        orders = {
            "call": Order(port, CALL, CALL_ANSWER, CALLERS, slice_seconds),
            "health": Order(port, request("GET", "/api/v1/health"), b'"ok"', CALLERS, slice_seconds),
            "floor": Order(bare, request("GET", "/"), b'"ok"', CALLERS, slice_seconds),
        }
        with Driver() as driver:
            loads = _by_turns(driver, orders, rounds=effort.pick(6, 1))
    return _figures(loads)


def install_math(folder: Path, port: int) -> None:
    """Upload the math plugin to a server."""
    archive = packed(math_plugin(folder), folder)
    with Connection(port) as connection:
        answer = connection.exchange(upload_request(archive.name, archive.read_bytes()))
    if answer.status != 201:
        raise ValueError(f"the upload was answered {answer.status}: {answer.body[:300].decode(errors='replace')}")


def _by_turns(driver: Driver, orders: Mapping[str, Order], rounds: int) -> dict[str, list[Load]]:
    for order in orders.values():
        driver.run(order)  # to warm up
    loads: dict[str, list[Load]] = {name: [] for name in orders}
    for _ in range(rounds):
        for name, order in orders.items():
            done = driver.run(order)
            if done.failed:
                raise ValueError(f"{done.failed} requests of {name} failed, the first with: {done.failure}")
            loads[name].append(done)
    return loads


def _figures(loads: Mapping[str, list[Load]]) -> list[Figure]:
    rates = {name: Samples.of(load.per_second for load in taken) for name, taken in loads.items()}
    latencies = {name: Samples.of(ms for load in taken for ms in load.answered_ms) for name, taken in loads.items()}

    def rate(name: str, side: str, goal: Goal | None = None) -> Figure:
        against = "granian and Flask with a trivial answer"
        return Figure(name, "/s", rates[side].median, rates["floor"].median, against, goal)

    def latency(name: str, side: str) -> Figure:
        ours, theirs = latencies[side], latencies["floor"]
        return Figure(name, "ms", ours.median, theirs.median, "the same floor", None, ours.p99, theirs.p99)

    return [
        rate(f"HTTP tool calls, {CALLERS} callers", "call", Goal(3000, sense="at least")),
        latency("  each", "call"),
        rate("  GET /api/v1/health", "health"),
        latency("  each", "health"),
    ]
