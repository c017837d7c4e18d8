"""How far a running install is: written by its thread, read by whoever follows it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from msgspec import structs

from cadence.errors import Cancelled
from cadence.model import Stage, StageRecord


class Flag(Protocol):
    """What tells that work is no longer wanted: a :class:`Cancellation`; a ``threading.Event`` is one too."""

    def is_set(self) -> bool:
        """Whether it is no longer wanted."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is not, for at most so many seconds; whether it is not."""


class Cancellation:
    """Says once and for all that work is no longer wanted, and ends what cannot look for that by itself."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._guard = threading.Lock()
        self._ends: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        """Whether it was said."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is said, for at most so many seconds; whether it was."""
        return self._event.wait(timeout)

    def set(self) -> None:
        """Say it."""
        self._event.set()
        with self._guard:
            ends, self._ends = self._ends, []
        for end in ends:
            end()

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Have ``end`` called, from another thread, when it is said before the block is over; at once if it was."""
        with self._guard:
            said = self._event.is_set()
            if not said:
                self._ends.append(end)
        if said:
            end()
        try:
            yield
        finally:
            with self._guard:
                if end in self._ends:
                    self._ends.remove(end)


class Progress:
    """The stages of one install so far. One without a time runs; of an install that failed, the last one did."""

    def __init__(self, received_ms: float) -> None:
        self._stages = [StageRecord(Stage.RECEIVE, received_ms)]
        self._lines: list[tuple[str, str]] = []
        self.cancelled = Cancellation()

    @property
    def stages(self) -> tuple[StageRecord, ...]:
        """The stages that began, in order, with their times in ms where they are over."""
        return tuple(self._stages)

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What the stages said on the way: pairs of stage and text."""
        return tuple(self._lines)

    def say(self, line: str) -> None:
        """Add a line to the install's log."""
        self._lines.append((self._stages[-1].stage, line))

    def count(self, done: int, total: int) -> None:
        """Say how many of the things that the running stage counts are done, such as packages."""
        self._stages[-1] = structs.replace(self._stages[-1], done=done, total=total)

    @contextmanager
    def stage(self, stage: Stage, *, cancellable: bool = True) -> Iterator[None]:
        """Time one stage; entered again right after itself, it goes on, so that a wait between does not count.

        :param cancellable: False for what comes after the commit point, from where there is only forward.
        :raises Cancelled: at its beginning, when the install was cancelled.
        """
        if cancellable and self.cancelled.is_set():
            raise Cancelled("The install was cancelled; nothing of it is left.")
        spent_ms = 0.0
        if self._stages[-1].stage is stage:
            spent_ms = self._stages.pop().ms or 0.0
        started = time.perf_counter()
        self._stages.append(StageRecord(stage))
        try:
            yield
        finally:
            ms = round(spent_ms + (time.perf_counter() - started) * 1000, 3)
            self._stages[-1] = structs.replace(self._stages[-1], ms=ms)
