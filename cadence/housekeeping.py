"""Keeps an instance tidy: environments that no version needs, and the locks that nobody would ask for, go.

So does, now and then, what is kept for a time only: deleted versions and history.
"""

import logging
import threading
import time
from collections.abc import Callable

from cadence.dependencies.environment import Environments
from cadence.storage.index import Index


def tidy(environments: Environments, index: Index) -> tuple[str, ...]:
    """Remove what is not needed now. It is safe beside installs, workers and other processes that do the same.

    :returns: the keys of the environments that were removed.
    """
    removed = environments.collect(index.environments)
    # What is there and not in the index belongs to an install that is about to be: it is read first.
    there = environments.keys()
    index.forget_locks(there | index.environments())
    return removed


log = logging.getLogger(__name__)

#: How often what is kept for a time is looked at, in seconds.
CHORES_SECONDS = 3600.0

Job = Callable[[], object]


class Housekeeper:
    """Tidies in the background, whenever something happened that may have left something over.

    One run at a time; what is asked for meanwhile, however often, is one more.

    :param in_background: runs a job that nobody waits for.
    :ivar chores: what is done before the tidying, with the first run and then once in :data:`CHORES_SECONDS` at most.
    """

    def __init__(
        self, environments: Environments, index: Index, in_background: Callable[[Callable[[], None]], object]
    ) -> None:
        self._environments = environments
        self._index = index
        self._in_background = in_background
        self._guard = threading.Lock()
        self._runs = False
        self._wanted = False
        self._chores_due = 0.0
        self.chores: tuple[Job, ...] = ()

    def keep_on(self, after: Callable[[float, Job], object]) -> None:
        """Have it done soon, and from then on once in :data:`CHORES_SECONDS`, also where nothing happens.

        :param after: runs a job once so many seconds have passed.
        """
        self.request()
        after(CHORES_SECONDS, lambda: self.keep_on(after))

    def request(self) -> None:
        """Have it done soon. Never waits, never fails."""
        with self._guard:
            self._wanted = True
            if self._runs:
                return
            self._runs = True
        self._in_background(self._run)

    def _run(self) -> None:
        try:
            while self._is_wanted():
                self._do_chores()
                tidy(self._environments, self._index)
        except BaseException:
            with self._guard:
                self._runs = False
            raise

    def _do_chores(self) -> None:
        """First, because what is gone afterwards needs no environment."""
        now = time.monotonic()
        if now >= self._chores_due:
            self._chores_due = now + CHORES_SECONDS
            for chore in self.chores:
                try:
                    chore()
                except Exception:
                    log.exception("what is kept for a time could not be looked at")  # the next time is soon enough

    def _is_wanted(self) -> bool:
        """Whether to run once more; from the moment it says no, the next request starts anew."""
        with self._guard:
            wanted, self._wanted = self._wanted, False
            self._runs = wanted
        return wanted
