"""What is made of the ends of workers and of health checks: restarts, replacements, and the taking back of versions."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from msgspec import Struct

from cadence.errors import CadenceError, NotFound
from cadence.history import EventKind, Reason
from cadence.model import HealthReport, VersionRecord
from cadence.runtime import health
from cadence.runtime.health import (
    Checked,
    Ended,
    EndKind,
    HealthEvent,
    NotStarted,
    Policy,
    Renew,
    Restart,
    TakeBack,
    Verdict,
)
from cadence.runtime.slot import Slot, is_same_install
from cadence.runtime.supervisor import Supervisor
from cadence.runtime.worker import Worker


class Rules(Struct, frozen=True):
    """What versions are held to: when they are bad, and for how long (in seconds) they are new."""

    policy: Policy = Policy()
    probation_seconds: float = 3600.0


class Observer:
    """Is told what happens to versions; called in the background. By default nothing is done about it."""

    def happened(self, record: VersionRecord, kind: EventKind, words: str) -> None:
        """Something worth keeping."""

    def take_back(self, record: VersionRecord, reason: Reason) -> bool:
        """A new version is bad. Returns False where it stays all the same."""
        return False

    def absence(self, name: str) -> CadenceError:
        """Why a plugin does not answer of which no version is expected to."""
        return NotFound(f"No plugin {name!r} is installed.")


class Mender:
    """Asks health what to do, and has it done.

    :param policy: when a version has had its chances.
    :param restart: starts a version in a slot without a worker; called in the background.
    :param renew: puts a fresh worker in the place of one that answers.
    :param retire: lets a worker finish its calls and end.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        policy: Policy,
        restart: Callable[[Slot, VersionRecord, int], object],
        renew: Callable[[Worker], object],
        retire: Callable[[Worker], object],
    ) -> None:
        self.observer = Observer()
        self._supervisor = supervisor
        self._policy = policy
        self._restart = restart
        self._renew = renew
        self._retire = retire

    def ended(self, slot: Slot, worker: Worker) -> None:
        """The process of a worker has ended; nothing is done unless it is the one that answers."""
        with slot.changed:
            if slot.worker is not worker or slot.record is None:
                return
            record, words = slot.record, f"Its worker {worker.end_words}."
            slot.worker, slot.error = None, words
            told = self._tell(record, EventKind.CRASHED, words)
            self._carry_out(slot, record, self._step(slot, _end_of(worker, words)), told)
            slot.changed.notify_all()

    def not_started(self, slot: Slot, error: str, *, by_host: bool) -> None:
        """A version could not be started; within ``changed``."""
        slot.error, slot.restarting, slot.giving_up = error, False, False
        record = slot.record
        if slot.worker is None and record is not None:
            told = self._tell(record, EventKind.START_FAILED, error)
            self._carry_out(slot, record, self._step(slot, NotStarted(time.time(), error, by_host=by_host)), told)
        slot.changed.notify_all()

    def failed(self, slot: Slot, worker: Worker, kind: EndKind, words: str) -> None:
        """A worker missed a deadline, or came to a limit, and goes on: another has to take its place."""
        with slot.changed:
            if slot.worker is not worker or slot.record is None or worker.replacing:
                return
            record = slot.record
            verdict = self._step(slot, Ended(time.time(), kind, words, _ran_seconds(worker)))
            told = self._tell(record, EventKind.TIMED_OUT if kind == "timeouts" else EventKind.CRASHED, words)
            if isinstance(verdict, TakeBack):
                self._give_up(slot, record, verdict.reason, told)
        if not isinstance(verdict, TakeBack):
            self._renew(worker)

    def checked(self, slot: Slot, worker: Worker, report: HealthReport, words: str, *, by_service: bool) -> None:
        """A health check was made in a worker; ``words`` say what is wrong, if anything is."""
        with slot.changed:
            if slot.worker is not worker or slot.record is None:
                return
            record, before = slot.record, slot.condition.state
            slot.note_health(report)
            verdict = self._step(slot, Checked(time.time(), not words, words, by_service=by_service))
            told = None
            if slot.condition.state is not before:
                told = self._tell(record, EventKind.CHECK_FAILED if words else EventKind.RECOVERED, words)
            if isinstance(verdict, TakeBack):
                self._give_up(slot, record, verdict.reason, told)
        if isinstance(verdict, Renew):
            self._renew(worker)

    def _step(self, slot: Slot, event: HealthEvent) -> Verdict:
        """Within ``changed``."""
        slot.condition, verdict = health.step(slot.condition, event, self._policy)
        return verdict

    def _carry_out(self, slot: Slot, record: VersionRecord, verdict: Verdict, told: "Future[None]") -> None:
        """Of a slot without a worker; within ``changed``."""
        if isinstance(verdict, TakeBack):
            self._give_up(slot, record, verdict.reason, told)
        elif isinstance(verdict, Restart):
            self._schedule_restart(slot, record, verdict.delay_seconds)

    def _give_up(self, slot: Slot, record: VersionRecord, reason: Reason, told: "Future[None] | None") -> None:
        """Send nobody to a bad version any more, and have it taken back; within ``changed``.

        :param told: is done once the last of what speaks against it is written down, which comes first.
        """
        slot.giving_up, slot.restarting, slot.error = True, False, reason.words
        ousted, slot.worker = slot.worker, None
        slot.changed.notify_all()
        if ousted is not None:
            self._supervisor.soon(partial(self._retire, ousted))
        take_back = partial(self._take_back, slot, record, reason)
        if told is None:
            self._supervisor.soon(take_back)
        else:
            told.add_done_callback(lambda _: self._supervisor.soon(take_back))

    def _take_back(self, slot: Slot, record: VersionRecord, reason: Reason) -> None:
        taken = False
        try:
            taken = self.observer.take_back(record, reason)
        finally:
            if not taken:
                self._resume(slot, record)

    def _resume(self, slot: Slot, record: VersionRecord) -> None:
        """Go on with a version that was to be taken back and stays."""
        with slot.changed:
            if slot.giving_up and slot.record is not None and is_same_install(slot.record, record):
                slot.giving_up = False
                self._schedule_restart(slot, slot.record, health.delay_of(slot.condition))
                slot.changed.notify_all()

    def _schedule_restart(self, slot: Slot, record: VersionRecord, delay_seconds: float) -> None:
        """Within ``changed``."""
        slot.restarting = True
        slot.restart_at = time.monotonic() + delay_seconds
        self._supervisor.after(delay_seconds, partial(self._restart, slot, record, slot.generation))

    def _tell(self, record: VersionRecord, kind: EventKind, words: str) -> "Future[None]":
        return self._supervisor.soon(partial(self.observer.happened, record, kind, words))


def unhealthy_words(report: HealthReport) -> str:
    """Why a health check failed, in a sentence."""
    reason = report.error or report.details
    return f"The health check failed: {reason}" if reason else "The health check failed."


def _end_of(worker: Worker, words: str) -> Ended:
    ending = worker.ending
    limit, by_host = (ending.limit, ending.by_host) if ending else (None, False)
    return Ended(time.time(), "limits" if limit else "crashes", words, _ran_seconds(worker), by_host)


def _ran_seconds(worker: Worker) -> float:
    return time.monotonic() - worker.started_at
