"""The events of a turn that runs in a thread of its own, for whoever follows it."""

import queue
import threading
from collections.abc import Iterator

from cadence.chat.values import Broken, Event, Final


class EventStream(Iterator[Event]):
    """The events as they come, the last of them :class:`Final` or :class:`Broken`.

    Closing it, or letting go of it before, stops the turn.

    :param stopped: is set for that.
    """

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._over = False

    def put(self, event: Event) -> None:
        """Have an event come."""
        self._events.put(event)

    def __next__(self) -> Event:
        event = self.wait(None)
        assert event is not None
        return event

    def wait(self, seconds: float | None) -> Event | None:
        """The next event, None where none comes within so many seconds.

        :raises StopIteration: after the last one.
        """
        if self._over:
            raise StopIteration
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return None
        self._over = isinstance(event, Final | Broken)
        return event

    def close(self) -> None:
        """Stop the turn unless it is over."""
        if not self._over:
            self._stopped.set()

    def __del__(self) -> None:
        self.close()
