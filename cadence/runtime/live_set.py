"""Which version of each plugin answers now: calls find it here, and wake it where it sleeps."""

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

from msgspec import structs, to_builtins

from cadence.errors import CadenceError, CallTimedOut, LimitReached, PluginUnavailable
from cadence.model import ExampleResult, HealthReport, Limits, PluginRef, ToolResult, VersionRecord
from cadence.progress import Cancellation
from cadence.runtime.footprint import own_bytes
from cadence.runtime.health import EndKind
from cadence.runtime.hold import Hold
from cadence.runtime.keeper import Keeper, Reloaded
from cadence.runtime.launcher import Launch, Launcher
from cadence.runtime.mender import Observer, Rules, unhealthy_words
from cadence.runtime.probe import ProbeResult
from cadence.runtime.slot import LivePlugin, Slot, differs, ends_holds, is_same_install
from cadence.runtime.supervisor import Supervisor
from cadence.runtime.tally import Outcome
from cadence.runtime.worker import Draining, Worker

__all__ = ["LiveSet", "Observer", "Reloaded", "Rules"]

T = TypeVar("T")

#: A restart due within so many seconds is waited for by calls; one due later is told to the caller at once.
_WAIT_FOR_RESTART_SECONDS = 2.0
#: How long calls in flight may take to finish when the server shuts down.
_CLOSE_SECONDS = 5.0


