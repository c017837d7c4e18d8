"""What a plugin takes of each of its limits: for pages and ``GET /api/v1/plugins/<name>/usage``."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from cadence.config import MIB
from cadence.errors import NotFound
from cadence.model import Limits
from cadence.occupancy import Measurement
from cadence.parts import Parts
from cadence.runtime.usage import Meter, Usage

#: So long a page waits for a look; then it shows what was known before, and asks again by itself.
PATIENCE_SECONDS = 0.5
#: What was found out is good for so many seconds, whoever asks, and longer where finding it out took long.
_FRESH_SECONDS = 3.0
#: Of so many plugins the last look is kept.
_KEPT = 64


class LimitUse(Struct, frozen=True):
    """What is taken of one limit, in its own unit. ``used`` is null where it is not known, and ``words`` say why.

    ``limit`` is its name in the grants, ``most`` what the plugin may have.
    """

    limit: str
    used: float | None
    most: float
    words: str = ""


class UsageView(Struct, frozen=True):
    """What a plugin takes. ``awake`` is whether it has a process; while it sleeps, it takes room on the disk at most.

    ``at`` is when that was found out (UTC, ISO 8601), null while it is not known yet; then ``limits`` is empty.
    """

    plugin_name: str
    awake: bool
    at: str | None = None
    limits: tuple[LimitUse, ...] = ()


class UsageServices:
    """Looking at what plugins take. A look is shared by all who ask, so that many pages cost no more than one."""

    _parts: Parts
    _adding = threading.Lock()

    def usage(self, name: str, patience_seconds: float = PATIENCE_SECONDS) -> UsageView:
        """What one plugin takes of its limits. Wakes nothing.

        :param patience_seconds: how long to wait for a look that is not over yet.
        :raises NotFound: when it is not installed.
        """
        if not self._parts.index.versions_of(name):
            raise NotFound(f"No plugin {name!r} is installed.")
        found = self._look_of(name).latest(patience_seconds)
        return found or UsageView(name, awake=False)

    def _look_of(self, name: str) -> Measurement[UsageView]:
        with self._adding:
            looks: OrderedDict[str, Measurement[UsageView]] = self.__dict__.setdefault("_looks", OrderedDict())
            if name not in looks:
                looks[name] = self._new_look(name)
            looks.move_to_end(name)
            while len(looks) > _KEPT:
                looks.popitem(last=False)
            return looks[name]

    def _new_look(self, name: str) -> Measurement[UsageView]:
        parts, meter = self._parts, Meter()

        def find() -> UsageView:
            slot = parts.serving.live_set.places.find(name)
            worker = slot.worker if slot else None
            limits = parts.index.granted(name).grants.limits(parts.settings.limits)
            usage = meter.look(worker, parts.settings.instance / "data" / name, limits.data_bytes)
            return usage_view(name, usage, limits, awake=worker is not None)

        return Measurement(find, parts.serving.supervisor.soon, _FRESH_SECONDS)


def usage_view(name: str, usage: Usage, limits: Limits, *, awake: bool) -> UsageView:
    """What was found out, as it is shown."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return UsageView(name, awake, at, tuple(_uses(usage, limits)))


def _uses(usage: Usage, limits: Limits) -> Iterator[LimitUse]:
    unknown = "The kernel does not tell this server."
    yield LimitUse("memory_mb", _mib(usage.memory_bytes), limits.memory_mb)
    yield LimitUse("cpu_percent", usage.cpu_percent, limits.cpu_percent)
    yield LimitUse("processes", usage.processes, limits.processes)
    yield LimitUse("threads", usage.threads, limits.threads, "" if usage.threads is not None else unknown)
    yield LimitUse("open_files", usage.open_files, limits.open_files, "" if usage.open_files is not None else unknown)
    disk = None if usage.disk_bytes is None else _mib(usage.disk_bytes)
    words = f"Nobody can tell: {usage.disk_words}." if usage.disk_words else ""
    yield LimitUse("data_mb", disk, limits.data_mb, words)


def _mib(size_bytes: int) -> float:
    return round(size_bytes / MIB, 1)
