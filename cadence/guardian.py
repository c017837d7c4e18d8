"""Keeps the live set good by itself: writes down what happens to versions, and takes bad ones back."""

import logging

from cadence.errors import CadenceError, NotFound, PluginUnavailable
from cadence.history import CheckKind, CheckRecord, EventKind, Reason
from cadence.model import HealthReport, VersionRecord
from cadence.outside import Services
from cadence.runtime.live_set import LiveSet
from cadence.runtime.mender import Observer, unhealthy_words
from cadence.storage.database import utc_now
from cadence.storage.index import Index

log = logging.getLogger(__name__)


class Guardian(Observer):
    """The observer of the live set of one process.

    :param services: what came of the services outside that a version declares.
    :param timeout_seconds: how long a scheduled health check has to answer.
    """

    def __init__(self, index: Index, live_set: LiveSet, services: Services, timeout_seconds: float) -> None:
        self._index = index
        self._live_set = live_set
        self._services = services
        self._timeout_seconds = timeout_seconds
        live_set.observe(self)

    def check(self, name: str) -> CheckRecord:
        """Check the health of a plugin now, waking it if need be, and keep what was found. Raises as a call does."""
        report = self._live_set.check_health(name)
        live = self._live_set.plugin(name)
        version = live.record.ref.version if live else ""
        return self._keep(name, version, CheckKind.REQUESTED, report)

    def check_scheduled(self, name: str) -> None:
        """Check the health of a plugin if it is awake, and keep what was found."""
        found = self._live_set.check_awake(name, self._timeout_seconds, self._services.results)
        if found is not None:
            record, report = found
            self._keep(name, record.ref.version, CheckKind.SCHEDULED, report)

    def happened(self, record: VersionRecord, kind: EventKind, words: str) -> None:
        """Write it into the history of the plugin."""
        self._index.add_event(record.ref.name, record.ref.version, kind, words)

    def take_back(self, record: VersionRecord, reason: Reason) -> bool:
        """Have the version before it answer, unless another process has done that, or an operator wants it to stay.

        :returns: False where it stays.
        """
        name = record.ref.name
        taken = self._index.take_back(record.ref, record.install_id, reason)
        active = self._index.active_of(name)
        if taken is None and active is not None and active.install_id == record.install_id:
            return False
        if taken is not None:
            log.warning("%s was taken back: %s", record.ref.slug, reason.words)
        generation = self._index.generation()
        if active is None:
            self._live_set.remove(name, generation)
        else:
            self._live_set.follow(active, generation)
        return True

    def absence(self, name: str) -> CadenceError:
        """Why a plugin does not answer of which no version is expected to."""
        state = self._index.plugin_state(name)
        if state is None:
            return NotFound(f"No plugin {name!r} is installed.")
        if state.disabled:
            return PluginUnavailable(f"{name} is disabled. Enable it to have it answer.")
        bad = next((one for one in self._index.versions_of(name) if one.quarantine), None)
        if state.active_version is None and bad is not None:
            words = f"{name} {bad.ref.version} was taken back: {bad.quarantine}"
            return PluginUnavailable(f"{words} No other version is there to answer.", ref=bad.ref)
        return NotFound(f"No version of {name} is active.")

    def _keep(self, name: str, version: str, kind: CheckKind, report: HealthReport) -> CheckRecord:
        words = "" if report.healthy else unhealthy_words(report)
        record = CheckRecord(version, utc_now(), kind, report.healthy, report.ms, words, report.checks)
        return self._index.add_check(name, record)
