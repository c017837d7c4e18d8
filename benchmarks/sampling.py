"""Taking samples of several things by turns, and what is made of them."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

#: Measures one thing, once or a few times, and gives what it measured.
Sampler = Callable[[], Iterable[float]]

#: With fewer values the 99th percentile would be the accident of one of them.
FEWEST_FOR_P99 = 50


class Effort(Struct, frozen=True):
    """How much to measure. ``quick`` only shows that it can be measured: the numbers mean little then."""

    quick: bool = False

    def seconds(self, full: float) -> float:
        """How long to go on sampling."""
        return min(full, 0.3) if self.quick else full

    def pick(self, full: int, quick: int) -> int:
        """How many of something."""
        return quick if self.quick else full


class Samples(Struct, frozen=True):
    """What was measured, in the order in which it was; at least one value."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Samples":
        """The samples that some values are.

        :raises ValueError: when there is none.
        """
        made = cls(tuple(values))
        if not made.values:
            raise ValueError("nothing was measured")
        return made

    @property
    def median(self) -> float:
        """The middle one, or the mean of the middle two."""
        return statistics.median(self.values)

    @property
    def p99(self) -> float | None:
        """What 99 of 100 do not pass; ``None`` where there are too few values for a tail."""
        return percentile(self.values, 99) if len(self.values) >= FEWEST_FOR_P99 else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of 100 values do not pass (the nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def interleave(
    samplers: Mapping[str, Sampler], *, seconds: float, at_least: int = 3, at_most: int | None = None, warm_up: int = 1
) -> dict[str, Samples]:
    """Run samplers by turns (A B A B …), so that all see the same machine.

    :param seconds: no new round is begun after so long.
    :param at_least: rounds that are made all the same.
    :param at_most: rounds after which it is enough.
    :param warm_up: rounds before, that do not count.
    """
    for _ in range(warm_up):
        for sampler in samplers.values():
            sampler()
    taken: dict[str, list[float]] = {name: [] for name in samplers}
    deadline = time.monotonic() + seconds
    done = 0
    while done < at_least or (time.monotonic() < deadline and (at_most is None or done < at_most)):
        for name, sampler in samplers.items():
            taken[name].extend(sampler())
        done += 1
    return {name: Samples.of(values) for name, values in taken.items()}


def milliseconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def block_of(count: int, work: Callable[[], object]) -> Sampler:
    """A sampler of ``count`` calls in a row, each in µs: for what is too short to be alternated one by one."""

    def sample() -> list[float]:
        clock, taken = time.perf_counter_ns, []
        for _ in range(count):
            started = clock()
            work()
            taken.append((clock() - started) / 1000)
        return taken

    return sample
