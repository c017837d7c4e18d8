"""Counts of what the index tells of, from the start of this process: installs, events, changes of the active version.

The index forgets what is old, and a count must never fall. So what is new is read and counted once.
"""

import threading
from collections import Counter
from itertools import product

from msgspec import Struct

from cadence.history import ActivationCause, EventKind
from cadence.model import InstallKind, InstallState, Stage
from cadence.storage.statistics import Marks, StatisticsIndex

#: The label of an install that ended before its first stage.
NO_STAGE = "none"

_ENDS = tuple(state for state in InstallState if state is not InstallState.RUNNING)
_STAGES = (NO_STAGE, *Stage)


class Counts(Struct, frozen=True):
    """What was counted. Every value that a label can have is there, also where it is 0."""

    installs: dict[tuple[str, str, str], int]
    events: dict[EventKind, int]
    activations: dict[ActivationCause, int]


class Happenings:
    """Counts what happened since a moment. Any thread may use it.

    :param since: UTC, ISO 8601.
    """

    def __init__(self, index: StatisticsIndex, since: str) -> None:
        self._index = index
        self._since = since
        self._guard = threading.Lock()
        self._marks: Marks | None = None
        #: Those beyond the mark that are counted already: one before them still runs.
        self._ended: set[int] = set()
        self._installs = Counter[tuple[str, str, str]](dict.fromkeys(product(InstallKind, _ENDS, _STAGES), 0))
        self._events = Counter(dict.fromkeys(EventKind, 0))
        self._activations = Counter(dict.fromkeys(ActivationCause, 0))

    def counts(self) -> Counts:
        """Count what is new, and give all of it."""
        with self._guard:
            marks = self._marks or self._index.marks_before(self._since)
            self._marks = Marks(
                install=self._count_installs(marks.install),
                event=self._count_events(marks.event),
                activation=self._count_activations(marks.activation),
            )
            return Counts(dict(self._installs), dict(self._events), dict(self._activations))

    def _count_installs(self, mark: int) -> int:
        """They end in another order than they begin, so the mark stays before the first one that runs."""
        mark_moves = True
        for install in self._index.installs_after(mark):
            if install.state is InstallState.RUNNING:
                mark_moves = False
                continue
            if install.n not in self._ended:
                self._installs[install.kind, install.state, install.stage or NO_STAGE] += 1
            if mark_moves:
                mark = install.n
            else:
                self._ended.add(install.n)
        self._ended = {n for n in self._ended if n > mark}
        return mark

    def _count_events(self, mark: int) -> int:
        new = self._index.events_after(mark)
        self._events.update(kind for _, kind in new)
        return new[-1][0] if new else mark

    def _count_activations(self, mark: int) -> int:
        new = self._index.activations_after(mark)
        self._activations.update(cause for _, cause in new)
        return new[-1][0] if new else mark
