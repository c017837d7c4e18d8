"""What the pages of the history need of the rest of the server."""

from collections.abc import Sequence
from typing import Protocol, cast

from flask import current_app

from cadence.web.history_views import HistoryAsked, HistoryPage
from cadence.web.pages.services import EXTENSION


class HistoryPageServices(Protocol):
    """The doings behind them. The object of :class:`~cadence.web.pages.services.Services` has this shape too."""

    def history(self, name: str | None, asked: HistoryAsked, limit: int) -> HistoryPage:
        """What happened to one plugin, newest first; also to one that was deleted.

        :raises InvalidRequest: where it is asked for from a page that there is not.
        :raises NotFound: when nothing is known of the plugin.
        """
        ...

    def history_versions(self, name: str) -> Sequence[str]:
        """The versions that the history of a plugin tells of, the highest first."""
        ...


def history_services() -> HistoryPageServices:
    """Return the services of the current application."""
    return cast(HistoryPageServices, current_app.extensions[EXTENSION])
