"""What happened to plugins and how they stand over time: frozen values that storage keeps and the pages show.

All moments are UTC, ISO 8601.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from cadence.model import PluginRef
from cadence.origin import Origin, OriginKind


class ActivationCause(StrEnum):
    """Why a version became the active one."""

    INSTALL = "install"
    ACTIVATE = "activate"
    ROLLBACK = "rollback"
    AUTOMATIC_ROLLBACK = "automatic_rollback"
    FALLBACK = "fallback"  # the active version was deleted
    RESTORE = "restore"


class Activation(Struct, frozen=True):
    """A change of the active version. ``version`` is None where none is active any more; ``words`` says why.

    ``install_id`` is that of the install by which it came about, where it was one.
    """

    version: str | None
    previous_version: str | None
    cause: ActivationCause
    at: str
    words: str = ""
    install_id: str | None = None


class EventKind(StrEnum):
    """What can happen to a version that is worth telling. ``CRASHED`` also counts an end at a limit.

    ``INSTALLED`` is one that did not become active, ``REPLACED`` one that took the place of the same version.
    ``GRANTED_AHEAD`` is of a name that is not installed. ``RELOADED`` without a name is of every plugin.
    """

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
    INSTALLED = "installed"
    REPLACED = "replaced"
    INSTALL_FAILED = "install_failed"
    INSTALL_CANCELLED = "install_cancelled"
    GRANTED = "granted"
    GRANTED_AHEAD = "granted_ahead"
    RELOADED = "reloaded"


class Event(Struct, frozen=True):
    """Something that happened to a plugin, newest events have the highest ``n``. ``version`` None: to all of it."""

    n: int
    name: str
    version: str | None
    kind: EventKind
    at: str
    words: str = ""
    install_id: str | None = None


class Position(Struct, frozen=True, order=True):
    """Where something stands in the history of everything: by its moment; of two of the same, a change comes later."""

    at: str
    changed: bool
    n: int


class Occurrence(Struct, frozen=True):
    """Something in the history: a change of the active version, or an event that tells of anything else.

    ``name`` is None where it was every plugin. ``origin`` is None for what was kept before that was.
    """

    position: Position
    name: str | None
    version: str | None
    kind: ActivationCause | EventKind
    words: str = ""
    previous_version: str | None = None
    install_id: str | None = None
    origin: Origin | None = None


class HistoryQuestion(Struct, frozen=True):
    """Which part of the history is wanted; what is None does not matter.

    :ivar name: of a plugin.
    :ivar kinds: what happened, in terms of :class:`ActivationCause` and :class:`EventKind`.
    :ivar version: what is about it, or led away from it.
    :ivar before: only what is older than this.
    """

    name: str | None = None
    kinds: frozenset[str] | None = None
    version: str | None = None
    origin: OriginKind | None = None
    before: Position | None = None


class CheckKind(StrEnum):
    """What a health check was made for."""

    TRIAL = "trial"
    SCHEDULED = "scheduled"
    REQUESTED = "requested"


class CheckRecord(Struct, frozen=True):
    """One health check of a version: ``ms`` how long it took, ``words`` why it failed, ``checks`` its parts by name.

    The later one was kept, the higher is its number ``n``; it is 0 until then.
    """

    version: str
    at: str
    kind: CheckKind
    healthy: bool
    ms: float
    words: str = ""
    checks: dict[str, Any] = {}
    n: int = 0


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
