"""What ``/metrics`` tells, as metric families of ``prometheus_client``.

They are made when somebody asks, from snapshots: nothing of this stands beside a call. Names and units follow
https://prometheus.io/docs/practices/naming/. Labels have few values: those of enumerations of ours, and the names of
at most so many plugins. Counters count from the start of this process; those of a plugin appear with its first call,
so that a thousand plugins that nobody calls cost next to nothing.

This module is imported with the first request for it: ``prometheus_client`` takes a tenth of a second.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest

from cadence.history import ActivationCause
from cadence.runtime.slot import LivePlugin
from cadence.runtime.tally import BUCKET_SECONDS
from cadence.storage.index import Index
from cadence.web.happenings import Counts, Happenings
from cadence.web.ledger import OTHER, Account, Ledger

_BOUNDS = (*map(str, BUCKET_SECONDS), "+Inf")
_LIVE_STATUSES = ("live", "degraded", "starting", "asleep", "failed")
_ROLLBACKS = {
    ActivationCause.ROLLBACK: "requested",
    ActivationCause.AUTOMATIC_ROLLBACK: "automatic",
    ActivationCause.FALLBACK: "deleted",
}


class LiveSource(Protocol):
    """The part of the live set that is looked at."""

    def plugins(self) -> Sequence[LivePlugin]:
        """Every plugin that should answer, as it stands."""

    def memory_bytes(self) -> Mapping[str, int]:
        """The memory of each worker, by plugin."""


class Exposition:
    """The metrics of one process.

    :param live: gives the live set, None while no runtime runs here.
    :param since: when this process started, UTC, ISO 8601.
    :param max_plugins: how many plugins are told apart.
    :param version: that of Cadence.
    """

    def __init__(
        self, live: Callable[[], LiveSource | None], index: Index, since: str, max_plugins: int, version: str
    ) -> None:
        self._live = live
        self._index = index
        self._version = version
        self._happenings = Happenings(index, since)
        self._ledger = Ledger(max_plugins)
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format that the ``Accept`` header of a request asks for, and its media type."""
        try:
            encode, media_type = choose_encoder(accept)
        except (ValueError, TypeError):  # it asks for a version that is no number
            encode, media_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        return encode(self._registry), media_type

    def collect(self) -> Iterator[Metric]:
        """Every family, for ``prometheus_client``."""
        live = self._live()
        plugins = live.plugins() if live else ()
        accounts = self._ledger.enter((plugin.record.ref.name, plugin) for plugin in plugins)
        used = {label: account for label, account in accounts.items() if account.is_used}
        versions = {"version": self._version, "python": platform.python_version()}
        yield InfoMetricFamily("cadence_build", "Versions of Cadence and of the Python it runs on.", versions)
        yield GaugeMetricFamily(
            "cadence_generation", "Rises with every change of what should answer.", self._index.generation()
        )
        yield _statuses(plugins, self._index.plugins_without_answer())
        yield GaugeMetricFamily(
            "cadence_workers",
            "Processes that run a plugin and answer.",
            sum(plugin.pid is not None for plugin in plugins),
        )
        yield _memory(live.memory_bytes() if live else {}, accounts)
        yield _restarts(used)
        yield from _calls(used)
        yield from _happened(self._happenings.counts())


def _statuses(plugins: Iterable[LivePlugin], others: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily("cadence_plugins", "Installed plugins by how they stand.", labels=["status"])
    counts = Counter(dict.fromkeys(_LIVE_STATUSES, 0))
    counts.update(plugin.status for plugin in plugins)
    for status, count in (*counts.items(), *others.items()):
        family.add_metric([status], count)
    return family


def _memory(memory: Mapping[str, int], accounts: Mapping[str, Account]) -> Metric:
    family = GaugeMetricFamily(
        "cadence_worker_memory_bytes", "Memory of its own that the worker of a plugin takes.", labels=["plugin"]
    )
    taken = Counter[str]()
    for name, size in memory.items():
        taken[name if name in accounts else OTHER] += size
    for label, size in sorted(taken.items()):
        family.add_metric([label], size)
    return family


def _restarts(accounts: Mapping[str, Account]) -> Metric:
    family = CounterMetricFamily(
        "cadence_worker_restarts", "Workers that were started again after they had ended.", labels=["plugin"]
    )
    for label, account in accounts.items():
        family.add_metric([label], account.restarts)
    return family


def _calls(accounts: Mapping[str, Account]) -> Iterator[Metric]:
    calls = CounterMetricFamily("cadence_calls", "Tool calls by how they ended.", labels=["plugin", "outcome"])
    errors = CounterMetricFamily(
        "cadence_call_errors",
        "Tool calls without a result, but for those that the caller got wrong.",
        labels=["plugin"],
    )
    times = HistogramMetricFamily(
        "cadence_call_duration_seconds", "How long tool calls took, as the server saw it.", labels=["plugin"]
    )
    for label, account in accounts.items():
        for outcome, count in account.outcomes.items():
            calls.add_metric([label, outcome], count)
        errors.add_metric([label], account.errors)
        buckets = list(zip(_BOUNDS, accumulate(account.buckets), strict=True))
        times.add_metric([label], buckets, account.sum_seconds)
    yield from (calls, errors, times)


def _happened(counts: Counts) -> Iterator[Metric]:
    installs = CounterMetricFamily(
        "cadence_installs",
        "Installs and checks of the whole instance that ended: how, and in which stage.",
        labels=["kind", "outcome", "stage"],
    )
    for labels, count in counts.installs.items():
        installs.add_metric(labels, count)
    rollbacks = CounterMetricFamily(
        "cadence_rollbacks", "Times an earlier version of a plugin of the instance took over.", labels=["cause"]
    )
    for cause, label in _ROLLBACKS.items():
        rollbacks.add_metric([label], counts.activations[cause])
    events = CounterMetricFamily(
        "cadence_plugin_events", "What happened to plugins of the whole instance.", labels=["kind"]
    )
    for kind, count in counts.events.items():
        events.add_metric([kind], count)
    yield from (installs, rollbacks, events)
