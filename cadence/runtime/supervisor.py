"""Runs what is due later or in the background: restarts after a backoff, replacements, kills after a drain."""

import contextlib
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
Job = Callable[[], object]


class Supervisor:
    """A clock and a few threads.

    :param threads: how many jobs run at once.
    """

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="supervisor")
        self._due: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._clock = threading.Thread(target=self._run_clock, name="supervisor-clock", daemon=True)
        self._clock.start()

    def soon(self, job: Callable[[], T]) -> "Future[T]":
        """Run ``job`` in the background. After :meth:`stop` it is dropped: its future is cancelled."""
        with self._changed:
            if self._stopped:
                dropped: Future[T] = Future()
                dropped.cancel()
                return dropped
            with contextlib.suppress(RuntimeError):
                return self._pool.submit(_logged, job)
        # The interpreter is ending and has ended the pool: what is still to be cleaned up is done here.
        done: Future[T] = Future()
        try:
            done.set_result(_logged(job))
        except Exception as error:  # noqa: BLE001  (as the pool does: it belongs to whoever asks for the result)
            done.set_exception(error)
        return done

    def after(self, seconds: float, job: Job) -> None:
        """Run ``job`` in the background once so many seconds have passed."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), job))
            self._changed.notify()

    def stop(self) -> None:
        """Drop what is not yet due and wait for what runs."""
        with self._changed:
            self._stopped = True
            self._due.clear()
            self._changed.notify()
        self._clock.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run_clock(self) -> None:
        with self._changed:
            while not self._stopped:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                else:
                    job = heapq.heappop(self._due)[2]
                    with contextlib.suppress(RuntimeError):  # the interpreter is ending
                        self._pool.submit(_logged, job)


def _logged(job: Callable[[], T]) -> T:
    try:
        return job()
    except Exception:
        # Most jobs have no caller that could be told; without this line their failure would be lost.
        log.exception("a background job failed")
        raise
