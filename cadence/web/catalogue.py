"""The list of plugins, page by page: searched, filtered and sorted, at a cost that thousands of plugins hardly raise.

How all plugins stand is known from before, and only what changed since is looked at. A plugin's versions are read again
once something was decided. What is shown of a plugin on the page is as it is now.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, structs

from cadence.history import PluginState
from cadence.model import VersionRecord
from cadence.runtime.board import Board
from cadence.runtime.footprint import own_bytes
from cadence.runtime.live_set import LiveSet
from cadence.runtime.places import Places
from cadence.runtime.slot import LivePlugin, LiveStatus
from cadence.runtime.tally import NO_CALLS, TallyView
from cadence.storage.index import Index
from cadence.storage.listing import PluginLine
from cadence.web.listing import PAGE_PLUGINS, Answering, ListedPlugin, ListPage, ListQuestion, Sort
from cadence.web.present import STATUS_LABELS, PluginStatus
from cadence.web.version_views import standing_of, taken_back_words

#: For so long, in seconds, a list that is sorted by calls stays as it is.
_CALLS_SECONDS = 1.0
#: For so long, in seconds, the memory of a worker is not measured anew.
_MEMORY_SECONDS = 10.0
#: So many workers are measured for one page; the others were, or will be the next time.
_MEASURED_AT_ONCE = 4
#: So many orders of the list are kept.
_KEPT_ORDERS = 32
#: Of a description so many characters are in the list; the page of the plugin has all of it.
_DESCRIPTION_CHARACTERS = 240
_URGENT_FIRST: tuple[PluginStatus, ...] = (
    *("failed", "quarantined", "degraded", "starting"),
    *("live", "asleep", "stopped", "disabled"),
)
_URGENCY = {status: place for place, status in enumerate(_URGENT_FIRST)}
#: What sleeps or starts answers too, once it is awake.
_CAN_ANSWER: frozenset[PluginStatus] = frozenset({"live", "degraded", "asleep", "starting"})
#: Sorted by these the list changes with every call; by the others only when something happens to a plugin.
_BY_CALLS = frozenset({Sort.CALLED, Sort.CALLS, Sort.ERRORS})


class _Order(Struct, frozen=True):
    """The names that a question finds, sorted, and how many its search finds by status, made at a moment."""

    at: float
    names: list[str]
    counts: dict[PluginStatus, int]


class Catalogue:
    """Answers questions for pages of the list. Any thread may use it.

    :param live_set: gives the live set; it is asked for when a list is.
    :param safe_mode: whether nothing runs in this process.
    :param clock: seconds that only ever rise.
    """

    def __init__(
        self,
        index: Index,
        live_set: Callable[[], LiveSet],
        *,
        safe_mode: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index = index
        self._live_set = live_set
        self._safe_mode = safe_mode
        self._clock = clock
        self._guard = threading.Lock()
        self._generation = -1
        self._seen = -1
        self._lines: dict[str, PluginLine] = {}
        self._statuses: dict[str, PluginStatus] = {}
        self._counts: Counter[PluginStatus] = Counter()
        self._orders: dict[tuple[str, PluginStatus | None, Sort], _Order] = {}
        self._records: dict[str, list[VersionRecord]] = {}
        self._memory = _MemorySamples(clock)

    def page(self, question: ListQuestion) -> ListPage:
        """One page of the list; where there is no such page, the last."""
        with self._guard:
            live_set = self._live_set()
            self._catch_up(live_set.places.board)
            order = self._ordered(question, live_set.places)
            page = ListPage(question, (), order.counts, len(order.names), len(self._lines))
            number = min(max(1, question.page), page.pages)
            names = order.names[(number - 1) * PAGE_PLUGINS : number * PAGE_PLUGINS]
            measuring = self._memory.begin()
            listed = tuple(self._listed(self._lines[name], live_set.plugin(name), measuring) for name in names)
            return structs.replace(page, question=structs.replace(question, page=number), plugins=listed)

    def names(self) -> frozenset[str]:
        """Every installed plugin."""
        with self._guard:
            self._catch_up(self._live_set().places.board)
            return frozenset(self._lines)

    def answering(self) -> list[Answering]:
        """The plugins that can answer a call, perhaps after a while, by name."""
        with self._guard:
            self._catch_up(self._live_set().places.board)
            found = ((line, self._statuses[line.name]) for line in self._lines.values())
            return [Answering(line.name, line.active_version or "") for line, status in found if status in _CAN_ANSWER]

    def _catch_up(self, board: Board[LiveStatus]) -> None:
        """Learn what changed since the last question: of plugins that stand otherwise, and of all once one decided."""
        generation, changes = self._index.generation(), board.since(self._seen)
        if generation != self._generation or changes.names is None:
            self._lines = {line.name: line for line in self._index.plugin_lines()}
            live = board.all()
            self._statuses = {name: self._status(line, live.get(name)) for name, line in self._lines.items()}
            self._counts = Counter(self._statuses.values())
            self._records.clear()
            self._orders.clear()
        elif changes.names:
            for name in changes.names & self._lines.keys():
                self._counts[self._statuses[name]] -= 1
                self._statuses[name] = status = self._status(self._lines[name], board.get(name))
                self._counts[status] += 1
            self._orders.clear()
        self._generation, self._seen = generation, changes.number

    def _status(self, line: PluginLine, live: LiveStatus | None) -> PluginStatus:
        if line.disabled:
            return "disabled"
        if line.active_version is None:
            return "quarantined" if line.quarantined else "stopped"
        return "stopped" if self._safe_mode else live or "starting"

    def _ordered(self, question: ListQuestion, places: Places) -> _Order:
        key, now = (question.search, question.status, question.sort), self._clock()
        order = self._orders.get(key)
        if order is not None and (question.sort not in _BY_CALLS or now - order.at < _CALLS_SECONDS):
            return order
        names, counts = self._found(question.search)
        if question.status is not None:
            names = [name for name in names if self._statuses[name] == question.status]
        counted = {status: counts[status] for status in STATUS_LABELS if counts[status]}
        order = _Order(now, self._sorted(names, question.sort, places), counted)
        while len(self._orders) >= _KEPT_ORDERS:
            del self._orders[next(iter(self._orders))]
        self._orders[key] = order
        return order

    def _found(self, search: str) -> tuple[list[str], Counter[PluginStatus]]:
        """The names that have the words of a search, in order, and how many of them stand how."""
        if not search:
            return list(self._lines), self._counts
        names = sorted(self._index.names_with(search) & self._lines.keys())
        return names, Counter(self._statuses[name] for name in names)

    def _sorted(self, names: list[str], sort: Sort, places: Places) -> list[str]:
        """Names that are in order already, in the order of ``sort``; among equals the order stays."""
        if sort is Sort.STATUS:
            return sorted(names, key=lambda name: _URGENCY[self._statuses[name]])
        if sort is Sort.NEWEST:
            return sorted(names, key=lambda name: self._lines[name].latest, reverse=True)
        if sort is Sort.NAME:
            return names
        key = _BY_TALLY[sort]
        called = {name: key(slot.tally.view()) for name in names if (slot := places.find(name)) and slot.tally.is_used}
        return sorted(called, key=lambda name: called[name], reverse=True) + [one for one in names if one not in called]

    def _listed(self, line: PluginLine, live: LivePlugin | None, measured: "_Measuring") -> ListedPlugin:
        records = self._records.get(line.name)
        if records is None:
            records = self._records[line.name] = self._index.telling_versions(line.name)
        if not records:
            return _gone(line)
        state = PluginState(line.name, line.active_version, line.pinned, line.disabled)
        standing = standing_of(records, live, state, safe_mode=self._safe_mode)
        shown = next((record for record in records if record.active), records[0])
        is_same = live is not None and live.record.ref == shown.ref
        report = live.report if live is not None and is_same else shown.report
        tally = live.tally if live is not None else NO_CALLS
        label = STATUS_LABELS[standing.status]
        known = [(record.ref.version, record.quarantine) for record in records]
        stories = taken_back_words(known, line.active_version, disabled=line.disabled)
        return ListedPlugin(
            name=line.name,
            version=shown.ref.version,
            versions=line.versions,
            description=_cut(report.metadata.description),
            status=standing.status,
            reasons=tuple(words for words in (standing.words, *stories) if words not in ("", label)),
            tools=tuple(tool.name for tool in report.tools),
            pinned=line.pinned,
            is_new=live is not None and live.is_new,
            from_folder=shown.source == "directory",
            last_called_at=tally.last_called_at,
            calls=tally.recent,
            errors=tally.recent_errors,
            memory_bytes=measured.of(live.pid) if live is not None and live.pid is not None else None,
        )


class _MemorySamples:
    """What workers have for themselves, measured now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: dict[int, tuple[float, int]] = {}

    def begin(self) -> "_Measuring":
        """Look at some workers. What was not asked for lately is forgotten, and with it those that ended."""
        now = self._clock()
        self._samples = {pid: one for pid, one in self._samples.items() if now - one[0] < 2 * _MEMORY_SECONDS}
        return _Measuring(self._samples, now)


