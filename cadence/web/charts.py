"""Charts as geometry: where marks, bars and lines stand, as shares of the picture that a template draws.

Everything is in percent of the width and height of the drawing, from its upper left corner (SVG 2, section 8.9), so
that one picture fits a phone and a wide screen while its marks and words keep their size.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from msgspec import Struct

from cadence.history import CheckRecord
from cadence.web.present import human_ms

#: Marks stay so far from the edges, in percent.
_INSET_X, _INSET_Y = 1.5, 6.0
#: Times outside of these are drawn at the edge: a plugin tells of its checks, and may tell anything. Milliseconds.
_LEAST_MS, _MOST_MS = 0.1, 1_000_000.0
#: What is not nothing can be seen, in percent of the height.
_LOWEST = 3.0
#: Of the room for a bar, so much is bar.
_BAR_SHARE = 0.72


class Mark(Struct, frozen=True):
    """A health check: ``x`` by its time, ``y`` by how long it took."""

    x: float
    y: float
    failed: bool


class Segment(Struct, frozen=True):
    """A line from one mark to the next."""

    x1: float
    y1: float
    x2: float
    y2: float


class Level(Struct, frozen=True):
    """A line across the picture at ``y``, and what it stands for."""

    y: float
    label: str


class LatencyChart(Struct, frozen=True):
    """How long health checks took, over time: the scale of time is even, that of durations logarithmic.

    ``moments`` are those of the first mark, the middle and the last, UTC, ISO 8601.
    """

    marks: tuple[Mark, ...]
    segments: tuple[Segment, ...]
    levels: tuple[Level, ...]
    moments: tuple[str, ...]
    passed: int
    failed: int
    fastest_ms: float
    slowest_ms: float


class Bar(Struct, frozen=True):
    """Calls of one minute, which ended ``minutes_ago``: ``height`` for all of them, ``failed_height`` for errors."""

    x: float
    width: float
    height: float
    failed_height: float
    calls: int
    errors: int
    minutes_ago: int


class CallChart(Struct, frozen=True):
    """Calls and errors by minute. ``most`` is the number of calls that the full height stands for."""

    bars: tuple[Bar, ...]
    calls: int
    errors: int
    most: int
    minutes: int


def latency_chart(checks: Sequence[CheckRecord]) -> LatencyChart | None:
    """The chart of some health checks, in any order; None where there is none."""
    if not checks:
        return None
    ordered = sorted(checks, key=lambda check: _seconds(check.at))
    times = [_seconds(check.at) for check in ordered]
    durations = [_bounded(check.ms) for check in ordered]
    low, high = _decades(durations)
    marks = [
        Mark(_across(moment, times[0], times[-1]), _up(ms, low, high), not check.healthy)
        for check, moment, ms in zip(ordered, times, durations, strict=True)
    ]
    failed = sum(mark.failed for mark in marks)
    return LatencyChart(
        marks=tuple(marks),
        segments=tuple(_segments(marks)),
        levels=tuple(Level(_up(10.0**power, low, high), _level_words(power)) for power in range(low, high + 1)),
        moments=_moments(ordered[0].at, ordered[-1].at),
        passed=len(marks) - failed,
        failed=failed,
        fastest_ms=min(durations),
        slowest_ms=max(durations),
    )


def call_chart(calls: Sequence[int], errors: Sequence[int]) -> CallChart | None:
    """The chart of calls and errors by minute, the latest minute last; None where there was no call.

    Raises ValueError when there are not as many minutes of the one as of the other.
    """
    if not any(calls):
        return None
    most, minutes = max(calls), len(calls)
    room = 100 / minutes
    bars = tuple(
        Bar(
            x=_rounded(place * room + room * (1 - _BAR_SHARE) / 2),
            width=_rounded(room * _BAR_SHARE),
            height=_height(called, most),
            failed_height=_height(failed, most),
            calls=called,
            errors=failed,
            minutes_ago=minutes - 1 - place,
        )
        for place, (called, failed) in enumerate(zip(calls, errors, strict=True))
        if called
    )
    return CallChart(bars, sum(calls), sum(errors), most, minutes)


def _segments(marks: Sequence[Mark]) -> Iterator[Segment]:
    """Lines between checks that passed; one that failed leaves a gap."""
    for one, other in pairwise(marks):
        if not (one.failed or other.failed):
            yield Segment(one.x, one.y, other.x, other.y)


def _decades(durations: Sequence[float]) -> tuple[int, int]:
    """The powers of ten between which all of them lie, at least one apart."""
    low = math.floor(math.log10(min(durations)))
    high = math.ceil(math.log10(max(durations)))
    return low, max(high, low + 1)


def _across(moment: float, first: float, last: float) -> float:
    share = 0.5 if last <= first else (moment - first) / (last - first)
    return _rounded(_INSET_X + share * (100 - 2 * _INSET_X))


def _up(ms: float, low: int, high: int) -> float:
    share = (math.log10(ms) - low) / (high - low)
    return _rounded(100 - _INSET_Y - share * (100 - 2 * _INSET_Y))


def _height(value: int, most: int) -> float:
    return _rounded(max(_LOWEST, 100 * value / most)) if value else 0.0


def _level_words(power: int) -> str:
    return "0.1 ms" if power < 0 else human_ms(10.0**power).replace(".0 s", " s")


def _moments(first: str, last: str) -> tuple[str, ...]:
    begin, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    if end <= begin:
        return (last,)
    return first, (begin + (end - begin) / 2).isoformat(timespec="milliseconds"), last


def _bounded(ms: float) -> float:
    # NaN is greater than nothing, and becomes the least.
    return min(ms, _MOST_MS) if ms > _LEAST_MS else _LEAST_MS


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _rounded(share: float) -> float:
    return round(share, 2)
