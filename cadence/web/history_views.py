"""What pages, JSON API and command line show of the past: frozen values, and how they come from the index."""

import re
from collections.abc import Mapping

from msgspec import Struct

from cadence.errors import InvalidRequest, NotFound
from cadence.history import ActivationCause, EventKind, HistoryQuestion, Occurrence, Position
from cadence.intake.faults import printable
from cadence.origin import OriginKind
from cadence.storage.index import Index

ACTIVATION_LABELS: Mapping[ActivationCause, str] = {
    ActivationCause.INSTALL: "Installed and activated",
    ActivationCause.ACTIVATE: "Activated",
    ActivationCause.ROLLBACK: "Rolled back",
    ActivationCause.AUTOMATIC_ROLLBACK: "Rolled back by itself",
    ActivationCause.FALLBACK: "Took the place of a deleted version",
    ActivationCause.RESTORE: "Restored and activated",
}
NONE_ACTIVE_LABEL = "No version active any more"

EVENT_LABELS: Mapping[EventKind, str] = {
    EventKind.CRASHED: "Crashed",
    EventKind.TIMED_OUT: "Missed a deadline",
    EventKind.START_FAILED: "Did not start",
    EventKind.CHECK_FAILED: "Health check failed",
    EventKind.RECOVERED: "Recovered",
    EventKind.ROLLED_BACK: "Rolled back",
    EventKind.QUARANTINED: "Taken back",
    EventKind.ACTIVATED: "Activated",
    EventKind.DISABLED: "Disabled",
    EventKind.ENABLED: "Enabled",
    EventKind.PINNED: "Pinned",
    EventKind.UNPINNED: "Unpinned",
    EventKind.DELETED: "Deleted",
    EventKind.RESTORED: "Restored",
    EventKind.INSTALLED: "Installed, not active",
    EventKind.REPLACED: "Installed anew",
    EventKind.INSTALL_FAILED: "Not installed",
    EventKind.INSTALL_CANCELLED: "Install cancelled",
    EventKind.GRANTED: "Permissions changed",
    EventKind.GRANTED_AHEAD: "Permissions given ahead",
    EventKind.RELOADED: "Reload asked for",
}

ORIGIN_LABELS: Mapping[OriginKind, str] = {
    OriginKind.PAGE: "Page",
    OriginKind.API: "API",
    OriginKind.COMMAND: "Command line",
    OriginKind.SERVER: "Server",
}

_TAKEN_BACK = frozenset({ActivationCause.AUTOMATIC_ROLLBACK.value, EventKind.QUARANTINED.value})
_INSTALLS = frozenset(
    {
        *(ActivationCause.INSTALL.value, EventKind.INSTALLED.value, EventKind.REPLACED.value),
        *(EventKind.INSTALL_FAILED.value, EventKind.INSTALL_CANCELLED.value),
    }
)
_DECISIONS = frozenset(
    {
        *(EventKind.ACTIVATED.value, EventKind.ROLLED_BACK.value, EventKind.PINNED.value, EventKind.UNPINNED.value),
        *(EventKind.DISABLED.value, EventKind.ENABLED.value, EventKind.DELETED.value, EventKind.RESTORED.value),
        EventKind.RELOADED.value,
    }
)


class HistoryTopic(Struct, frozen=True):
    """A part of the history that can be looked at alone: what it is called, and the kinds that belong to it."""

    key: str
    label: str
    kinds: frozenset[str]


TOPICS = (
    HistoryTopic("versions", "Versions and decisions", frozenset(map(str, ActivationCause)) | _DECISIONS | _TAKEN_BACK),
    HistoryTopic("installs", "Installs", _INSTALLS),
    HistoryTopic("permissions", "Permissions", frozenset({EventKind.GRANTED.value, EventKind.GRANTED_AHEAD.value})),
    HistoryTopic(
        "trouble",
        "Trouble",
        _TAKEN_BACK
        | {
            *(EventKind.CRASHED.value, EventKind.TIMED_OUT.value, EventKind.START_FAILED.value),
            *(EventKind.CHECK_FAILED.value, EventKind.RECOVERED.value, EventKind.INSTALL_FAILED.value),
        },
    ),
)
#: What can be asked for: a topic, or one kind alone.
KINDS: Mapping[str, frozenset[str]] = {
    **{kind.value: frozenset({kind.value}) for kind in (*ActivationCause, *EventKind)},
    **{topic.key: topic.kinds for topic in TOPICS},
}

