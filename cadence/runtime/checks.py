"""When the health of plugins is checked: each on its own, so that they do not all come at once."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

#: By which share of the interval a check comes sooner or later.
JITTER = 0.2
#: How many checks are made at once; one that hangs keeps its thread until its deadline.
_AT_ONCE = 4
#: How often it is looked which are due, in parts of the interval, and within which seconds.
_LOOKS = 20
_LOOK_SECONDS = (0.02, 1.0)


class Timetable:
    """When each of a changing number of plugins is due.

    :param interval_seconds: between two checks of one.
    :param chance: a number from 0 to 1, drawn anew at each call.
    """

    def __init__(self, interval_seconds: float, chance: Callable[[], float] = random.random) -> None:
        self._interval_seconds = interval_seconds
        self._chance = chance
        self._due: dict[str, float] = {}

    def due(self, names: Iterable[str], now: float) -> list[str]:
        """Those whose check is due, which are not due again before an interval has passed.

        Who is not among ``names`` is forgotten, and who is new is due within an interval.
        """
        names = list(names)
        known = self._due
        self._due = {name: known[name] if name in known else now + self._first_seconds() for name in names}
        due = [name for name in names if self._due[name] <= now]
        for name in due:
            self._due[name] = now + self._interval_seconds * (1 + JITTER * (2 * self._chance() - 1))
        return due

    def _first_seconds(self) -> float:
        return self._interval_seconds * self._chance()


class Checks:
    """Has plugins checked, in threads of its own.

    :param awake: the names of the plugins that have a worker; those that sleep are as they were when they were tried.
    :param check: checks one; called in a thread.
    """

    def __init__(
        self, awake: Callable[[], Iterable[str]], check: Callable[[str], object], interval_seconds: float
    ) -> None:
        self._awake = awake
        self._check = check
        self._timetable = Timetable(interval_seconds)
        least, most = _LOOK_SECONDS
        self._look_seconds = min(most, max(least, interval_seconds / _LOOKS))
        self._running: set[str] = set()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="health")
        self._thread = threading.Thread(target=self._watch, name="health-checks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin no check any more."""
        self._stop.set()

    def stop(self) -> None:
        """Wait until none runs. The workers have ended before, so that none is waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _watch(self) -> None:
        while not self._stop.wait(self._look_seconds):
            for name in self._timetable.due(self._awake(), time.monotonic()):
                if name not in self._running:
                    self._running.add(name)
                    self._pool.submit(self._run, name)

    def _run(self, name: str) -> None:
        try:
            if not self._stop.is_set():
                self._check(name)
        except Exception:
            # Nobody waits for it who could be told; a full disk, say, leaves a gap in the history.
            log.exception("the health check of %s failed on an error of the server", name)
        finally:
            self._running.discard(name)
