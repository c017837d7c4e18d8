"""One request to a model, in a thread of its own, so that whoever waits for it can stop waiting at once.

The clients of providers block until something comes. A turn that is stopped, or out of time, leaves its request behind;
the thread ends with the next piece of the answer, or when the client's own timeout has passed.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from cadence.errors import TurnStopped
from cadence.progress import Flag

_POLL_SECONDS = 0.05

Piece = TypeVar("Piece")


class RequestFailed(Exception):
    """What making the request raised: ``error``."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class WaitedLongEnough(Exception):
    """Nothing came in the time there was. ``of_turn`` says that it was the turn's."""

    def __init__(self, *, of_turn: bool) -> None:
        super().__init__()
        self.of_turn = of_turn


class Request(Generic[Piece]):
    """A request.

    :param make: makes it, and gives the pieces of the answer as they come. It runs in another thread.
    :param timeout_seconds: how long to wait for each piece.
    :param deadline: when to stop waiting for all of them, by the monotonic clock; None is never.
    :param cancelled: says that nobody wants the answer any more.
    """

    def __init__(
        self,
        make: Callable[[], Generator[Piece, None, None]],
        timeout_seconds: float,
        deadline: float | None = None,
        cancelled: Flag | None = None,
    ) -> None:
        self._make = make
        self._timeout_seconds = timeout_seconds
        self._deadline = deadline
        self._cancelled = cancelled
        self._left = threading.Event()
        self._arrived: SimpleQueue[tuple[Piece] | BaseException | None] = SimpleQueue()

    def pieces(self) -> Generator[Piece, None, None]:
        """Make the request, once, and give the pieces.

        :raises TurnStopped: when it was cancelled.
        :raises WaitedLongEnough: when nothing came in time.
        :raises RequestFailed: with what went wrong.
        """
        threading.Thread(target=self._run, name="model", daemon=True).start()
        try:
            while (arrived := self._next()) is not None:
                if isinstance(arrived, BaseException):
                    raise RequestFailed(arrived)
                yield arrived[0]
        finally:
            self._left.set()

    def _next(self) -> tuple[Piece] | BaseException | None:
        until = time.monotonic() + self._timeout_seconds
        of_turn = self._deadline is not None and self._deadline < until
        until = min(until, self._deadline) if self._deadline is not None else until
        while True:
            require_wanted(self._cancelled)
            try:
                return self._arrived.get(timeout=max(0.0, min(_POLL_SECONDS, until - time.monotonic())))
            except Empty:
                if time.monotonic() >= until:
                    raise WaitedLongEnough(of_turn=of_turn) from None

    def _run(self) -> None:
        try:
            with contextlib.closing(self._make()) as pieces:
                for piece in pieces:
                    if self._left.is_set():
                        return
                    self._arrived.put((piece,))
        except BaseException as error:  # noqa: BLE001  # another thread says what it means
            self._arrived.put(error)
        else:
            self._arrived.put(None)


def require_wanted(cancelled: Flag | None) -> None:
    """See that somebody wants the answer.

    :raises TurnStopped: otherwise.
    """
    if cancelled is not None and cancelled.is_set():
        raise TurnStopped("The turn was stopped.")


def wait(seconds: float, cancelled: Flag | None) -> None:
    """Wait, but no longer than somebody wants the answer.

    :raises TurnStopped: when nobody does.
    """
    (cancelled or threading.Event()).wait(seconds)
    require_wanted(cancelled)
