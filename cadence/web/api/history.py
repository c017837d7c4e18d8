"""What happened to plugins, and on whose word."""

from typing import Literal

from flask import Response
from msgspec import Struct

from cadence.web.api.plugins import services
from cadence.web.api.replies import number, reply
from cadence.web.history import QUERY as FILTERS
from cadence.web.history import asked_for
from cadence.web.history_views import HistoryEntry

#: How many entries are answered by default and at most.
PAGE, LARGEST_PAGE = 100, 500

QUERY = {
    **FILTERS,
    "limit": {"type": "integer", "default": PAGE, "description": f"How many; at most {LARGEST_PAGE}"},
}


class HistoryAnswer(Struct, frozen=True, kw_only=True):
    """What happened to a plugin, newest first; ``next`` is the ``before`` of the page that follows, null for none."""

    success: Literal[True] = True
    plugin_name: str
    history: tuple[HistoryEntry, ...]
    next: str | None


class WholeHistoryAnswer(Struct, frozen=True, kw_only=True):
    """What happened to all plugins, newest first; ``next`` as for one of them."""

    success: Literal[True] = True
    history: tuple[HistoryEntry, ...]
    next: str | None


def history(name: str) -> Response:
    """What happened to one plugin, also to one that was deleted."""
    page = services().history(name, asked_for(), number("limit", PAGE, LARGEST_PAGE))
    return reply(HistoryAnswer(plugin_name=name, history=page.entries, next=page.next))


def whole_history() -> Response:
    """What happened to all of them."""
    page = services().history(None, asked_for(), number("limit", PAGE, LARGEST_PAGE))
    return reply(WholeHistoryAnswer(history=page.entries, next=page.next))
