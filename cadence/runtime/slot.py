"""The place of one plugin in the live set, and how the plugin stands there."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from msgspec import Struct

from cadence.model import HealthReport, TrialReport, VersionRecord
from cadence.runtime.board import Board
from cadence.runtime.health import Condition, HealthState
from cadence.runtime.tally import CallTally, TallyView
from cadence.runtime.worker import Worker

LiveStatus = Literal["live", "degraded", "starting", "asleep", "failed"]


class LivePlugin(Struct, frozen=True):
    """One plugin as it stands now.

    ``error`` says why it is degraded or failed, or what an operator should know though it answers. ``pid`` is that of
    its worker, None while there is none. ``health`` is the latest that is known, ``checked_at`` when that was found
    out (UTC, ISO 8601; None: at its trial). ``is_new`` is whether it is on probation, ``restarts`` how often its
    worker was started again after it had ended.
    """

    record: VersionRecord
    status: LiveStatus
    report: TrialReport
    health: HealthReport
    tally: TallyView
    error: str | None = None
    pid: int | None = None
    checked_at: str | None = None
    is_new: bool = False
    restarts: int = 0

    @property
    def last_called_at(self) -> str | None:
        """When it was last called in this process, UTC, ISO 8601."""
        return self.tally.last_called_at


class _Guard(threading.Condition):
    """A condition that has something done each time it is about to be let go."""

    def __init__(self, before_exit: Callable[[], None]) -> None:
        super().__init__()
        self._before_exit = before_exit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._before_exit()
        super().__exit__(kind, error, trace)


class Slot:
    """The place of one plugin. ``changed`` guards every field; ``changing`` lets one change at a time run.

    :param board: is told how the plugin stands, whenever that changed.

    :ivar asleep: it has no worker because nobody called it; the first call brings one up.
    :ivar starting: how many are bringing a worker up for it, for which there was none.
    :ivar giving_up: its version is being taken back: whoever calls waits for the one that comes.
    :ivar lingering: workers of other versions that go on for those who held them when they were replaced.
    """

    def __init__(self, name: str, board: Board[LiveStatus]) -> None:
        self.name = name
        self._board = board
        self._told: LiveStatus | None = None
        self.changing = threading.Lock()
        self.changed = _Guard(self._tell)
        self.record: VersionRecord | None = None
        self.generation = -1
        self.worker: Worker | None = None
        self.error: str | None = None
        self.asleep = False
        self.starting = 0
        self.lingering: list[Worker] = []
        self.giving_up = False
        self.restarting = False
        self.restart_at = 0.0
        self.restarts = 0
        self.condition = Condition()
        self.health: HealthReport | None = None
        self.checked_at: str | None = None
        self.last_used = time.monotonic()
        self.tally = CallTally()

    def view(self) -> LivePlugin | None:
        """The plugin as it stands, None where none is expected."""
        with self.changed:
            if self.record is None:
                return None
            report = self.worker.report if self.worker else self.record.report
            return LivePlugin(
                record=self.record,
                status=self.status,
                report=report,
                health=self.health or report.health,
                tally=self.tally.view(),
                error=self._words,
                pid=self.worker.pid if self.worker else None,
                checked_at=self.checked_at,
                is_new=self.condition.is_new(time.time()),
                restarts=self.restarts,
            )

    def note_health(self, health: HealthReport) -> None:
        """Keep what a check found; within ``changed``."""
        self.health = health
        self.checked_at = datetime.now(UTC).isoformat(timespec="milliseconds")

    def expect(self, record: VersionRecord, generation: int, condition: Condition) -> None:
        """Have ``record`` answer once it is called; within ``changed``, while there is no worker."""
        self.record, self.generation, self.condition = record, generation, condition
        self.asleep, self.error, self.giving_up, self.restarting = True, None, False, False
        self.health, self.checked_at = None, None
        self.changed.notify_all()

    def clear(self, generation: int) -> Worker | None:
        """Expect nothing any more, and give the worker there was; within ``changed``."""
        ousted, self.worker, self.record = self.worker, None, None
        self.generation, self.error = generation, None
        self.asleep = self.giving_up = self.restarting = False
        self.changed.notify_all()
        return ousted

    @property
    def status(self) -> LiveStatus:
        """How it stands; without ``changed`` that may be over by now, as it may after it."""
        if self.worker is not None:
            return "live" if self.condition.state is HealthState.HEALTHY else "degraded"
        if self.asleep:
            return "asleep"
        return "failed" if self.error else "starting"

    def _tell(self) -> None:
        """Tell the board; within ``changed``."""
        status = self.status if self.record is not None else None
        if status != self._told:
            self._told = status
            self._board.put(self.name, status)

    @property
    def _words(self) -> str | None:
        if self.worker is None:
            return self.error
        return self.error or self.worker.notice or self.condition.words or None


def differs(present: VersionRecord | None, wanted: VersionRecord) -> bool:
    """Whether a worker that was started for one record is not right for another."""
    if present is None:
        return True
    return not is_same_install(present, wanted) or present.grants_revision != wanted.grants_revision


def ends_holds(present: VersionRecord, wanted: VersionRecord) -> bool:
    """Whether workers of a plugin may not go on for those who hold them once another record is wanted.

    They run with what the plugin was granted, and that holds for all of its versions; and of one version there are no
    two.
    """
    return is_same_install(present, wanted) or present.grants_revision != wanted.grants_revision


def is_same_install(one: VersionRecord, other: VersionRecord) -> bool:
    """Whether two records are of the same files."""
    return one.ref == other.ref and one.install_id == other.install_id
