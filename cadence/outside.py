"""The services outside that plugins declare: tried now and then, as far as they are granted."""

import threading
import time
from collections.abc import Callable, Mapping

from cadence.model import Granted, VersionRecord
from cadence.runtime.gateway import Gateway
from cadence.runtime.probe import ProbeResult, probe

#: How often the services of one plugin are tried, in seconds, however often its health is checked: they are other
#: people's, and a connection that says nothing is work for them too.
PROBE_SECONDS = 300.0


class Services:
    """Tries the services that versions declare, and remembers for a while what came of it.

    :param granted: what the plugin of a name may connect to.
    :param timeout_seconds: how long all services of one plugin have to answer.
    """

    def __init__(
        self,
        gateway: Gateway,
        granted: Callable[[str], Granted],
        timeout_seconds: float,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self._gateway = gateway
        self._granted = granted
        self._timeout_seconds = timeout_seconds
        self._probe_seconds = probe_seconds
        self._lock = threading.Lock()
        self._known: dict[str, tuple[object, float, Mapping[str, ProbeResult]]] = {}

    def results(self, record: VersionRecord) -> Mapping[str, ProbeResult]:
        """What came of each endpoint that a version declares, as of a few minutes ago at most; empty without any."""
        declared = record.report.metadata.network
        if not declared:
            return {}
        granted = self._granted(record.ref.name)
        asked = (declared, granted.revision)
        with self._lock:
            known = self._known.get(record.ref.name)
        if known is not None and known[0] == asked and time.monotonic() < known[1]:
            return known[2]
        results = probe(self._gateway, declared, granted.grants.network, self._timeout_seconds)
        with self._lock:
            self._known[record.ref.name] = (asked, time.monotonic() + self._probe_seconds, results)
        return results
