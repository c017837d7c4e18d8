"""What the section of permissions needs of the server beside grants: what a plugin takes of them."""

from typing import Protocol, cast

from flask import current_app

from cadence.web.pages.services import EXTENSION
from cadence.web.usage import UsageView


class UsagePageServices(Protocol):
    """The doings behind it. The object of :class:`~cadence.web.pages.services.Services` has this shape too."""

    def usage(self, name: str) -> UsageView:
        """What one plugin takes of its limits. Wakes nothing.

        :raises NotFound: when it is not installed.
        """
        ...


def usage_services() -> UsagePageServices:
    """Return the services of the current application."""
    return cast(UsagePageServices, current_app.extensions[EXTENSION])
