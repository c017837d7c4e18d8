"""Which version of each plugin answers now: calls find it here, and swaps, restarts and reloads change it here.

A swap is one assignment: a call that began with the old worker ends there, the next one begins with the new. The old
version keeps its place until the new one has loaded.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct, structs

from cadence.errors import CadenceError, CallTimedOut, LimitReached, NotFound, PluginUnavailable, SandboxIncomplete
from cadence.model import HealthReport, Limits, ToolResult, VersionRecord
from cadence.progress import Cancellation
from cadence.runtime import backoff
from cadence.runtime.launcher import Launch, Launcher
from cadence.runtime.slot import LivePlugin, Slot
from cadence.runtime.supervisor import Supervisor
from cadence.runtime.worker import Draining, Worker

T = TypeVar("T")

#: A restart due within so many seconds is waited for by calls; one due later is told to the caller at once.
_WAIT_FOR_RESTART_SECONDS = 2.0
#: How long calls in flight may take to finish when the server shuts down.
_CLOSE_SECONDS = 5.0
#: How often a wait for another change of the same plugin looks whether it was cancelled.
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


class LiveSet:
    """The live plugins.

    :param launch_of: where the files and the environment of a version lie, and what it is granted at this moment.
    :param load_seconds: how long a plugin may take to load.
    :param limits: those of a plugin whose grants do not say otherwise. A call waits for ``call_seconds`` of these for
        a plugin that starts, and for ``call_seconds`` of the plugin's own limits for its answer.
    """

    def __init__(
        self,
        launcher: Launcher,
        supervisor: Supervisor,
        launch_of: Callable[[VersionRecord], Launch],
        load_seconds: float,
        limits: Limits,
    ) -> None:
        self._launcher = launcher
        self._supervisor = supervisor
        self._launch_of = launch_of
        self._load_seconds = load_seconds
        self._limits = limits
        self._slots: dict[str, Slot] = {}
        self._adding = threading.Lock()
        self._closed = False

    def plugins(self) -> list[LivePlugin]:
        """Every plugin that should answer, by name, as it stands."""
        return [view for name in sorted(self._slots) if (view := self._slots[name].view()) is not None]

    def plugin(self, name: str) -> LivePlugin | None:
        """One plugin as it stands, or None."""
        slot = self._slots.get(name)
        return slot.view() if slot else None

    def call(self, name: str, tool: str, args: Mapping[str, Any]) -> ToolResult:
        """Call a tool of the version that answers now.

        :raises NotFound: no such plugin or tool.
        :raises InvalidArguments: they do not fit the tool's schema.
        :raises CallFailed: one of its kinds; a worker that missed its deadline is replaced.
        """
        started = time.monotonic()
        value, version = self._ask(name, lambda worker, seconds: worker.call(tool, args, seconds))
        return ToolResult(value, version, round((time.monotonic() - started) * 1000, 3))

    def check_health(self, name: str) -> HealthReport:
        """Run the health check of a plugin in its live worker. Raises like :meth:`call`."""
        report, _ = self._ask(name, lambda worker, seconds: worker.check_health(seconds))
        return report

    def _ask(self, name: str, ask: Callable[[Worker, float], T]) -> tuple[T, str]:
        """What the worker that answers now says within so many seconds, and its version."""
        ready_by = time.monotonic() + self._limits.call_seconds
        while True:
            worker = self._worker(name, ready_by)
            try:
                return ask(worker, worker.limits.call_seconds), worker.ref.version
            except Draining:
                continue
            except (CallTimedOut, LimitReached):
                if not worker.gone:
                    self._replace(worker)
                raise

    def trial(self, record_ref: Launch, cancelled: Cancellation | None = None) -> Worker:
        """Load a version in a worker of its own that answers no one yet.

        :param cancelled: ends the worker when it is said before the plugin has loaded.
        :raises ValidationFailed: with every fault that was found.
        """
        return self._launcher.launch(record_ref, self._load_seconds, self._ended, self._replace, cancelled)

    @contextmanager
    def changing(self, name: str, cancelled: Cancellation | None = None) -> Iterator[None]:
        """Keep every other change of one plugin waiting, so that none is made twice.

        :raises Cancelled: when that is said while it waits for another.
        """
        lock = self._slot(name).changing
        while not lock.acquire(timeout=_LOCK_POLL_SECONDS if cancelled else -1):
            if cancelled:
                cancelled.raise_if_set()
        try:
            yield
        finally:
            lock.release()

    def swap(self, record: VersionRecord, worker: Worker, generation: int) -> bool:
        """Let ``worker`` answer from now on, unless a later generation has already decided otherwise.

        The worker that does not answer any more, old or new, finishes its calls and ends.

        :returns: whether ``worker`` answers now.
        """
        slot = self._slot(record.ref.name)
        with slot.changed:
            stale = generation < slot.generation or self._closed
            ousted = worker if stale else slot.worker
            if not stale:
                slot.record, slot.worker, slot.generation = record, worker, generation
                slot.error, slot.restarting = None, False
                slot.changed.notify_all()
        if ousted is not None and (stale or ousted is not worker):
            self._retire(ousted)
        if not stale and worker.gone:
            self._ended(worker)
        return not stale

    def dismiss(self, worker: Worker) -> None:
        """Let go of a worker from a trial, unless it answers by now."""
        slot = self._slots.get(worker.ref.name)
        if slot is None or slot.worker is not worker:
            self._retire(worker)

    def remove(self, name: str, generation: int) -> None:
        """Let the plugin answer no more; calls in flight finish."""
        slot = self._slot(name)
        with slot.changed:
            if generation < slot.generation:
                return
            ousted, slot.worker, slot.record = slot.worker, None, None
            slot.generation, slot.error = generation, None
            slot.changed.notify_all()
        if ousted is not None:
            self._retire(ousted)

    def abandon(self, record: VersionRecord, generation: int, error: str, *, retry: bool = False) -> None:
        """Let the plugin answer no more and show why ``record``, which should answer, does not.

        :param retry: whether to try again later, because it was the host that could not.
        """
        slot = self._slot(record.ref.name)
        with slot.changed:
            if generation < slot.generation:
                return
            ousted, slot.worker = slot.worker, None
            slot.record, slot.generation = record, generation
            self._note_failure(slot, record, error, generation, retry=retry)
        if ousted is not None:
            self._retire(ousted)

    def reconcile(
        self, desired: Mapping[str, VersionRecord], generation: int, *, reload: bool = False
    ) -> list[Reloaded]:
        """Make the live set what it should be.

        :param desired: the version that should answer, by plugin name, as of ``generation``.
        :param reload: start every plugin anew, also those that are already what they should be.
        :returns: what was done, by plugin name; without ``reload`` only those that changed.
        """
        if self._closed:
            return []
        for name, slot in list(self._slots.items()):
            if name not in desired and slot.record is not None:
                self.remove(name, generation)
        due = [record for record in desired.values() if reload or self._differs(record) or self._is_down(record)]
        self.expect(desired, generation)
        return sorted(self._bring_up(due, generation, reload=reload), key=lambda done: done.name)

    def reconcile_one(self, record: VersionRecord, generation: int) -> Reloaded | None:
        """As :meth:`reconcile`, for one plugin that should answer as ``record`` says."""
        return self._start(record, generation) if self._differs(record) else None

    def expect(self, desired: Mapping[str, VersionRecord], generation: int) -> None:
        """Show plugins that have no worker yet as starting, so that calls wait for them."""
        for record in desired.values():
            slot = self._slot(record.ref.name)
            with slot.changed:
                if slot.record is None and slot.generation <= generation:
                    slot.record, slot.error, slot.generation = record, None, generation

    def close(self) -> None:
        """Take no new calls and end every worker; calls in flight get a short while to finish."""
        self._closed = True
        workers = []
        for slot in list(self._slots.values()):
            with slot.changed:
                if slot.worker is not None:
                    workers.append(slot.worker)
                slot.worker = None
                slot.changed.notify_all()
        for worker in workers:
            worker.drain()
        deadline = time.monotonic() + _CLOSE_SECONDS
        for worker in workers:
            worker.ended.wait(max(0.0, deadline - time.monotonic()))
            worker.kill("the server is shutting down")

    def _slot(self, name: str) -> Slot:
        with self._adding:
            return self._slots.setdefault(name, Slot(name))

    def _differs(self, record: VersionRecord) -> bool:
        slot = self._slots.get(record.ref.name)
        if slot is None or slot.record is None:
            return True
        return _identity(slot.record) != _identity(record)

    def _is_down(self, record: VersionRecord) -> bool:
        """Whether it was expected and nobody has begun to start it."""
        slot = self._slot(record.ref.name)
        return slot.worker is None and slot.error is None

    def _bring_up(self, due: Iterable[VersionRecord], generation: int, *, reload: bool) -> list[Reloaded]:
        started = [self._supervisor.soon(partial(self._start, record, generation, anew=reload)) for record in due]
        return [future.result() for future in started]

    def _start(self, record: VersionRecord, generation: int, *, anew: bool = False) -> Reloaded:
        """Bring a version up; one that answers already is started anew only when that is wanted."""
        started = time.monotonic()
        slot = self._slot(record.ref.name)
        with slot.changing:
            # Whoever held the lock before may have done it.
            done = not anew and slot.worker is not None and not self._differs(record)
            error = None if done else self._load_and_swap(slot, record, generation)
        view = slot.view()
        health = view.report.health if view else None
        return Reloaded(
            name=record.ref.name,
            version=view.record.ref.version if view else record.ref.version,
            ms=round((time.monotonic() - started) * 1000, 3),
            loaded=error is None,
            healthy=error is None and (health is None or health.healthy),
            error=error or (_unhealthy_words(health) if health and not health.healthy else None),
        )

    def _load_and_swap(self, slot: Slot, record: VersionRecord, generation: int) -> str | None:
        """Returns why it failed, None where it did not."""
        if generation < slot.generation:
            return None
        launch, worker = self._launch_of(record), slot.worker
        # The one that answers now stays until a healthy one is there; where none may answer, an unhealthy one may.
        keep = worker is not None and not launch.granted.grants.withdraws(worker.granted.grants, self._limits)
        try:
            worker = self.trial(structs.replace(launch, trial=keep))
        except OSError as failure:
            error = f"The host could not start it: {failure.strerror}."
            self._settle_failure(slot, record, error, generation, keep=keep, retry=True)
            return error
        except CadenceError as failure:
            error = failure.in_words
            retry = isinstance(failure, PluginUnavailable) and not isinstance(failure, SandboxIncomplete)
            self._settle_failure(slot, record, error, generation, keep=keep, retry=retry)
            return error
        self.swap(record, worker, generation)
        return None

    def _settle_failure(
        self, slot: Slot, record: VersionRecord, error: str, generation: int, *, keep: bool, retry: bool
    ) -> None:
        """A version did not start. One that answers goes on, unless it may what was withdrawn from the plugin."""
        if keep or slot.worker is None:
            self._note_failure(slot, record, error, generation, retry=retry)
        else:
            self.abandon(record, generation, error, retry=retry)

    def _note_failure(self, slot: Slot, record: VersionRecord, error: str, generation: int, *, retry: bool) -> None:
        """Keep why a version did not start; only what the host could not do is tried again."""
        with slot.changed:
            if slot.record is None or slot.generation > generation:
                return
            slot.error, slot.restarting = error, False
            if retry and slot.worker is None:
                self._schedule_restart(slot, slot.failures + 1)
            slot.changed.notify_all()

    def _worker(self, name: str, deadline: float) -> Worker:
        """The worker that answers for a plugin; waits for one that is about to start."""
        slot = self._slots.get(name)
        if slot is None:
            raise NotFound(f"No plugin {name!r} is installed.")
        worker = slot.worker
        if worker is not None and not worker.draining:
            return worker
        with slot.changed:
            while (worker := slot.worker) is None:
                if slot.record is None:
                    raise NotFound(f"No plugin {name!r} is installed.")
                self._refuse_if_down(slot)
                if not slot.changed.wait(max(0.0, deadline - time.monotonic())):
                    raise PluginUnavailable(f"{name} is still starting; try again.", ref=slot.record.ref)
        return worker

    def _refuse_if_down(self, slot: Slot) -> None:
        if self._closed:
            raise PluginUnavailable("The server is shutting down.")
        wait = slot.restart_at - time.monotonic()
        if slot.error is None or slot.record is None or (slot.restarting and wait <= _WAIT_FOR_RESTART_SECONDS):
            return
        again = f" It is started again in {wait:.0f} s." if slot.restarting else " Reload it when the cause is mended."
        raise PluginUnavailable(f"{slot.name} is not running: {slot.error}{again}", ref=slot.record.ref)

    def _retire(self, worker: Worker) -> None:
        """Let a worker finish its calls and end; past every deadline it is killed."""
        worker.drain()
        self._supervisor.after(worker.limits.call_seconds, lambda: worker.kill("it did not finish in time"))

    def _replace(self, worker: Worker) -> None:
        """Start a new worker in the place of one that missed a deadline, or has room again, once."""
        slot = self._slot(worker.ref.name)
        with slot.changed:
            if slot.worker is not worker or slot.record is None or worker.replacing:
                return
            worker.replacing = True
            record, generation = slot.record, slot.generation

        def replace() -> None:
            if self._start(record, generation, anew=True).error is not None:
                worker.replacing = False  # the next deadline it misses is another chance

        self._supervisor.soon(replace)

    def _ended(self, worker: Worker) -> None:
        """A worker has ended: if it was the one that answers, start it again, later each time in a row."""
        slot = self._slots.get(worker.ref.name)
        if slot is None or self._closed:
            return
        with slot.changed:
            if slot.worker is not worker or slot.record is None:
                return
            slot.worker = None
            slot.error = f"Its worker {worker.end_words}."
            ran_seconds = time.monotonic() - worker.started_at
            self._schedule_restart(slot, backoff.next_failures(slot.failures, ran_seconds))
            slot.changed.notify_all()

    def _schedule_restart(self, slot: Slot, failures: int) -> None:
        record, generation = slot.record, slot.generation
        if record is None:
            return
        slot.failures, slot.restarting = failures, True
        delay = backoff.delay_seconds(failures)
        slot.restart_at = time.monotonic() + delay
        self._supervisor.after(delay, lambda: self._restart(slot, record, generation))

    def _restart(self, slot: Slot, record: VersionRecord, generation: int) -> None:
        with slot.changed:
            due = slot.worker is None and slot.record is record and not self._closed
        if due:
            self._start(record, generation)


def _identity(record: VersionRecord) -> tuple[object, ...]:
    """What tells whether a worker that was started for one record is right for another."""
    return record.ref, record.install_id, record.grants_revision


def _unhealthy_words(health: HealthReport) -> str:
    reason = health.error or health.details
    return f"The health check failed: {reason}" if reason else "The health check failed."
