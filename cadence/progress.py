"""How far a running install is: written by its thread, read by whoever follows it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cadence.errors import Cancelled
from cadence.model import Stage, StageRecord


class Progress:
    """The stages of one install so far. One without a time runs; of an install that failed, the last one did."""

    def __init__(self, received_ms: float) -> None:
        self._stages = [StageRecord(Stage.RECEIVE, received_ms)]
        self._lines: list[tuple[str, str]] = []
        self.cancelled = threading.Event()

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
            self._stages[-1] = StageRecord(stage, round(spent_ms + (time.perf_counter() - started) * 1000, 3))
