"""What pages and JSON API show of versions and health over time: frozen values, and how they come from records."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from msgspec import Struct

from cadence.history import CheckKind, CheckRecord, DeletedVersion, PluginState
from cadence.model import ExampleResult, VersionRecord
from cadence.runtime.mender import unhealthy_words
from cadence.runtime.slot import LivePlugin
from cadence.switching import Switched
from cadence.web.present import HealthState, HealthView, LastCheck, PluginStatus

HEALTH_STATES: Mapping[PluginStatus, HealthState] = {
    "live": "healthy",
    "degraded": "degraded",
    "starting": "starting",
    "asleep": "asleep",
    "failed": "failed",
    "quarantined": "quarantined",
    "disabled": "disabled",
    "stopped": "stopped",
}


class HealthHistory(Struct, frozen=True):
    """How a plugin stands, and its latest checks, newest first.

    ``next`` is the ``before`` of those that follow, None where none do. ``restarts`` is how often its worker was
    started again after it had ended, ``recent_calls`` and ``recent_errors`` are calls and errors by minute of the last
    hour, the latest minute last: all of them as this server process counts, and none where it expects no answer.
    """

    plugin_name: str
    plugin_version: str
    status: PluginStatus
    status_words: str
    health: HealthView
    is_new: bool
    checks: tuple[CheckRecord, ...] = ()
    next: int | None = None
    restarts: int = 0
    recent_calls: tuple[int, ...] = ()
    recent_errors: tuple[int, ...] = ()


class SwitchedView(Struct, frozen=True):
    """What came of a decision: the version that is active now and the one before it, and ``message`` in words."""

    plugin_name: str
    plugin_version: str | None
    previous_version: str | None
    pinned: bool
    disabled: bool
    message: str


class DeletedView(Struct, frozen=True):
    """A deleted version that can be brought back until ``expires_at`` (UTC, ISO 8601).

    ``was_active`` is whether it answered when it was deleted, and thus would again. ``install_id`` tells it from
    another install of the same version.
    """

    name: str
    version: str
    description: str
    deleted_at: str
    expires_at: str
    was_active: bool
    size_bytes: int
    install_id: str = ""


class SelfTestView(Struct, frozen=True):
    """What came of the examples that the tools of a plugin declare."""

    plugin_name: str
    plugin_version: str
    passed: int
    failed: int
    message: str
    examples: tuple[ExampleResult, ...] = ()


class Standing(Struct, frozen=True):
    """How a plugin stands: the part of a :class:`~cadence.web.present.PluginView` that changes by itself."""

    status: PluginStatus
    words: str
    health: HealthView


def standing_of(
    records: Sequence[VersionRecord], live: LivePlugin | None, state: PluginState, *, safe_mode: bool = False
) -> Standing:
    """How a plugin stands.

    :param records: its versions, at least one, the highest first.
    :param live: what the live set of this process has of it.
    :param state: what operators decided.
    :param safe_mode: whether nothing runs in this process.
    """
    status, words = _status(records, live, state, safe_mode=safe_mode)
    return Standing(status, words, HealthView(HEALTH_STATES[status], last_check(records, live)))


def last_check(records: Sequence[VersionRecord], live: LivePlugin | None) -> LastCheck:
    """The latest check that is known without asking the index; at first that of the trial."""
    record = live.record if live else next((one for one in records if one.active), records[0])
    report = live.health if live else record.report.health
    at = (live.checked_at if live else None) or record.installed_at
    return LastCheck(report.healthy, "" if report.healthy else unhealthy_words(report), report.ms, at)


def _status(
    records: Sequence[VersionRecord], live: LivePlugin | None, state: PluginState, *, safe_mode: bool
) -> tuple[PluginStatus, str]:
    active = next((record for record in records if record.active), None)
    if state.disabled:
        return "disabled", "Disabled. Nothing of it runs until it is enabled."
    if active is None:
        return _without_active(records)
    if safe_mode:
        return "stopped", "Not running, because the server is in safe mode"
    if live is None:
        return "starting", "Starting"
    return live.status, _live_words(live)


def _without_active(records: Sequence[VersionRecord]) -> tuple[PluginStatus, str]:
    bad = next((record for record in records if record.quarantine), None)
    if bad is None:
        return "stopped", "Not active"
    return "quarantined", f"{bad.ref.version} was taken back: {bad.quarantine}"


def _live_words(live: LivePlugin) -> str:
    if live.status == "live":
        return f"Answering. {live.error}" if live.error else "Answering"
    if live.status == "degraded":
        return f"Answering. {live.error or unhealthy_words(live.health)}"
    if live.status == "asleep":
        return "Asleep"
    return live.error or "Starting"


def taken_back_words(
    versions: Iterable[tuple[str, str | None]], active: str | None, *, disabled: bool = False
) -> list[str]:
    """A sentence for each version that was taken back and would answer otherwise, the highest first.

    Those below the active version are old stories; where none is active, the status tells it.

    :param versions: the highest first, each with why it was taken back, None where it was not.
    """
    if active is None:
        return []
    verb = "is active" if disabled else "answers"
    above = takewhile(lambda one: one[0] != active, versions)
    return [f"{one} was taken back: {why.rstrip('. ')}. {active} {verb} again." for one, why in above if why]


def trial_check(record: VersionRecord) -> CheckRecord:
    """The health check of a version's trial, which is the first."""
    report = record.report.health
    words = "" if report.healthy else unhealthy_words(report)
    return CheckRecord(
        record.ref.version, record.installed_at, CheckKind.TRIAL, report.healthy, report.ms, words, report.checks
    )


