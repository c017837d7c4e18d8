"""What the first page of a plugin needs of the rest of the server."""

from pathlib import Path
from typing import Protocol, cast

from flask import current_app

from cadence.model import PluginRef
from cadence.web.overview import Overview
from cadence.web.pages.services import EXTENSION


class OverviewServices(Protocol):
    """The doings behind it. ``app.extensions["cadence_pages"]`` is of this shape too."""

    def overview(self, name: str) -> Overview:
        """What one plugin says of itself.

        :raises NotFound: when it is not installed.
        """
        ...

    def archive(self, ref: PluginRef) -> Path:
        """The archive that a version was installed from.

        :raises NotFound: when it is not installed, or was put into the store as a folder.
        """
        ...


def overview_services() -> OverviewServices:
    """Return the services of the current application."""
    return cast(OverviewServices, current_app.extensions[EXTENSION])
