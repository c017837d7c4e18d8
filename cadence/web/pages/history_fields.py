"""What is shown of the past of one plugin, or of all, by the address of the request."""

from typing import Any

from flask import request
from msgspec import Struct

from cadence.errors import NotFound
from cadence.origin import OriginKind
from cadence.web.history import asked_for
from cadence.web.history_views import ORIGIN_LABELS, TOPICS, HistoryAsked, HistoryPage
from cadence.web.pages.fragments import tag_of
from cadence.web.pages.history_services import history_services
from cadence.web.pages.narrative import Told, told

PAGE_ENTRIES = 50
"""So many entries are shown at once."""
_LONGEST_NAME = 200


class HistoryShown(Struct, frozen=True):
    """What is shown: the entries, and the filters with what there is to choose from.

    ``older`` is the ``before`` of the page that follows, None where none does. ``kinds`` and ``origins`` are pairs of
    what stands in the address and what it is called.
    """

    entries: tuple[Told, ...]
    asked: HistoryAsked
    older: str | None
    versions: tuple[str, ...] = ()
    kinds: tuple[tuple[str, str], ...] = tuple((topic.key, topic.label) for topic in TOPICS)
    origins: tuple[tuple[OriginKind, str], ...] = tuple(ORIGIN_LABELS.items())

    @property
    def query(self) -> dict[str, str]:
        """The address of what is shown, without where it begins."""
        given = {"kind": self.asked.kind, "version": self.asked.version, "origin": self.asked.origin}
        return {name: str(value) for name, value in given.items() if value is not None}

    @property
    def address(self) -> dict[str, str]:
        """The address of what is shown."""
        return self.query | ({"before": self.asked.before} if self.asked.before else {})


def history_fields(name: str) -> dict[str, Any]:
    """What the template of one plugin's history takes, by the address of the request."""
    asked = asked_for()
    page = history_services().history(name, asked, PAGE_ENTRIES)
    versions = list(history_services().history_versions(name))
    if asked.version is not None and asked.version not in versions:
        versions.append(asked.version)
    return {"history": HistoryShown(tuple(told(page.entries)), asked, page.next, tuple(versions))}


def whole_history_fields() -> dict[str, Any]:
    """What the template of the history of all plugins takes; the address can be about one of them.

    Of a plugin that nobody knows nothing is shown, and ``unknown`` is true.
    """
    name, asked = request.args.get("plugin", "").strip()[:_LONGEST_NAME] or None, asked_for()
    try:
        page, unknown = history_services().history(name, asked, PAGE_ENTRIES), False
    except NotFound:
        page, unknown = HistoryPage(), True
    history = HistoryShown(tuple(told(page.entries)), asked, page.next)
    return {
        "history": history,
        "name": name,
        "unknown": unknown,
        "narrows": asked.narrows or name is not None,
        "here": ({"plugin": name} if name else {}) | history.query,
        "longest_name": _LONGEST_NAME,
        "tag": tag_of((history, name, unknown)),
    }
