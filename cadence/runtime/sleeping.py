"""Sends plugins to sleep that nobody calls: after a while, and sooner where memory runs short."""

import time
from collections.abc import Mapping, Sequence

from cadence.runtime.live_set import LiveSet
from cadence.runtime.supervisor import Supervisor

#: How often it is looked who may sleep, in seconds; at most, where plugins sleep sooner than that.
LOOK_SECONDS = 5.0
_LEAST_SECONDS = 0.05


def due_for_sleep(
    idle_seconds: Sequence[tuple[str, float]], after_seconds: float, memory_bytes: Mapping[str, int], max_bytes: int
) -> list[str]:
    """Who is to sleep.

    :param idle_seconds: the plugins that are awake, and for how long nobody has called them, the longest first.
    :param after_seconds: how long that may be.
    :param memory_bytes: the memory that each takes.
    :param max_bytes: what all together may take: above it, those sleep too that were not called for longest.
    """
    used = sum(memory_bytes.values())
    due = []
    for name, idle in idle_seconds:
        if idle >= after_seconds or used > max_bytes:
            due.append(name)
            used -= memory_bytes.get(name, 0)
    return due


class Sleeper:
    """Looks every few seconds.

    :param idle_seconds: after how long without a call a plugin sleeps.
    :param max_memory_bytes: what all that are awake may take together.
    """

    def __init__(self, live_set: LiveSet, supervisor: Supervisor, idle_seconds: float, max_memory_bytes: int) -> None:
        self._live_set = live_set
        self._supervisor = supervisor
        self._idle_seconds = idle_seconds
        self._max_memory_bytes = max_memory_bytes

    def start(self) -> None:
        """Begin to look."""
        self._supervisor.after(min(LOOK_SECONDS, max(_LEAST_SECONDS, self._idle_seconds / 4)), self._look)

    def _look(self) -> None:
        try:
            self.tend()
        finally:
            self.start()

    def tend(self) -> None:
        """Send those to sleep that are due."""
        now = time.monotonic()
        idle = [(name, now - since) for name, since in self._live_set.idle_since()]
        memory = self._live_set.memory_bytes() if idle else {}
        for name in due_for_sleep(idle, self._idle_seconds, memory, self._max_memory_bytes):
            self._live_set.sleep(name)
