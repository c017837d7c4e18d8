"""What the pages and the JSON API show: frozen values, and the words for numbers and moments.

One value feeds both views. The functions that build a value take records of :mod:`cadence.model`; nothing here
knows of Flask, SQL or a process.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct
from packaging.version import InvalidVersion, Version

from cadence.model import (
    Limits,
    PluginRef,
    ToolSpec,
    VersionRecord,
)

PluginStatus = Literal["live", "degraded", "starting", "asleep", "failed", "quarantined", "disabled", "stopped"]

STATUS_LABELS: Mapping[PluginStatus, str] = {
    "live": "Answering",
    "degraded": "Answering, unhealthy",
    "starting": "Starting",
    "asleep": "Asleep",
    "failed": "Failed",
    "quarantined": "Taken back",
    "disabled": "Disabled",
    "stopped": "Stopped",
}

HealthState = Literal["healthy", "degraded", "starting", "asleep", "failed", "quarantined", "disabled", "stopped"]


class LastCheck(Struct, frozen=True):
    """The latest health check that is known: ``words`` why it failed, ``ms`` how long it took, ``at`` UTC, ISO 8601."""

    healthy: bool
    words: str
    ms: float
    at: str


class HealthView(Struct, frozen=True):
    """How a plugin stands and its latest check. What sleeps is as well as it was when it was last looked at."""

    state: HealthState = "stopped"
    last_check: LastCheck | None = None


class Requested(Struct, frozen=True):
    """What a plugin asks for; nothing of it is granted by asking. ``network`` holds ``host:port``."""

    network: tuple[str, ...] = ()
    memory_mb: int | None = None


class VersionView(Struct, frozen=True):
    """One installed version. ``installed_at`` is UTC, ISO 8601; ``source`` is ``upload`` or ``directory``.

    ``dependencies_installed`` are its requirements, ``environment`` the key of the packages they came to, null where it
    brings none; ``isolated`` whether it imports only those, in an interpreter of its own. ``activated_at`` is when it
    became active, null where it is not; ``quarantine`` why it was taken back, in a sentence, null where it was not.
    ``install_id`` changes when the same version is installed anew.
    """

    version: str
    active: bool
    installed_at: str
    size_bytes: int
    source: str
    directory: str
    sha256: str
    warnings: tuple[str, ...] = ()
    dependencies_installed: tuple[str, ...] = ()
    environment: str | None = None
    isolated: bool = False
    activated_at: str | None = None
    quarantine: str | None = None
    install_id: str = ""


class PluginView(Struct, frozen=True):
    """One plugin with all its versions, highest first.

    ``version`` is the active one or, without an active one, the highest. ``status_words`` says the status for a
    person: ``Answering``, ``Starting``, or the reason of a failure; what it adds to ``status_label`` is shown apart.

    ``pinned``: the active version stays, whatever is uploaded or fails. ``disabled``: nothing of it runs.
    ``rollback_version`` is what a roll back would activate, null where nothing was active before that is still good.
    ``is_new``: the active version is on probation. ``calls``, ``errors``, ``last_called_at`` and ``restarts`` are
    counted in the server process that answers, since it started.
    """

    name: str
    version: str
    description: str
    status: PluginStatus
    status_words: str
    capabilities: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    versions: tuple[VersionView, ...] = ()
    requested: Requested = Requested()
    pinned: bool = False
    disabled: bool = False
    rollback_version: str | None = None
    health: HealthView = HealthView()
    is_new: bool = False
    last_called_at: str | None = None
    calls: int = 0
    errors: int = 0
    restarts: int = 0

    @property
    def status_label(self) -> str:
        """The status in a word."""
        return STATUS_LABELS[self.status]


class GrantsShown(Struct, frozen=True):
    """What was granted; null is the server's default. ``env`` has the names that are set, and never a value."""

    network: tuple[str, ...]
    memory_mb: int | None
    call_seconds: float | None
    cpu_percent: int | None
    processes: int | None
    threads: int | None
    open_files: int | None
    data_mb: int | None
    env: dict[str, None]


class GrantsView(Struct, frozen=True):
    """The grants of one plugin, or of a name that is not ``installed``, whose first install they are for.

    ``limits`` are what it has by its grants and the server's defaults, ``requested`` what it asks for, ``unmet`` a
    sentence for each request that is not granted. ``in_force`` says whether the worker that answers in this server
    runs with them, ``message`` the same in words, or why not. ``revision`` changes with every change of the grants.
    """

    plugin_name: str
    grants: GrantsShown
    limits: Limits
    requested: Requested
    in_force: bool
    message: str
    unmet: tuple[str, ...] = ()
    installed: bool = True
    revision: int = 0


