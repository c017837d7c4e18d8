"""The places of all plugins, and how many of them may have a worker at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cadence.errors import PluginUnavailable
from cadence.runtime.board import Board
from cadence.runtime.slot import LiveStatus, Slot

#: How often whoever waits for a place looks again, in seconds: that a plugin is not at work any more, nobody tells.
_POLL_SECONDS = 0.02


class Places:
    """One slot for each name, and a bound on those with a worker.

    Whoever brings a worker up where there is none takes a place first; the plugin that was not called for longest goes
    to sleep for it. A swap needs none: the old worker is on its way out.

    :param sleep: lets a plugin sleep unless it is at work, and says whether it does.

    :ivar board: how each plugin stands that should answer.
    """

    def __init__(self, max_workers: int, sleep: Callable[[Slot], bool]) -> None:
        self._max_workers = max_workers
        self._sleep = sleep
        self._slots: dict[str, Slot] = {}
        self.board: Board[LiveStatus] = Board()
        self._adding = threading.Lock()
        self._taking = threading.Lock()

    def slot(self, name: str) -> Slot:
        """The place of a plugin, made where there was none."""
        slot = self._slots.get(name)
        if slot is not None:
            return slot
        with self._adding:
            return self._slots.setdefault(name, Slot(name, self.board))

    def find(self, name: str) -> Slot | None:
        """The place of a plugin, None where there never was one."""
        return self._slots.get(name)

    def all(self) -> list[Slot]:
        """Every place, by name."""
        slots = dict(self._slots)
        return [slots[name] for name in sorted(slots)]

    def awake(self) -> list[Slot]:
        """Those with a worker, the one that was not called for longest first."""
        return sorted(
            (slot for slot in list(self._slots.values()) if slot.worker is not None), key=lambda slot: slot.last_used
        )

    @contextmanager
    def taken(self, slot: Slot, deadline: float) -> Iterator[None]:
        """Have a place while a worker is brought up.

        :param deadline: until when to wait for one (``time.monotonic``).
        :raises PluginUnavailable: when every place is that of a plugin at work.
        """
        self._take(slot, deadline)
        try:
            yield
        finally:
            with self._taking:
                slot.starting -= 1

    def shed(self) -> None:
        """Have so many sleep as are awake beyond the bound, as far as they are not at work."""
        for slot in self.awake():
            if self._count() <= self._max_workers:
                return
            self._sleep(slot)

    def _take(self, slot: Slot, deadline: float) -> None:
        while True:
            with self._taking:
                if slot.worker is not None or self._count() < self._max_workers or self._free_one():
                    slot.starting += 1
                    return
            if time.monotonic() > deadline:
                words = f"All {self._max_workers} places for running plugins are taken by plugins at work; try again."
                raise PluginUnavailable(words, ref=slot.record.ref if slot.record else None)
            time.sleep(_POLL_SECONDS)

    def _count(self) -> int:
        return sum(slot.worker is not None or slot.starting > 0 for slot in list(self._slots.values()))

    def _free_one(self) -> bool:
        return any(self._sleep(slot) for slot in self.awake())
