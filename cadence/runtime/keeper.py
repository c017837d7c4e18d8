"""Keeps workers in the places of plugins: starts them, swaps them, lets them sleep.

A swap is one assignment: a call that began with the old worker ends there, the next one begins with the new. The old
version keeps its place until the new one has loaded.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from msgspec import Struct, structs

from cadence.errors import CadenceError, PluginUnavailable, SafeMode, SandboxIncomplete
from cadence.model import Limits, VersionRecord
from cadence.progress import Cancellation
from cadence.runtime import health
from cadence.runtime.health import Condition
from cadence.runtime.launcher import Launch, Launcher
from cadence.runtime.mender import Mender, Rules, unhealthy_words
from cadence.runtime.places import Places
from cadence.runtime.slot import Slot, differs, ends_holds, is_same_install
from cadence.runtime.supervisor import Supervisor
from cadence.runtime.worker import Worker

#: How often a wait for another change of the same plugin looks whether it was cancelled, in seconds.
_LOCK_POLL_SECONDS = 0.05


class Reloaded(Struct, frozen=True):
    """What a reload did for one plugin.

    ``version`` is the one that answers now; ``loaded`` whether it was loaded as asked, ``error`` why it was not, or
    why it is not healthy.
    """

    name: str
    version: str
    ms: float
    loaded: bool
    healthy: bool
    error: str | None = None


class Keeper:
    """Holds the places.

    :param launch_of: where the files and the environment of a version lie, and what it is granted at this moment.
    :param load_seconds: how long a plugin may take to load.
    :param limits: those of a plugin whose grants do not say otherwise.
    :param hold_seconds: for how long a worker that was replaced goes on for those who hold it.
    """

    def __init__(
        self,
        launcher: Launcher,
        supervisor: Supervisor,
        launch_of: Callable[[VersionRecord], Launch],
        load_seconds: float,
        limits: Limits,
        rules: Rules,
        max_workers: int,
        hold_seconds: float,
    ) -> None:
        self.places = Places(max_workers, self.sleep)
        self.mender = Mender(supervisor, rules.policy, self._restart, self.renew, self.retire)
        self.closed = False
        self._launcher = launcher
        self._supervisor = supervisor
        self._launch_of = launch_of
        self._load_seconds = load_seconds
        self._limits = limits
        self._probation_seconds = rules.probation_seconds
        self._hold_seconds = hold_seconds

    def condition_of(self, record: VersionRecord) -> Condition:
        """How a version stands that is expected to answer from now on."""
        since = datetime.fromisoformat(record.activated_at).timestamp() if record.activated_at else time.time()
        return Condition(new_until=since + self._probation_seconds)

    def trial(self, launch: Launch, cancelled: Cancellation | None = None) -> Worker:
        """Load a version in a worker of its own that answers no one yet. Raises as :meth:`Launcher.launch`."""
        return self._launcher.launch(launch, self._load_seconds, self._ended, self.renew, cancelled)

    def may_run(self, record: VersionRecord) -> bool:
        """Whether plugins may run here at all."""
        try:
            self._launcher.admit(record.ref)
        except PluginUnavailable:
            return False
        return True

    @contextmanager
    def changing(self, slot: Slot, cancelled: Cancellation | None = None) -> Iterator[None]:
        """Keep every other change of one plugin waiting, so that none is made twice.

        :raises Cancelled: when that is said while it waits for another.
        """
        while not slot.changing.acquire(timeout=_LOCK_POLL_SECONDS if cancelled else -1):
            if cancelled:
                cancelled.raise_if_set()
        try:
            yield
        finally:
            slot.changing.release()

    def swap(self, slot: Slot, record: VersionRecord, worker: Worker, generation: int) -> bool:
        """Let ``worker`` answer from now on, unless a later generation has already decided otherwise.

        The worker that does not answer any more, old or new, finishes its calls and ends; one of another install goes
        on for those who hold it.

        :returns: whether ``worker`` answers now.
        """
        with slot.changed:
            stale = generation < slot.generation or self.closed
            ousted = worker if stale else slot.worker
            same = slot.record is not None and is_same_install(slot.record, record)
            ends = slot.record is not None and ends_holds(slot.record, record)
            if not stale:
                slot.condition = health.started(slot.condition) if same else self.condition_of(record)
                slot.record, slot.worker, slot.generation = record, worker, generation
                slot.error, slot.restarting, slot.asleep, slot.giving_up = None, False, False, False
                slot.health, slot.checked_at = worker.report.health, None
                slot.last_used = time.monotonic()
                slot.changed.notify_all()
        if ends and not stale:
            # It was started anew, or has other grants, and those hold for what was replaced before too.
            self.renounce_lingering(slot)
        if ousted is not None and (stale or ousted is not worker):
            if stale or ends:
                self.retire(ousted)
            else:
                self._replace(slot, ousted)
        if not stale and worker.gone:
            self._ended(worker)
        return not stale

    def remove(self, slot: Slot, generation: int) -> None:
        """Let the plugin answer no more; calls in flight finish."""
        with slot.changed:
            ousted = slot.clear(generation) if generation >= slot.generation else None
        self.renounce_lingering(slot)
        if ousted is not None:
            self.retire(ousted)

    def abandon(
        self,
        slot: Slot,
        record: VersionRecord,
        generation: int,
        error: str,
        *,
        retry: bool = False,
        counts: bool = False,
    ) -> None:
        """Let the plugin answer no more and show why ``record``, which should answer, does not.

        :param retry: whether to try again later, because it was the host that could not.
        :param counts: whether it is held against the version; not where it was somebody's decision that stopped it.
        """
        with slot.changed:
            if generation < slot.generation:
                return
            ousted, slot.worker = slot.worker, None
            self._expect(slot, record, generation)
            if retry or counts:
                self.mender.not_started(slot, error, by_host=retry)
            else:
                slot.error = error
                slot.changed.notify_all()
        self.renounce_lingering(slot)
        if ousted is not None:
            self.retire(ousted)

    def sleep(self, slot: Slot) -> bool:
        """Let a plugin have no worker until it is called, unless it is at work. Returns whether it sleeps now."""
        with slot.changed:
            worker = slot.worker
            # One whose reload failed runs what its folder does not hold any more: it could not be woken as it was.
            if worker is None or slot.record is None or worker.busy or slot.error or worker.replacing:
                return False
            slot.worker, slot.asleep = None, True
            slot.changed.notify_all()
        self.retire(worker)
        return True

    def wake(self, slot: Slot, deadline: float) -> None:
        """Bring up a worker where there is none, as whoever called this slot's sleeping plugin first.

        :param deadline: until when it may wait for a place (``time.monotonic``).
        :raises PluginUnavailable: when all places are taken by plugins at work, or no plugin may run.
        """
        with slot.changed:
            record, generation = slot.record, slot.generation
        try:
            if record is not None:
                self._require_admission(slot, record)
                with self.places.taken(slot, deadline):
                    self.start(slot, record, generation)
        finally:
            self.settle(slot)

    def _require_admission(self, slot: Slot, record: VersionRecord) -> None:
        try:
            self._launcher.admit(record.ref)
        except SandboxIncomplete as refusal:
            with slot.changed:
                slot.error = refusal.in_words  # nothing will change that while this server runs
            raise

    def start(self, slot: Slot, record: VersionRecord, generation: int, *, anew: bool = False) -> Reloaded:
        """Bring a version up; one that answers already is started anew only when that is wanted."""
        started = time.monotonic()
        with slot.changing:
            # Whoever held the lock before may have done it.
            done = not anew and slot.worker is not None and not differs(slot.record, record)
            error = None if done else self._load_and_swap(slot, record, generation)
        view = slot.view()
        report = view.report.health if view else None
        return Reloaded(
            name=record.ref.name,
            version=view.record.ref.version if view else record.ref.version,
            ms=round((time.monotonic() - started) * 1000, 3),
            loaded=error is None,
            healthy=error is None and (report is None or report.healthy),
            error=error or (unhealthy_words(report) if report and not report.healthy else None),
        )

    def retire(self, worker: Worker) -> None:
        """Let a worker finish its calls and end, whoever holds it; past every deadline it is killed."""
        worker.drain(renounced=True)
        self._supervisor.after(worker.limits.call_seconds, lambda: worker.kill("it did not finish in time"))

    def _replace(self, slot: Slot, worker: Worker) -> None:
        """Let a worker go on for those who hold it, and then end."""
        with slot.changed:
            slot.lingering = [one for one in slot.lingering if not one.gone] + [worker]
        worker.drain()
        if worker.held:
            self._supervisor.after(self._hold_seconds, lambda: self.retire(worker))
        else:
            self.retire(worker)

    def renounce_lingering(self, slot: Slot, which: Callable[[Worker], bool] = lambda _: True) -> None:
        """Let those that were replaced go on for nobody any more, though they are held: those ``which`` says."""
        for worker in [one for one in slot.lingering if which(one)]:
            with slot.changed:
                slot.lingering = [one for one in slot.lingering if one is not worker]
            self.retire(worker)

    def renew(self, worker: Worker) -> None:
        """Start a new worker in the place of one that answers, once."""
        slot = self.places.slot(worker.ref.name)
        with slot.changed:
            if slot.worker is not worker or slot.record is None or worker.replacing:
                return
            worker.replacing = True
            record, generation = slot.record, slot.generation

        def replace() -> None:
            if self.start(slot, record, generation, anew=True).error is not None:
                worker.replacing = False  # the next time it is asked for is another chance

        self._supervisor.soon(replace)

    def _load_and_swap(self, slot: Slot, record: VersionRecord, generation: int) -> str | None:
        """Returns why it failed, None where it did not."""
        if generation < slot.generation:
            return None
        with slot.changed:
            if slot.worker is None:
                self._expect(slot, record, generation)  # so that a failure is told of the right version
        launch, worker = self._launch_of(record), slot.worker
        # The one that answers now stays until a healthy one is there; where none may answer, an unhealthy one may.
        keep = worker is not None and not launch.granted.grants.withdraws(worker.granted.grants, self._limits)
        try:
            worker = self.trial(structs.replace(launch, trial=keep))
        except SafeMode as refusal:
            return refusal.in_words
        except OSError as failure:
            error = f"The host could not start it: {failure.strerror}."
            self._settle_failure(slot, record, error, generation, keep=keep, by_host=True)
            return error
        except CadenceError as failure:
            error = failure.in_words
            by_host = isinstance(failure, PluginUnavailable) and not isinstance(failure, SandboxIncomplete)
            self._settle_failure(slot, record, error, generation, keep=keep, by_host=by_host)
            return error
        self.swap(slot, record, worker, generation)
        return None

    def _expect(self, slot: Slot, record: VersionRecord, generation: int) -> None:
        """Have a version answer in a slot without a worker, which is to be brought up now; within ``changed``."""
        if slot.record is None or not is_same_install(slot.record, record):
            slot.condition = self.condition_of(record)
            slot.health = slot.checked_at = None
        slot.record, slot.generation = record, generation
        slot.asleep = slot.giving_up = slot.restarting = False
        slot.error = None

    def _settle_failure(
        self, slot: Slot, record: VersionRecord, error: str, generation: int, *, keep: bool, by_host: bool
    ) -> None:
        """A version did not start. One that answers goes on, unless it may what was withdrawn from the plugin."""
        if not keep and slot.worker is not None:
            self.abandon(slot, record, generation, error, retry=by_host)
            return
        with slot.changed:
            if slot.record is not None and slot.generation <= generation:
                self.mender.not_started(slot, error, by_host=by_host)

    def _ended(self, worker: Worker) -> None:
        slot = self.places.find(worker.ref.name)
        if slot is not None and not self.closed:
            self.mender.ended(slot, worker)

    def _restart(self, slot: Slot, record: VersionRecord, generation: int) -> None:
        with slot.changed:
            due = slot.worker is None and slot.record is record and slot.restarting and not self.closed
        if not due:
            return
        try:
            with self.places.taken(slot, time.monotonic() + self._load_seconds):
                if self.start(slot, record, generation).loaded:
                    slot.restarts += 1
        except PluginUnavailable:  # no place for it: as good as asleep
            with slot.changed:
                if slot.worker is None and slot.record is record:
                    slot.asleep, slot.error, slot.restarting = True, None, False
                    slot.changed.notify_all()

    def settle(self, slot: Slot) -> None:
        """After an attempt to wake it: a plugin that has no worker, and no reason for that, sleeps on."""
        with slot.changed:
            if slot.record is not None and slot.worker is None and slot.error is None:
                slot.asleep = True
            slot.changed.notify_all()