class ReloadedPlugin(Struct, frozen=True):
    """How the reload of one plugin went: ``ms`` until it answered, or ``error`` in words."""

    name: str
    version: str
    ms: float | None = None
    error: str | None = None


class ReloadView(Struct, frozen=True):
    """The result of a reload: three counts, and each plugin."""

    loaded: int
    healthy: int
    failed: int
    plugins: tuple[ReloadedPlugin, ...] = ()


def version_view(record: VersionRecord, directory: str) -> VersionView:
    """One version of the index as it is shown; ``directory`` is where its files lie."""
    return VersionView(
        version=record.ref.version,
        active=record.active,
        installed_at=record.installed_at,
        size_bytes=record.size_bytes,
        source=record.source,
        directory=directory,
        sha256=record.sha256,
        warnings=record.report.warnings,
        dependencies_installed=record.dependencies_installed,
        environment=record.environment,
        isolated=record.isolated,
        activated_at=record.activated_at,
        quarantine=record.quarantine,
        install_id=record.install_id,
    )


def plugin_view(
    records: Sequence[VersionRecord],
    status: PluginStatus,
    status_words: str,
    directory_of: Callable[[PluginRef], str],
) -> PluginView:
    """All versions of one plugin as one value.

    :param records: its versions, at least one, in any order.
    :param status_words: the status in a sentence.
    :param directory_of: where the files of a version lie.
    """
    ordered = sorted(records, key=lambda record: _version_key(record.ref.version), reverse=True)
    shown = next((record for record in ordered if record.active), ordered[0])
    return PluginView(
        name=shown.ref.name,
        version=shown.ref.version,
        description=shown.report.metadata.description,
        status=status,
        status_words=status_words,
        capabilities=shown.report.metadata.capabilities,
        tools=shown.report.tools,
        versions=tuple(version_view(record, directory_of(record.ref)) for record in ordered),
        requested=Requested(shown.report.metadata.network, shown.report.metadata.memory_mb),
    )


def _version_key(version: str) -> tuple[int, Version, str]:
    """Order by PEP 440; what is no version by that rule comes below all that are."""
    try:
        return (1, Version(version), version)
    except InvalidVersion:
        return (0, Version("0"), version)


def human_size(size_bytes: int) -> str:
    """A number of bytes as a person reads it: ``1.2 MB``. Steps are of 1,024, as the limits are set."""
    if size_bytes < 1024:
        return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
    size, units = size_bytes / 1024, ["TB", "GB", "MB", "KB"]
    while round(size, 1) >= 1024 and len(units) > 1:
        size /= 1024
        units.pop()
    return f"{size:.1f}".removesuffix(".0") + f" {units[-1]}"


_DAY_MS = 24 * 60 * 60 * 1000


def human_ms(ms: float) -> str:
    """A duration as a person reads it: ``<1 ms``, ``18 ms``, ``1.4 s``, ``2 min 5 s``."""
    if not ms <= _DAY_MS:  # a plugin tells how long its check took, and may tell anything
        return "more than a day"
    if ms < 1:
        return "<1 ms"
    if round(ms) < 1000:
        return f"{round(ms)} ms"
    if round(ms / 1000, 1) < 60:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def exact_time(moment: str) -> str:
    """An ISO 8601 moment in full: ``22 November 2026, 16:29:05 UTC``."""
    at = _parse(moment)
    return f"{at.day} {at:%B %Y, %H:%M:%S} UTC"


def relative_time(moment: str, now: datetime | None = None) -> str:
    """An ISO 8601 moment as a distance: ``just now``, ``5 minutes ago``; older than 30 days, its date.

    ``static/cadence.js`` has the same steps, to keep the words true while a page stays open.
    """
    at = _parse(moment)
    seconds = max(0, int(((now or datetime.now(UTC)) - at).total_seconds()))
    if seconds < 45:
        return "just now"
    for unit, length, limit in (("minute", 60, 60), ("hour", 3600, 24), ("day", 86400, 31)):
        count = max(1, round(seconds / length))
        if count < limit:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return f"{at.day} {at:%B %Y}"


def _parse(moment: str) -> datetime:
    at = datetime.fromisoformat(moment)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
