"""What versions went through, in sentences: the history of a plugin, why a version was taken back, a health check."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from cadence.history import ActivationCause, CheckRecord, EventKind
from cadence.web.present import PluginStatus, PluginView
from cadence.web.version_views import HistoryEntry, taken_back_words

MAX_PARTS = 12
"""So many parts of a health check are shown."""

MAX_PART_WORDS = 160
"""What a part of a health check says is cut at so many characters: it comes from a plugin."""

STANDINGS: dict[PluginStatus, str] = {
    "live": "Its last health check passed.",
    "degraded": "It answers, but its health check fails.",
    "starting": "A worker is being brought up for it. Calls wait for it.",
    "asleep": "Nobody called it for a while, so it has no process. The next call wakes it.",
    "failed": "It does not answer. Where it can be started again, that is tried by itself, later each time.",
    "quarantined": "It was taken back, and there was no other version to answer.",
    "disabled": "It was disabled. Nothing of it runs.",
    "stopped": "No version of it runs.",
}
"""What a status means, for the section of health."""

_EVENTS = {
    EventKind.CRASHED: "{} crashed",
    EventKind.TIMED_OUT: "{} missed a deadline",
    EventKind.START_FAILED: "{} did not start",
    EventKind.CHECK_FAILED: "{} failed a health check",
    EventKind.RECOVERED: "{} recovered",
    EventKind.QUARANTINED: "{} was taken back",
    EventKind.DISABLED: "Disabled",
    EventKind.ENABLED: "Enabled",
    EventKind.PINNED: "{} was pinned",
    EventKind.UNPINNED: "Unpinned",
    EventKind.DELETED: "{} was deleted",
    EventKind.RESTORED: "{} was brought back",
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
        *(EventKind.QUARANTINED, ActivationCause.AUTOMATIC_ROLLBACK),
    }
)


class Told(Struct, frozen=True):
    """An entry of the history as it is shown: when (UTC, ISO 8601), a sentence, why, and whether it is bad news."""

    at: str
    title: str
    words: str = ""
    is_bad: bool = False


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
    return [Told(one.at, _title(one), one.words, one.kind in _BAD) for one in shown]


def _merged(one: HistoryEntry, other: HistoryEntry) -> HistoryEntry | None:
    """Two neighbours as one, where both tell of the same version that was taken back."""
    for change, event in ((one, other), (other, one)):
        is_pair = change.kind == ActivationCause.AUTOMATIC_ROLLBACK and event.kind == EventKind.QUARANTINED
        if is_pair and change.previous_version == event.version:
            return structs.replace(change, words=event.words)
    return None


def _title(entry: HistoryEntry) -> str:
    if not entry.changed:
        return _EVENTS.get(EventKind(entry.kind), f"{{}}: {entry.label}").format(entry.version or "The plugin")
    if entry.version is None:
        return f"No version is active: {entry.previous_version} {_gone(entry)}"
    return _CHANGES[ActivationCause(entry.kind)].format(entry.version, entry.previous_version or "nothing")


def _gone(entry: HistoryEntry) -> str:
    return "was taken back" if entry.kind == ActivationCause.AUTOMATIC_ROLLBACK else "is gone"


def taken_back(plugin: PluginView) -> list[str]:
    """As :func:`~cadence.web.version_views.taken_back_words`, of a plugin."""
    active = next((version.version for version in plugin.versions if version.active), None)
    known = [(version.version, version.quarantine) for version in plugin.versions]
    return taken_back_words(known, active, disabled=plugin.disabled)


class Part(Struct, frozen=True):
    """One part of a health check, as the plugin names it and tells of it."""

    name: str
    words: str


def parts_of(check: CheckRecord) -> list[Part]:
    """What a health check found part by part; of many only the first."""
    return [Part(_cut(name), _cut(_in_words(value))) for name, value in list(check.checks.items())[:MAX_PARTS]]


def in_json(value: Any) -> str:
    """A value that came as JSON, as it is written there."""
    return json.dumps(value, ensure_ascii=False)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "passed" if value else "failed"
    return value if isinstance(value, str) else in_json(value)


def _cut(words: str) -> str:
    return words if len(words) <= MAX_PART_WORDS else f"{words[: MAX_PART_WORDS - 1]}…"
