"""Keeps the live set of one server process in step with the index, which other processes change too."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping

from msgspec import Struct, convert, to_builtins

from cadence.model import PluginRef
from cadence.runtime.live_set import LiveSet, Reloaded
from cadence.storage.index import Index

log = logging.getLogger(__name__)

#: How often the index is asked whether something changed, in seconds; the question costs some microseconds.
POLL_SECONDS = 0.1
#: How long a reload waits for the answers of the other server processes, in seconds.
ANSWER_SECONDS = 60.0


class ReloadReport(Struct, frozen=True):
    """What a reload came to in one server process: how many plugins were loaded, are healthy, could not be loaded."""

    loaded: int
    healthy: int
    failed: int
    plugins: tuple[Reloaded, ...] = ()

    @classmethod
    def of(cls, plugins: list[Reloaded]) -> "ReloadReport":
        """Count what was done."""
        loaded = sum(plugin.loaded for plugin in plugins)
        healthy = sum(plugin.healthy for plugin in plugins)
        return cls(loaded, healthy, len(plugins) - loaded, tuple(plugins))


class ServerAnswer(Struct, frozen=True):
    """What one server process answered to a reload; without a ``report`` it had not, in time."""

    pid: int
    report: ReloadReport | None = None

    def trouble_with(self, name: str) -> str | None:
        """Why this process could not bring one plugin to what it should be; None where it could."""
        if self.report is None:
            return f"server {self.pid} has not answered yet"
        errors = [done.error for done in self.report.plugins if done.name == name and not done.loaded]
        return f"server {self.pid}: {errors[0]}" if errors else None


class Reconciler:
    """Watches the generation of the index, in a thread of its own.

    :param server_id: what this process is called in the index.
    :param adopt: installs plugin folders that were put into the store by hand, at the start and at each reload.
    """

    def __init__(
        self, index: Index, live_set: LiveSet, server_id: str, adopt: Callable[[], list[Reloaded]] = list
    ) -> None:
        self._index = index
        self._live_set = live_set
        self._server_id = server_id
        self._adopt = adopt
        self._one_at_a_time = threading.Lock()
        self._seen = -1
        self._seen_reload = 0
        self._last_reload = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reconciler", daemon=True)

    def start(self) -> None:
        """Bring the live set up for the first time, in the background, and keep it in step from then on."""
        self._seen_reload, self._last_reload = self._index.reload_generation(), self._index.last_reload()
        generation = self._index.generation()
        self._live_set.expect(self._index.active(), generation)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin nothing more; :meth:`stop` waits for what is under way."""
        self._stop.set()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def reload(self, names: Collection[str] | None = None) -> ReloadReport:
        """Load every plugin anew, or some, here and in all other server processes; answers for this one.

        What another process asked for a moment ago is done with it.
        """
        with self._one_at_a_time:
            # Under the lock, or the watching thread would take the request for somebody else's.
            return self._reload(self._index.request_reload(names))

    def catch_up(self) -> None:
        """Bring the live set in step with the index now."""
        with self._one_at_a_time:
            asked = self._index.reload_generation()
            if asked > self._seen_reload:
                self._reload(asked)
            if self._index.generation() != self._seen:
                self._reconcile(reload=False)

    def _reload(self, generation: int) -> ReloadReport:
        """Load anew what was asked for up to a generation."""
        # First how far that goes: what is asked for from now on is asked for with a higher generation.
        last = self._index.last_reload()
        names = self._index.reloads_after(self._last_reload)
        self._seen_reload, self._last_reload = generation, last
        if names is None:
            return self._reconcile(reload=True)
        now = self._index.generation()
        desired = {name: record for name in names if (record := self._index.active_of(name)) is not None}
        others = self._index.active_installs()
        return ReloadReport.of(self._live_set.reconcile(desired, now, reload=True, others=others))

    def _reconcile(self, *, reload: bool) -> ReloadReport:
        # The generation first: what is read after it is at least as new.
        generation = self._index.generation()
        everything = reload or self._seen < 0
        done = self._reconcile_all(generation, reload=reload) if everything else self._reconcile_changed(generation)
        if everything:
            # After those that are known: a new one that takes its time keeps nobody waiting.
            done += self._adopt()
        self._live_set.renounce(self._is_quarantined)
        self._seen = generation
        report = ReloadReport.of(done)
        self._index.server_report(self._server_id, generation, to_builtins(report))
        return report

    def _reconcile_all(self, generation: int, *, reload: bool) -> list[Reloaded]:
        return self._live_set.reconcile(self._index.active(), generation, reload=reload)

    def _reconcile_changed(self, generation: int) -> list[Reloaded]:
        """Of a thousand plugins one has changed: only that is read whole."""
        installs = self._index.active_installs()
        outdated = [
            name
            for name, one in installs.items()
            if self._live_set.is_outdated(name, one.version, one.install_id, one.grants_revision)
        ]
        desired = {name: record for name in outdated if (record := self._index.active_of(name)) is not None}
        return self._live_set.reconcile(desired, generation, others=installs)

    def _is_quarantined(self, ref: PluginRef) -> bool:
        """Whether a version was taken back, by whichever process."""
        record = self._index.version(ref)
        return record is not None and record.quarantine is not None

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self.catch_up()
            except Exception:
                # The thread has to survive a full disk or a locked index; the next round tries again.
                log.exception("the live set could not be brought in step with the index")
            self._stop.wait(POLL_SECONDS)


def await_answers(index: Index, generation: int, alive: Mapping[str, int]) -> list[ServerAnswer]:
    """Wait until every living server process has reported on a reload.

    :param generation: what :meth:`Index.request_reload` returned.
    :param alive: process id by server id.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        records = [record for record in index.servers() if record.id in alive]
        late = [record for record in records if record.seen_generation < generation]
        if not late or time.monotonic() > deadline:
            return [_answer(record.pid, None if record in late else record.report) for record in records]
        time.sleep(POLL_SECONDS / 2)


def _answer(pid: int, report: dict[str, object] | None) -> ServerAnswer:
    return ServerAnswer(pid, None if report is None else convert(report, ReloadReport))