class _Measuring:
    """One round of it: a few workers are measured, of the others it is said what was measured last."""

    def __init__(self, samples: dict[int, tuple[float, int]], now: float) -> None:
        self._samples = samples
        self._now = now
        self._left = _MEASURED_AT_ONCE

    def of(self, pid: int) -> int | None:
        """The memory of a worker in bytes, None where it was never measured, or is gone."""
        at, size_bytes = self._samples.get(pid, (0.0, 0))
        if self._left and self._now - at >= _MEMORY_SECONDS:
            self._left -= 1
            size_bytes = own_bytes(pid)
            self._samples[pid] = (self._now, size_bytes)
        return size_bytes or None


_BY_TALLY: Mapping[Sort, Callable[[TallyView], Any]] = {
    Sort.CALLED: lambda tally: tally.last_called_at or "",
    Sort.CALLS: lambda tally: sum(tally.recent),
    Sort.ERRORS: lambda tally: sum(tally.recent_errors),
}


def _gone(line: PluginLine) -> ListedPlugin:
    """A plugin that was deleted this very moment: the next look does not find it any more."""
    return ListedPlugin(
        name=line.name,
        version=line.active_version or "",
        versions=0,
        description="",
        status="stopped",
        reasons=("It was deleted.",),
    )


def _cut(words: str) -> str:
    return words if len(words) <= _DESCRIPTION_CHARACTERS else f"{words[: _DESCRIPTION_CHARACTERS - 1]}…"