def activated_words(switched: Switched) -> str:
    """A change of the active version in a sentence or two."""
    previous = switched.previous_version
    place = f", in the place of {previous}" if previous not in (None, switched.version) else ""
    return f"{switched.name} {switched.version} is active now{place}.{_but(switched)}"


def pinned_words(switched: Switched) -> str:
    """A pin in a sentence or two."""
    words = f"{switched.name} {switched.version} is pinned: it stays active, whatever is uploaded or fails."
    return words + _but(switched)


def unpinned_words(switched: Switched) -> str:
    """The end of a pin in a sentence."""
    return f"{switched.name} is not pinned any more: a higher version that is uploaded becomes active."


def disabled_words(switched: Switched) -> str:
    """That a plugin is disabled, in a sentence."""
    return f"{switched.name} is disabled: nothing of it runs until it is enabled."


def enabled_words(switched: Switched) -> str:
    """That a plugin is enabled, in a sentence."""
    if switched.version is None:
        return f"{switched.name} is enabled, but no version of it is active."
    return f"{switched.name} is enabled: {switched.version} answers again."


def _but(switched: Switched) -> str:
    return " It does not answer, because the plugin is disabled." if switched.state.disabled else ""


def switched_view(switched: Switched, message: str) -> SwitchedView:
    """What came of a decision, as it is shown."""
    state = switched.state
    return SwitchedView(
        switched.name, switched.version, switched.previous_version, state.pinned, state.disabled, message
    )


def deleted_view(deleted: DeletedVersion) -> DeletedView:
    """A deleted version as it is shown."""
    return DeletedView(
        name=deleted.ref.name,
        version=deleted.ref.version,
        description=deleted.description,
        deleted_at=deleted.deleted_at,
        expires_at=deleted.expires_at,
        was_active=deleted.was_active,
        size_bytes=deleted.size_bytes,
        install_id=deleted.install_id,
    )


def self_test_view(name: str, version: str, examples: Sequence[ExampleResult]) -> SelfTestView:
    """The results of examples as they are shown."""
    passed = sum(example.passed for example in examples)
    failed = len(examples) - passed
    if not examples:
        message = "No tool of this plugin declares an example"
    elif failed:
        message = f"{failed} of {len(examples)} examples failed"
    else:
        message = f"{passed} {'example' if passed == 1 else 'examples'} passed"
    return SelfTestView(name, version, passed, failed, message, tuple(examples))
