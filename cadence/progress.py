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
    """Says once and for all that work is no longer wanted, and ends what cannot look for that by itself.

    Or else, from the point where there is only forward, that it is too late for that.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._guard = threading.Lock()
        self._ends: list[Callable[[], object]] = []
        self._too_late = False

    def is_set(self) -> bool:
        """Whether it was said."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is said, for at most so many seconds; whether it was."""
        return self._event.wait(timeout)

    def set(self) -> bool:
        """Say it. Returns whether that is of use: not once it is too late."""
        with self._guard:
            if self._too_late:
                return False
            self._event.set()
            ends, self._ends = self._ends, []
        for end in ends:
            end()
        return True

    def rule_out(self) -> None:
        """Say that from here on it is too late.

        :raises Cancelled: when it was said before.
        """
        with self._guard:
            if not self._event.is_set():
                self._too_late = True
        self.raise_if_set()

    def raise_if_set(self) -> None:
        """Stop here when it was said.

        :raises Cancelled: then.
        """
        if self._event.is_set():
            raise Cancelled("The install was cancelled; nothing of it is left.")

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


#: Lines that are kept of what one install says; what comes after them is left out.
MAX_LINES = 2000
#: The longest line that is kept, in characters; the rest of it is left out.
MAX_LINE_CHARACTERS = 1000
_REST_LEFT_OUT = f"The log has {MAX_LINES} lines. What came after them was not kept."


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
        """Add a line to the install's log, which keeps only so many of them and so much of each."""
        if len(self._lines) >= MAX_LINES:
            return
        if len(self._lines) == MAX_LINES - 1:
            line = _REST_LEFT_OUT
        elif len(line) > MAX_LINE_CHARACTERS:
            line = f"{line[: MAX_LINE_CHARACTERS - 1]}…"
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
        if cancellable:
            self.cancelled.raise_if_set()
        spent_ms = 0.0
        if self._stages[-1].stage is stage:
            spent_ms = self._stages[-1].ms or 0.0
            self._stages[-1] = structs.replace(self._stages[-1], ms=None)
        else:
            self._stages.append(StageRecord(stage))
        started = time.perf_counter()
        try:
            yield
        finally:
            ms = round(spent_ms + (time.perf_counter() - started) * 1000, 3)
            self._stages[-1] = structs.replace(self._stages[-1], ms=ms)
