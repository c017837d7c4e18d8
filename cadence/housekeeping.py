"""Keeps an instance tidy: environments that no version needs, and the locks that nobody would ask for, go."""

import threading
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


class Housekeeper:
    """Tidies in the background, whenever something happened that may have left something over.

    One run at a time; what is asked for meanwhile, however often, is one more.

    :param in_background: runs a job that nobody waits for.
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
                tidy(self._environments, self._index)
        except BaseException:
            with self._guard:
                self._runs = False
            raise

    def _is_wanted(self) -> bool:
        """Whether to run once more; from the moment it says no, the next request starts anew."""
        with self._guard:
            wanted, self._wanted = self._wanted, False
            self._runs = wanted
        return wanted
