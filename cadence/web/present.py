"""What the pages and the JSON API show: frozen values, and the words for numbers and moments.

One value feeds both views. The functions that build a value take records of :mod:`cadence.model`; nothing here
knows of Flask, SQL or a process.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct
from packaging.version import InvalidVersion, Version

from cadence.errors import PluginExists
from cadence.model import InstallRecord, InstallState, Limits, PluginRef, Stage, StageRecord, ToolSpec, VersionRecord

PluginStatus = Literal["live", "starting", "failed", "stopped"]
StageState = Literal["pending", "running", "done", "failed"]

STAGE_SENTENCES: Mapping[Stage, str] = {
    Stage.RECEIVE: "Receiving the file",
    Stage.ARCHIVE: "Unpacking the archive",
    Stage.EXISTS: "Comparing with what is installed",
    Stage.INSPECT: "Reading the plugin's files",
    Stage.DEPENDENCIES: "Installing what the plugin needs",
    Stage.TRIAL: "Trying the plugin out in a sandbox",
    Stage.PUBLISH: "Publishing the plugin",
    Stage.ACTIVATE: "Switching over",
}

STAGE_LABELS: Mapping[Stage, str] = {
    Stage.RECEIVE: "Receive",
    Stage.ARCHIVE: "Unpack",
    Stage.EXISTS: "Compare",
    Stage.INSPECT: "Inspect",
    Stage.DEPENDENCIES: "Dependencies",
    Stage.TRIAL: "Trial",
    Stage.PUBLISH: "Publish",
    Stage.ACTIVATE: "Activate",
}


EXISTS_WORDS = "This version is installed already. To replace it, check Force overwrite and upload it again."
"""What the page says where the API says ``Use force_overwrite=true to replace``."""


REPLACED_STATUS = 200
"""The HTTP status of an install that replaced a copy of the same version; a new one has 201."""

STATUS_LABELS: Mapping[PluginStatus, str] = {
    "live": "Answering",
    "starting": "Starting",
    "failed": "Failed",
    "stopped": "Stopped",
}


class Requested(Struct, frozen=True):
    """What a plugin asks for; nothing of it is granted by asking. ``network`` holds ``host:port``."""

    network: tuple[str, ...] = ()
    memory_mb: int | None = None


class VersionView(Struct, frozen=True):
    """One installed version. ``installed_at`` is UTC, ISO 8601; ``source`` is ``upload`` or ``directory``."""

    version: str
    active: bool
    installed_at: str
    size_bytes: int
    source: str
    directory: str
    sha256: str
    warnings: tuple[str, ...] = ()


class PluginView(Struct, frozen=True):
    """One plugin with all its versions, highest first.

    ``version`` is the active one or, without an active one, the highest. ``status_words`` says the status for a
    person: ``Answering``, ``Starting``, or the reason of a failure; what it adds to ``status_label`` is shown apart.
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
    runs with them, ``message`` the same in words, or why not.
    """

    plugin_name: str
    grants: GrantsShown
    limits: Limits
    requested: Requested
    in_force: bool
    message: str
    unmet: tuple[str, ...] = ()
    installed: bool = True


class StageView(Struct, frozen=True):
    """One stage of an install; ``ms`` is known once it is over."""

    stage: Stage
    label: str
    state: StageState
    ms: float | None = None


class FaultView(Struct, frozen=True):
    """One thing that was wrong: a sentence, and where known what is at fault and which stage found it."""

    message: str
    culprit: str | None = None
    stage: str | None = None


class InstallView(Struct, frozen=True):
    """One install: all eight stages, the result in a sentence, every fault. ``created_at`` is UTC, ISO 8601."""

    id: str
    filename: str
    state: InstallState
    created_at: str
    stages: tuple[StageView, ...]
    result: str
    plugin_name: str | None = None
    plugin_version: str | None = None
    faults: tuple[FaultView, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def poll(self) -> bool:
        """Whether it still runs, so that asking again is of use."""
        return self.state is InstallState.RUNNING


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


def install_view(record: InstallRecord) -> InstallView:
    """An install as it is shown, running or over."""
    outcome = record.outcome or {}
    details = outcome.get("details")
    return InstallView(
        id=record.id,
        filename=record.filename,
        state=record.state,
        created_at=record.created_at,
        stages=stage_views(record.stages, record.state),
        result=_result_sentence(record),
        plugin_name=record.name,
        plugin_version=record.version,
        faults=_fault_views(outcome) if record.state is not InstallState.SUCCEEDED else (),
        warnings=tuple(details.get("warnings", ())) if isinstance(details, dict) else (),
    )


def stage_views(records: Sequence[StageRecord], state: InstallState) -> tuple[StageView, ...]:
    """All eight stages, also those that were not reached, from the records of those that were."""
    reached = {record.stage: record.ms for record in records}
    last = records[-1].stage if records else None
    return tuple(
        StageView(stage, STAGE_LABELS[stage], _stage_state(stage, reached, last, state), reached.get(stage))
        for stage in Stage
    )


def _stage_state(
    stage: Stage, reached: Mapping[Stage, float | None], last: Stage | None, state: InstallState
) -> StageState:
    if stage not in reached:
        return "pending"
    if state is InstallState.RUNNING:
        return "running" if reached[stage] is None else "done"
    return "failed" if stage is last and state is not InstallState.SUCCEEDED else "done"


def _fault_views(outcome: Mapping[str, Any]) -> tuple[FaultView, ...]:
    """The faults of a failure: as data where the outcome has them, else its sentences."""
    if outcome.get("message") == PluginExists.message:
        return (FaultView(EXISTS_WORDS, stage=Stage.EXISTS),)
    faults = outcome.get("faults")
    if faults:
        return tuple(FaultView(fault["message"], fault.get("culprit"), fault.get("stage")) for fault in faults)
    details = outcome.get("details") or ()
    sentences = (details,) if isinstance(details, str) else details
    return tuple(FaultView(str(sentence)) for sentence in sentences)


def _result_sentence(record: InstallRecord) -> str:
    if record.state is InstallState.RUNNING:
        return STAGE_SENTENCES[record.stages[-1].stage] if record.stages else "Waiting for its turn"
    if record.state is InstallState.SUCCEEDED:
        return _success_sentence(record)
    if record.state is InstallState.CANCELLED:
        return "The install was cancelled. Nothing was changed."
    if record.state is InstallState.INTERRUPTED:
        return str((record.outcome or {}).get("details") or "The server ended during it. Nothing was changed.")
    return f"{(record.outcome or {}).get('message', 'The install failed')}. Nothing was changed."


def _success_sentence(record: InstallRecord) -> str:
    details = (record.outcome or {}).get("details")
    facts = details if isinstance(details, dict) else {}
    plugin = f"{record.name} {record.version}"
    if not facts.get("activated", True):
        return f"{plugin} is installed. It is not the active version."
    previous = facts.get("previous_version")
    if record.status == REPLACED_STATUS or previous == record.version:
        return f"{plugin} replaced the copy that was installed, and answers now."
    if previous:
        return f"{plugin} is installed and has taken over from {previous}."
    return f"{plugin} is installed and answers now."


def human_size(size_bytes: int) -> str:
    """A number of bytes as a person reads it: ``1.2 MB``. Steps are of 1,024, as the limits are set."""
    if size_bytes < 1024:
        return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
    size, units = size_bytes / 1024, ["TB", "GB", "MB", "KB"]
    while round(size, 1) >= 1024 and len(units) > 1:
        size /= 1024
        units.pop()
    return f"{size:.1f}".removesuffix(".0") + f" {units[-1]}"


def human_ms(ms: float) -> str:
    """A duration as a person reads it: ``<1 ms``, ``18 ms``, ``1.4 s``, ``2 min 5 s``."""
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
