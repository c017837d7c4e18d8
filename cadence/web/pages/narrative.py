"""The history of plugins in sentences, and on whose word it was."""

from collections.abc import Sequence

from msgspec import Struct, structs

from cadence.history import ActivationCause, EventKind
from cadence.origin import OriginKind
from cadence.web.history_views import HistoryEntry

_EVENTS = {
    EventKind.CRASHED: "{} crashed",
    EventKind.TIMED_OUT: "{} missed a deadline",
    EventKind.START_FAILED: "{} did not start",
    EventKind.CHECK_FAILED: "{} failed a health check",
    EventKind.RECOVERED: "{} recovered",
    EventKind.ROLLED_BACK: "{} is active again",
    EventKind.QUARANTINED: "{} was taken back",
    EventKind.ACTIVATED: "{} was activated once more",
    EventKind.DISABLED: "Disabled",
    EventKind.ENABLED: "Enabled",
    EventKind.PINNED: "{} was pinned",
    EventKind.UNPINNED: "Unpinned",
    EventKind.DELETED: "{} was deleted",
    EventKind.RESTORED: "{} was brought back",
    EventKind.INSTALLED: "{} was installed, without being activated",
    EventKind.REPLACED: "{} was installed anew, in the place of the same version",
    EventKind.INSTALL_FAILED: "{} was not installed",
    EventKind.INSTALL_CANCELLED: "The install of {} was cancelled",
    EventKind.GRANTED: "Permissions were changed",
    EventKind.GRANTED_AHEAD: "Permissions were changed before it was installed",
    EventKind.RELOADED: "A reload was asked for",
}
_CHANGES = {
    ActivationCause.INSTALL: "{0} was installed and is active",
    ActivationCause.ACTIVATE: "{0} was activated",
    ActivationCause.ROLLBACK: "{0} is active again: an operator rolled back from {1}",
    ActivationCause.AUTOMATIC_ROLLBACK: "{0} is active again: {1} was taken back",
    ActivationCause.FALLBACK: "{0} is active",
    ActivationCause.RESTORE: "{0} was brought back and is active again",
}
_BAD = frozenset(
    {
        *(EventKind.CRASHED, EventKind.TIMED_OUT, EventKind.START_FAILED, EventKind.CHECK_FAILED),
        *(EventKind.QUARANTINED, EventKind.INSTALL_FAILED, ActivationCause.AUTOMATIC_ROLLBACK),
    }
)
_WAYS = {
    OriginKind.PAGE: "On a page",
    OriginKind.API: "By the API",
    OriginKind.COMMAND: "At the command line",
    OriginKind.SERVER: "The server by itself",
}
#: What the client of each is called.
_CLIENTS = {OriginKind.COMMAND: "by"}


class Told(Struct, frozen=True):
    """An entry of the history as it is shown: when (UTC, ISO 8601), a sentence, why, and whether it is bad news.

    ``who`` says on whose word it was, empty where that is not known. ``install_id`` is of the install behind it,
    ``plugin_name`` None where it was every plugin; ``id`` is the entry's.
    """

    at: str
    title: str
    words: str = ""
    is_bad: bool = False
    who: str = ""
    install_id: str | None = None
    plugin_name: str | None = None
    id: str = ""


def told(entries: Sequence[HistoryEntry]) -> list[Told]:
    """The history, newest first.

    That a version was taken back and that another took its place stand side by side, and are told as one: what came of
    it, and why.
    """
    shown: list[HistoryEntry] = []
    for entry in entries:
        merged = _merged(shown[-1], entry) if shown else None
        if merged is None:
            shown.append(entry)
        else:
            shown[-1] = merged
    return [_told(one) for one in shown]


def _told(one: HistoryEntry) -> Told:
    return Told(one.at, _title(one), one.words, one.kind in _BAD, _who(one), one.install_id, one.plugin_name, one.id)


def _merged(one: HistoryEntry, other: HistoryEntry) -> HistoryEntry | None:
    """Two neighbours as one, where both tell of the same version that was taken back."""
    for change, event in ((one, other), (other, one)):
        is_pair = change.kind == ActivationCause.AUTOMATIC_ROLLBACK and event.kind == EventKind.QUARANTINED
        if is_pair and (change.plugin_name, change.previous_version) == (event.plugin_name, event.version):
            return structs.replace(change, words=event.words)
    return None


def _title(entry: HistoryEntry) -> str:
    if not entry.changed:
        return _EVENTS[EventKind(entry.kind)].format(entry.version or "The plugin")
    if entry.version is None:
        return f"No version is active: {entry.previous_version} {_gone(entry)}"
    return _CHANGES[ActivationCause(entry.kind)].format(entry.version, entry.previous_version or "nothing")


def _gone(entry: HistoryEntry) -> str:
    return "was taken back" if entry.kind == ActivationCause.AUTOMATIC_ROLLBACK else "is gone"


def _who(entry: HistoryEntry) -> str:
    if entry.origin is None:
        return ""
    client = f", {_CLIENTS.get(entry.origin, 'from')} {entry.client}" if entry.client else ""
    return f"{_WAYS[entry.origin]}{client}"
