"""How many turns run at once: a few more wait for a while, all others are told to come back."""

import threading

from cadence.errors import TooManyTurns, TurnStopped


class Gate:
    """Lets so many in.

    :param most: turns at once.
    :param waiting: how many may wait for one of them to end; each of them holds a request of the server.
    :param wait_seconds: for how long.
    """

    def __init__(self, most: int, waiting: int, wait_seconds: float) -> None:
        self.most = most
        self._waiting = waiting
        self._wait_seconds = wait_seconds
        self._changed = threading.Condition()
        self._inside = 0
        self._queue = 0
        self._closed = False

    def enter(self) -> None:
        """Wait to be let in; whoever is in has to :meth:`leave`.

        :raises TooManyTurns: when it was full for too long, or too many wait already.
        :raises TurnStopped: when the server shuts down.
        """
        with self._changed:
            if self._inside >= self.most:
                self._wait()
            if self._closed:
                raise TurnStopped("The server is shutting down. Ask again soon.")
            self._inside += 1

    def leave(self) -> None:
        """Let the next one in."""
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Let nobody in any more, and wait until everybody has left, for at most so many seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._inside == 0, seconds)

    def _wait(self) -> None:
        if self._queue >= self._waiting:
            raise self._full()
        self._queue += 1
        try:
            if not self._changed.wait_for(lambda: self._closed or self._inside < self.most, self._wait_seconds):
                raise self._full()
        finally:
            self._queue -= 1

    def _full(self) -> TooManyTurns:
        return TooManyTurns(f"{self.most} conversations answer at the moment, as many as may at once. Ask again soon.")
