"""How often the tools of a plugin were called, with what outcome, and how long that took.

A tally stands beside every call, and a call takes some 30 µs: counting one is a few list and dict operations under a
lock of its own. Whatever costs more is done when somebody looks.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from cadence.errors import (
    CallTimedOut,
    InvalidArguments,
    LimitReached,
    NotFound,
    PluginUnavailable,
    RequestTooLarge,
    WorkerEnded,
)

#: The upper bounds of the cells of a latency histogram, in seconds; one more cell holds what took longer.
BUCKET_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
#: How many minutes back calls are told apart by minute.
RECENT_MINUTES = 60

_MINUTE_SECONDS = 60.0
_NONE_RECENTLY = (0,) * RECENT_MINUTES


class Outcome(StrEnum):
    """How a call ended. ``ERROR``: the tool raised; ``INVALID``: the caller asked for what the plugin does not have."""

    OK = "ok"
    ERROR = "error"
    INVALID = "invalid_arguments"
    TIMEOUT = "timeout"
    WORKER_ENDED = "worker_ended"
    LIMIT = "limit"
    UNAVAILABLE = "unavailable"

    @property
    def is_error(self) -> bool:
        """Whether it brought no result and not because the caller asked wrongly."""
        return self not in _NO_ERRORS

    @classmethod
    def of(cls, failure: BaseException) -> "Outcome":
        """The outcome of a call that raised ``failure``."""
        return next((outcome for kinds, outcome in _OUTCOMES if isinstance(failure, kinds)), cls.ERROR)


_OUTCOMES = (
    ((InvalidArguments, NotFound, RequestTooLarge), Outcome.INVALID),
    (CallTimedOut, Outcome.TIMEOUT),
    (WorkerEnded, Outcome.WORKER_ENDED),
    (LimitReached, Outcome.LIMIT),
    (PluginUnavailable, Outcome.UNAVAILABLE),
)
#: What says nothing bad about the plugin.
_NO_ERRORS = frozenset({Outcome.OK, Outcome.INVALID})


class TallyView(Struct, frozen=True):
    """A tally as it stood at one moment.

    ``errors`` are the calls that brought no result, but for those the caller got wrong; ``outcomes`` has every
    :class:`Outcome`. ``buckets`` are the calls by how long they took, by :data:`BUCKET_SECONDS` and one more cell for
    longer ones, each call in one cell; ``sum_seconds`` the time of all together. ``last_called_at`` is UTC, ISO 8601
    with milliseconds, None where there was no call. ``recent`` and ``recent_errors`` are calls and errors in each of
    the last 60 minutes, the one that is running last.
    """

    calls: int
    errors: int
    outcomes: dict[Outcome, int]
    buckets: tuple[int, ...]
    sum_seconds: float
    last_called_at: str | None = None
    recent: tuple[int, ...] = _NONE_RECENTLY
    recent_errors: tuple[int, ...] = _NONE_RECENTLY


#: The view of a tally of nothing.
NO_CALLS = TallyView(0, 0, dict.fromkeys(Outcome, 0), (0,) * (len(BUCKET_SECONDS) + 1), 0.0)


class CallTally:
    """Counts the calls of one plugin, whichever version and worker answered them. Any thread may use it.

    :param now: a clock that never goes back, in seconds, for ``recent``.
    :param today: the time of day, in seconds since 1970, for ``last_called_at``.
    """

    __slots__ = (
        *("_last", "_last_at", "_lock", "_minute_ends", "_now", "_today"),
        *("_before", "_buckets", "_outcomes", "_recent", "_recent_errors", "_sum"),
    )

    def __init__(self, *, now: Callable[[], float] = time.monotonic, today: Callable[[], float] = time.time) -> None:
        self._now = now
        self._today = today
        self._lock = threading.Lock()
        self._outcomes = dict.fromkeys(Outcome, 0)
        self._buckets = [0] * (len(BUCKET_SECONDS) + 1)
        self._sum = 0.0
        self._last: float | None = None
        self._last_at: tuple[float, str] | None = None
        self._minute_ends = now() + _MINUTE_SECONDS
        #: Calls and errors before the minute that runs, and in each minute before it.
        self._before = (0, 0)
        self._recent = [0] * (RECENT_MINUTES - 1)
        self._recent_errors = [0] * (RECENT_MINUTES - 1)

    def record(self, seconds: float, outcome: Outcome) -> None:
        """Count one call that took so long and ended so."""
        now = self._now()
        with self._lock:
            if now >= self._minute_ends:
                self._begin_minute(now)
            self._outcomes[outcome] += 1
            self._buckets[bisect_left(BUCKET_SECONDS, seconds)] += 1
            self._sum += seconds
            self._last = now

    @property
    def is_used(self) -> bool:
        """Whether anything was counted; cheap enough to ask of thousands."""
        return self._last is not None

    def view(self) -> TallyView:
        """What was counted so far."""
        with self._lock:
            if self._last is None:
                return NO_CALLS
            now = self._now()
            if now >= self._minute_ends:
                self._begin_minute(now)
            calls, errors = self._counted()
            return TallyView(
                calls=calls,
                errors=errors,
                outcomes=dict(self._outcomes),
                buckets=tuple(self._buckets),
                sum_seconds=self._sum,
                last_called_at=self._last_called_at(self._last, now),
                recent=(*self._recent, calls - self._before[0]),
                recent_errors=(*self._recent_errors, errors - self._before[1]),
            )

    def _counted(self) -> tuple[int, int]:
        """Calls and errors up to now."""
        calls = sum(self._buckets)
        return calls, calls - sum(self._outcomes[outcome] for outcome in _NO_ERRORS)

    def _begin_minute(self, now: float) -> None:
        """Close the cell of the minute that ran, and empty ones for those that passed since without a call."""
        passed = int((now - self._minute_ends) // _MINUTE_SECONDS) + 1
        self._minute_ends += passed * _MINUTE_SECONDS
        counted = self._counted()
        for cells, total, before in zip((self._recent, self._recent_errors), counted, self._before, strict=True):
            cells.extend([total - before, *[0] * min(passed - 1, RECENT_MINUTES)])
            del cells[: 1 - RECENT_MINUTES]
        self._before = counted

    def _last_called_at(self, last: float, now: float) -> str:
        """The time of day of the last call, the same whenever it is asked; calls do without looking at that clock."""
        if self._last_at is None or self._last_at[0] != last:
            moment = datetime.fromtimestamp(self._today() - (now - last), UTC)
            self._last_at = last, moment.isoformat(timespec="milliseconds")
        return self._last_at[1]