class LiveSet:
    """The live plugins.

    :param launch_of: where the files and the environment of a version lie, and what it is granted at this moment.
    :param load_seconds: how long a plugin may take to load.
    :param limits: those of a plugin whose grants do not say otherwise. A call waits for ``call_seconds`` of these for
        a plugin that starts, and for ``call_seconds`` of the plugin's own limits for its answer.
    :param rules: when a version is bad.
    :param max_workers: how many plugins are awake at once.
    :param hold_seconds: for how long a worker that was replaced goes on for those who hold it.
    """

    def __init__(
        self,
        launcher: Launcher,
        supervisor: Supervisor,
        launch_of: Callable[[VersionRecord], Launch],
        load_seconds: float,
        limits: Limits,
        rules: Rules | None = None,
        max_workers: int = 64,
        hold_seconds: float = 300.0,
    ) -> None:
        self._supervisor = supervisor
        self._limits = limits
        given = (launch_of, load_seconds, limits, rules or Rules(), max_workers, hold_seconds)
        self._keeper = Keeper(launcher, supervisor, *given)
        self.places = self._keeper.places

    def observe(self, observer: Observer) -> None:
        """Have somebody told what happens to versions, and take bad ones back."""
        self._keeper.mender.observer = observer

    def plugins(self) -> list[LivePlugin]:
        """Every plugin that should answer, by name, as it stands."""
        return [view for slot in self.places.all() if (view := slot.view()) is not None]

    def plugin(self, name: str) -> LivePlugin | None:
        """One plugin as it stands, or None."""
        slot = self.places.find(name)
        return slot.view() if slot else None

    def memory_bytes(self) -> dict[str, int]:
        """The memory of its own that each plugin takes that is awake, by name, in bytes."""
        return {slot.name: own_bytes(worker.pid) for slot in self.places.awake() if (worker := slot.worker)}

    def call(self, name: str, tool: str, args: Mapping[str, Any], *, held: Worker | None = None) -> ToolResult:
        """Call a tool of the version that answers now.

        :param held: a worker that is asked instead for as long as it can be, see :meth:`hold`.
        :raises NotFound: no such plugin or tool.
        :raises InvalidArguments: they do not fit the tool's schema.
        :raises CallFailed: one of its kinds; a worker that missed its deadline is replaced.
        """
        started = time.monotonic()
        slot = self._slot(name)
        try:
            value, worker = self._ask(slot, lambda worker, seconds: worker.call(tool, args, seconds), held)
        except CadenceError as failure:
            slot.tally.record(time.monotonic() - started, Outcome.of(failure))
            raise
        seconds = time.monotonic() - started
        slot.tally.record(seconds, Outcome.OK)
        return ToolResult(value, worker.ref.version, round(seconds * 1000, 3))

    def hold(self, name: str, *, wake: bool = True) -> Hold | None:
        """Keep the version that answers now answering until that is closed, whatever takes its place.

        :returns: None where the plugin sleeps and is not to be woken, or is about to start.
        :raises NotFound: no such plugin.
        :raises PluginUnavailable: it does not answer.
        """
        slot = self._slot(name)
        slot.last_used = time.monotonic()
        while True:
            worker = slot.worker
            if worker is not None and worker.hold():
                return Hold(self, name, worker)
            if not wake:
                return None
            self._await_worker(slot, time.monotonic() + self._limits.call_seconds)

    def ask(self, name: str, ask: Callable[[Worker, float], T], *, held: Worker | None = None) -> T:
        """What the worker of a plugin says; ``ask`` is given it, and in how many seconds it has to answer.

        :param held: as for :meth:`call`, which raises the same.
        """
        value, _ = self._ask(self._slot(name), ask, held)
        return value

    def self_test(self, name: str) -> tuple[ExampleResult, ...]:
        """Run the examples of a plugin's tools. Raises like :meth:`call`."""
        return self.ask(name, lambda worker, seconds: worker.self_test(seconds))

    def check_health(self, name: str) -> HealthReport:
        """Run the health check of a plugin, and do what comes of it. Raises like :meth:`call`."""
        report, worker = self._ask(self._slot(name), lambda worker, seconds: worker.check_health(seconds))
        words = "" if report.healthy else unhealthy_words(report)
        self._keeper.mender.checked(self._slot(name), worker, report, words, by_service=False)
        return report

    def check_awake(
        self, name: str, seconds: float, services: Callable[[VersionRecord], Mapping[str, ProbeResult]]
    ) -> tuple[VersionRecord, HealthReport] | None:
        """Run the health check of a plugin if it is awake, and do what comes of it. Nothing is raised.

        :param seconds: how long it has to answer.
        :param services: what came of the services outside that it declares.
        :returns: what was found, of which version; None where there was no worker to ask.
        """
        slot = self.places.find(name)
        if slot is None or (worker := slot.worker) is None or (record := slot.record) is None:
            return None
        try:
            report = worker.check_health(seconds)
        except Draining:
            return None
        except CadenceError as failure:
            if worker.gone:
                return None  # its end says more than the check that was not answered
            report = HealthReport(healthy=False, error=failure.in_words, ms=round(seconds * 1000, 3))
        probed = services(record)
        down = "; ".join(result.words for result in probed.values() if result.granted and not result.reachable)
        report = structs.replace(report, checks={**report.checks, **to_builtins(probed)})
        words = "" if report.healthy else unhealthy_words(report)
        self._keeper.mender.checked(slot, worker, report, words or down, by_service=bool(down and not words))
        return record, report

    def sleep(self, name: str) -> bool:
        """Let a plugin have no process until it is called, unless it is at work. Returns whether it sleeps now."""
        slot = self.places.find(name)
        return slot is not None and self._keeper.sleep(slot)

    def trial(self, launch: Launch, cancelled: Cancellation | None = None) -> Worker:
        """Load a version in a worker of its own that answers no one yet.

        :param cancelled: ends the worker when it is said before the plugin has loaded.
        :raises ValidationFailed: with every fault that was found.
        """
        return self._keeper.trial(launch, cancelled)

    def changing(self, name: str, cancelled: Cancellation | None = None) -> AbstractContextManager[None]:
        """Keep every other change of one plugin waiting, so that none is made twice.

        :raises Cancelled: when that is said while it waits for another.
        """
        return self._keeper.changing(self.places.slot(name), cancelled)

    def swap(self, record: VersionRecord, worker: Worker, generation: int) -> bool:
        """Let ``worker`` answer from now on, unless a later generation has already decided otherwise.

        The worker that does not answer any more, old or new, finishes its calls and ends.

        :returns: whether ``worker`` answers now.
        """
        answers = self._keeper.swap(self.places.slot(record.ref.name), record, worker, generation)
        if answers:
            self.places.shed()
        return answers

    def dismiss(self, worker: Worker) -> None:
        """Let go of a worker from a trial, unless it answers by now."""
        slot = self.places.find(worker.ref.name)
        if slot is None or slot.worker is not worker:
            self._keeper.retire(worker)

    def remove(self, name: str, generation: int) -> None:
        """Let the plugin answer no more; calls in flight finish."""
        self._keeper.remove(self.places.slot(name), generation)

    def abandon(self, record: VersionRecord, generation: int, error: str, *, retry: bool = False) -> None:
        """Let the plugin answer no more and show why ``record``, which should answer, does not.

        :param retry: whether to try again later, because it was the host that could not.
        """
        self._keeper.abandon(self.places.slot(record.ref.name), record, generation, error, retry=retry)

    def is_outdated(self, name: str, version: str, install_id: str, grants_revision: int) -> bool:
        """Whether another install of a plugin is expected to answer than this, or with other grants, or none."""
        slot = self.places.find(name)
        record = slot.record if slot else None
        if record is None:
            return True
        expected = (record.ref.version, record.install_id, record.grants_revision)
        return expected != (version, install_id, grants_revision)

    def reconcile(
        self,
        desired: Mapping[str, VersionRecord],
        generation: int,
        *,
        reload: bool = False,
        others: Container[str] = (),
    ) -> list[Reloaded]:
        """Make the live set what it should be. What sleeps is not woken for that.

        :param desired: the version that should answer, by plugin name, as of ``generation``.
        :param others: the names of plugins that are as they should be; those that are in neither answer no more.
        :param reload: load every plugin anew, also those that are already what they should be, and those that sleep.
        :returns: what was done, by plugin name; without ``reload`` only those that were started.
        """
        if self._keeper.closed:
            return []
        for slot in self.places.all():
            if slot.record is not None and slot.name not in desired and slot.name not in others:
                self._keeper.remove(slot, generation)
        self.expect(desired, generation)
        due = [record for record in desired.values() if reload or self._has_to_start(record)]
        return sorted(self._bring_up(due, generation, reload=reload), key=lambda done: done.name)

    def reconcile_one(self, record: VersionRecord, generation: int) -> Reloaded | None:
        """Have one plugin answer as ``record`` says, by a worker that is there when this returns.

        :returns: what was done, None where nothing had to be, or no plugin may run here.
        """
        slot = self.places.slot(record.ref.name)
        if slot.worker is not None and not differs(slot.record, record):
            return None
        if not self._keeper.may_run(record):
            self.remove(slot.name, generation)
            self.expect({slot.name: record}, generation)
            return None
        return self._start(record, generation)

    def follow(self, record: VersionRecord, generation: int) -> None:
        """As :meth:`reconcile_one`; what answered before does not go on, also where ``record`` does not start."""
        done = self.reconcile_one(record, generation)
        slot = self.places.slot(record.ref.name)
        if done is None or done.loaded or slot.record is None or is_same_install(slot.record, record):
            return
        self._keeper.abandon(slot, record, generation, done.error or "", counts=True)

    def expect(self, desired: Mapping[str, VersionRecord], generation: int) -> None:
        """Have plugins answer, once they are called, that have no worker yet."""
        for record in desired.values():
            slot = self.places.slot(record.ref.name)
            with slot.changed:
                idle = slot.record is None or (slot.asleep and differs(slot.record, record))
                ends = slot.record is not None and slot.asleep and ends_holds(slot.record, record)
                if idle and slot.generation <= generation:
                    same = slot.record is not None and is_same_install(slot.record, record)
                    slot.expect(record, generation, slot.condition if same else self._keeper.condition_of(record))
            if idle and ends:
                self._keeper.renounce_lingering(slot)

    def renounce(self, is_bad: Callable[[PluginRef], bool]) -> None:
        """Have those versions go on for nobody that were replaced and are bad, though they are held."""
        for slot in self.places.all():
            self._keeper.renounce_lingering(slot, lambda worker: is_bad(worker.ref))

    def close(self) -> None:
        """Take no new calls and end every worker; calls in flight get a short while to finish."""
        self._keeper.closed = True
        workers = []
        for slot in self.places.all():
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

    def idle_since(self) -> Iterator[tuple[str, float]]:
        """The plugins that are awake, the one that was not called for longest first, and since when that is.

        The moment is that of its last call (``time.monotonic``), or of its start.
        """
        for slot in self.places.awake():
            yield slot.name, slot.last_used

    def _slot(self, name: str) -> Slot:
        slot = self.places.find(name)
        if slot is None:
            raise self._keeper.mender.observer.absence(name)
        return slot

    def _has_to_start(self, record: VersionRecord) -> bool:
        slot = self.places.slot(record.ref.name)
        return not slot.asleep and differs(slot.record, record)

    def _bring_up(self, due: Iterable[VersionRecord], generation: int, *, reload: bool) -> list[Reloaded]:
        start = self._reload if reload else self._start
        started = [self._supervisor.soon(partial(start, record, generation)) for record in due]
        return [future.result() for future in started]

    def _start(self, record: VersionRecord, generation: int) -> Reloaded:
        slot = self.places.slot(record.ref.name)
        with slot.changed:
            slot.asleep = False
        return self._keeper.start(slot, record, generation)

    def _reload(self, record: VersionRecord, generation: int) -> Reloaded:
        """Load a version anew; one that slept sleeps again afterwards."""
        slot = self.places.slot(record.ref.name)
        with slot.changed:
            slept, slot.asleep = slot.asleep, False
        try:
            done = self._keeper.start(slot, record, generation, anew=True)
        finally:
            self._keeper.settle(slot)
        if slept:
            self._keeper.sleep(slot)
        return done

    def _ask(self, slot: Slot, ask: Callable[[Worker, float], T], held: Worker | None = None) -> tuple[T, Worker]:
        """What the worker that answers now says within so many seconds, and which one that is.

        :param held: is asked first.
        """
        slot.last_used = started = time.monotonic()
        while True:
            worker, held = held or slot.worker, None
            if worker is None or (worker.draining and not worker.held):
                worker = self._await_worker(slot, started + self._limits.call_seconds)
            try:
                return ask(worker, worker.limits.call_seconds), worker
            except Draining:
                continue
            except (CallTimedOut, LimitReached) as failure:
                if worker.draining:
                    self._keeper.retire(worker)  # held or not: another is there already
                elif not worker.gone:
                    kind: EndKind = "timeouts" if isinstance(failure, CallTimedOut) else "limits"
                    self._keeper.mender.failed(slot, worker, kind, failure.in_words)
                raise
            finally:
                slot.last_used = time.monotonic()

    def _await_worker(self, slot: Slot, deadline: float) -> Worker:
        """The worker that answers for a plugin; waits for one that is about to start, and wakes one that sleeps."""
        while (worker := self._look(slot, deadline)) is None:
            self._keeper.wake(slot, deadline)
        return worker

    def _look(self, slot: Slot, deadline: float) -> Worker | None:
        """As above; None where the plugin sleeps, and it is for this call to wake it."""
        with slot.changed:
            while (worker := slot.worker) is None:
                self._refuse_if_down(slot)
                if slot.asleep:
                    slot.asleep = False  # so that it is woken once
                    return None
                if not slot.changed.wait(max(0.0, deadline - time.monotonic())):
                    raise PluginUnavailable(f"{slot.name} is still starting; try again.")
        return worker

    def _refuse_if_down(self, slot: Slot) -> None:
        if self._keeper.closed:
            raise PluginUnavailable("The server is shutting down.")
        if slot.record is None:
            raise self._keeper.mender.observer.absence(slot.name)
        wait = slot.restart_at - time.monotonic()
        waits = slot.giving_up or (slot.restarting and wait <= _WAIT_FOR_RESTART_SECONDS)
        if slot.error is None or waits:
            return
        again = f" It is started again in {wait:.0f} s." if slot.restarting else " Reload it when the cause is mended."
        raise PluginUnavailable(f"{slot.name} is not running: {slot.error}{again}", ref=slot.record.ref)
