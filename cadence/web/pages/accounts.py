"""What versions went through, in sentences: why one was taken back, what a health check found."""

import json
from typing import Any

from msgspec import Struct

from cadence.history import CheckRecord
from cadence.web.present import PluginStatus, PluginView
from cadence.web.version_views import taken_back_words

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
