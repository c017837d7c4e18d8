"""What happened to plugins and how they stand over time: frozen values that storage keeps and the pages show.

All moments are UTC, ISO 8601.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from cadence.model import PluginRef


class ActivationCause(StrEnum):
    """Why a version became the active one."""

    INSTALL = "install"
    ACTIVATE = "activate"
    ROLLBACK = "rollback"
    AUTOMATIC_ROLLBACK = "automatic_rollback"
    FALLBACK = "fallback"  # the active version was deleted
    RESTORE = "restore"


class Activation(Struct, frozen=True):
    """A change of the active version. ``version`` is None where none is active any more; ``words`` says why."""

    version: str | None
    previous_version: str | None
    cause: ActivationCause
    at: str
    words: str = ""


class EventKind(StrEnum):
    """What can happen to a version that is worth telling. ``CRASHED`` also counts an end at a limit."""

    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    START_FAILED = "start_failed"
    CHECK_FAILED = "check_failed"
    RECOVERED = "recovered"
    ROLLED_BACK = "rolled_back"
    QUARANTINED = "quarantined"
    ACTIVATED = "activated"
    DISABLED = "disabled"
    ENABLED = "enabled"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    DELETED = "deleted"
    RESTORED = "restored"


class Event(Struct, frozen=True):
    """Something that happened to a plugin, newest events have the highest ``n``. ``version`` None: to all of it."""

    n: int
    name: str
    version: str | None
    kind: EventKind
    at: str
    words: str = ""


class CheckKind(StrEnum):
    """What a health check was made for."""

    TRIAL = "trial"
    SCHEDULED = "scheduled"
    REQUESTED = "requested"


class CheckRecord(Struct, frozen=True):
    """One health check of a version: ``ms`` how long it took, ``words`` why it failed, ``checks`` its parts by name."""

    version: str
    at: str
    kind: CheckKind
    healthy: bool
    ms: float
    words: str = ""
    checks: dict[str, Any] = {}


class PluginState(Struct, frozen=True):
    """What operators decided about a plugin. ``pinned``: its active version stays, whatever is uploaded or fails."""

    name: str
    active_version: str | None
    pinned: bool = False
    disabled: bool = False


class DeletedVersion(Struct, frozen=True):
    """A version that was deleted and can still be brought back, until ``expires_at``."""

    ref: PluginRef
    install_id: str
    deleted_at: str
    expires_at: str
    was_active: bool
    size_bytes: int
    description: str = ""


class Reason(Struct, frozen=True):
    """Why a version was taken back: a stable code in snake case and a sentence.

    Codes: ``crashes``, ``timeouts``, ``limits`` (it came to one), ``health``, ``start`` (it does not start).
    """

    code: str
    words: str


class TakenBack(Struct, frozen=True):
    """A bad version that was taken back: what answers in its place, None where nothing does."""

    ref: PluginRef
    reason: Reason
    successor: str | None