_POSITION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?\+00:00)~([01])~(\d{1,18})")


class HistoryAsked(Struct, frozen=True):
    """Which part of the history is asked for; what is None does not matter.

    ``kind`` is a key of :data:`KINDS`, ``before`` what a page before has as ``next``.
    """

    kind: str | None = None
    version: str | None = None
    origin: OriginKind | None = None
    before: str | None = None

    def question(self, name: str | None) -> HistoryQuestion:
        """The same, as the index is asked.

        :raises InvalidRequest: where ``before`` is of no page.
        """
        kinds = None if self.kind is None else KINDS[self.kind]
        before = None if self.before is None else _position(self.before)
        return HistoryQuestion(name, kinds, self.version, self.origin, before)

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return (self.kind, self.version, self.origin) != (None, None, None)


class HistoryEntry(Struct, frozen=True):
    """Something that happened to a plugin. ``at`` is UTC, ISO 8601.

    ``kind`` is an :class:`~cadence.history.ActivationCause` where the active version changed (then ``changed`` is
    true, ``version`` the one that was active from then on, null for none, and ``previous_version`` the one before) and
    an :class:`~cadence.history.EventKind` otherwise. ``label`` says it in a few words, ``words`` why.

    ``origin`` is on whose word: ``page``, ``api``, ``command``, or ``server`` for what it did by itself; null for what
    was kept by earlier versions. ``client`` is the address or user behind it, where that is known. ``install_id`` is
    the install by which it came about. ``plugin_name`` is null where it was every plugin. ``id`` is the entry's own;
    as ``before`` it asks for what is older.
    """

    at: str
    kind: str
    label: str
    version: str | None
    words: str = ""
    changed: bool = False
    previous_version: str | None = None
    origin: OriginKind | None = None
    client: str | None = None
    install_id: str | None = None
    plugin_name: str | None = None
    id: str = ""


class HistoryPage(Struct, frozen=True):
    """Part of a history, newest first; ``next`` asks for what is older, null where nothing is."""

    entries: tuple[HistoryEntry, ...] = ()
    next: str | None = None


def history_page(index: Index, name: str | None, asked: HistoryAsked, limit: int) -> HistoryPage:
    """What the index knows of the past of one plugin, also of one that was deleted or never came so far, or of all.

    :param limit: how many entries at most.
    :raises InvalidRequest: where it is asked for from a page that there is not.
    :raises NotFound: when nothing is known of the plugin, and it is not installed.
    """
    found = index.history(asked.question(name), limit + 1)
    if not found and name is not None and not _is_known(index, name):
        raise NotFound(f"No plugin {name!r} is installed.")
    shown = found[:limit]
    older = _text_of(shown[-1].position) if len(found) > limit else None
    return HistoryPage(tuple(map(_entry, shown)), older)


def _is_known(index: Index, name: str) -> bool:
    return index.plugin_state(name) is not None or bool(index.history(HistoryQuestion(name), 1))


def _entry(found: Occurrence) -> HistoryEntry:
    return HistoryEntry(
        at=found.position.at,
        kind=found.kind.value,
        label=_label(found),
        version=found.version,
        words=found.words,
        changed=found.position.changed,
        previous_version=found.previous_version,
        origin=found.origin.kind if found.origin else None,
        client=found.origin.client if found.origin else None,
        install_id=found.install_id,
        plugin_name=found.name,
        id=_text_of(found.position),
    )


def _label(found: Occurrence) -> str:
    if isinstance(found.kind, EventKind):
        return EVENT_LABELS[found.kind]
    return NONE_ACTIVE_LABEL if found.version is None else ACTIVATION_LABELS[found.kind]


def _text_of(position: Position) -> str:
    return f"{position.at}~{int(position.changed)}~{position.n}"


def _position(text: str) -> Position:
    match = _POSITION.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"before must be the `next` of another page, not {printable(repr(text[:60]))}.")
    return Position(match[1], match[2] == "1", int(match[3]))
