"""What the System page needs of the rest of the server, as one interface."""

from typing import Protocol, cast

from flask import current_app

from cadence.chat.values import Picture
from cadence.web.pages.services import EXTENSION
from cadence.web.present import PluginView
from cadence.web.system import PATIENCE_SECONDS, ProcessesView, SystemView


class SystemPageServices(Protocol):
    """The doings behind the page. ``app.extensions["cadence_pages"]`` is of this shape too."""

    def system(self, patience_seconds: float = PATIENCE_SECONDS) -> SystemView:
        """What this server is and has; waits so long at most for what is measured anew."""
        ...

    def processes(self) -> ProcessesView:
        """What runs, and the room it has."""
        ...

    def plugin(self, name: str) -> PluginView:
        """One plugin.

        :raises NotFound: when it is not installed.
        """
        ...

    def picture(self) -> Picture:
        """The graph that turns run through. Asking for the first time loads what runs it."""
        ...


def system_services() -> SystemPageServices:
    """Return the services of the current application."""
    return cast(SystemPageServices, current_app.extensions[EXTENSION])
