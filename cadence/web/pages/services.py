"""What the pages need of the rest of the server, as one interface."""

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from flask import current_app

from cadence.model import InstallOptions, InstallState, Limits, PluginRef, Upload
from cadence.sandbox import Sandbox
from cadence.storage.installs import InstallLine
from cadence.web.install_views import InstallView
from cadence.web.packages import Packages
from cadence.web.present import GrantsView, PluginView, ReloadView
from cadence.web.system import SystemView

EXTENSION = "cadence_pages"


class Services(Protocol):
    """The doings behind the pages. An object of this shape is ``app.extensions["cadence_pages"]``."""

    @property
    def max_upload_bytes(self) -> int:
        """The largest archive that is taken, in bytes."""
        ...

    @property
    def default_limits(self) -> Limits:
        """What a plugin gets that was granted nothing."""
        ...

    @property
    def sandbox(self) -> Sandbox | None:
        """How plugins are confined, ``None`` while that is not known yet. Asking waits for nothing."""
        ...

    def system(self) -> SystemView:
        """What this server is and has."""
        ...

    def plugins(self) -> Sequence[PluginView]:
        """Every installed plugin, in the order they are shown."""
        ...

    def plugin(self, name: str) -> PluginView:
        """One plugin.

        :raises NotFound: when it is not installed.
        """
        ...

    def grants(self, name: str) -> GrantsView:
        """What a plugin was granted, what it has by that, and what it asks for.

        :raises NotFound: when it is not installed and was granted nothing.
        """
        ...

    def grant(self, name: str, raw: Mapping[str, object]) -> GrantsView:
        """Put grants, as the API takes them, in the place of those the plugin has.

        :raises InvalidRequest: when no plugin can have that name.
        :raises InvalidGrants: with every fault, or with why the plugin does not start with them. Nothing is changed.
        """
        ...

    def install(self, install_id: str) -> InstallView | None:
        """One install, ``None`` when it is not known."""
        ...

    def install_log(self, install_id: str, after: int = 0) -> tuple[InstallState, Sequence[InstallLine]]:
        """The state of an install, and the lines of its log after one.

        :raises NotFound: when it is not known.
        """
        ...

    def cancel(self, install_id: str) -> InstallView:
        """End an install, and give it as it then stands.

        :raises NotFound: when it is not known.
        :raises CadenceError: when it is too late for that.
        """
        ...

    def packages(self, ref: PluginRef) -> Packages:
        """The packages that a version brings.

        :raises NotFound: when it is not installed.
        """
        ...

    def recent_installs(self) -> Sequence[InstallView]:
        """The running installs and the last few that are over, newest first."""
        ...

    def submit(self, upload: Upload, options: InstallOptions) -> str:
        """Start an install, or a check by its options, in the background and return its id.

        The upload's file is its to remove, in any case.

        :raises CadenceError: when it cannot even be started.
        """
        ...

    def delete(self, ref: PluginRef) -> str | None:
        """Remove one version: its files, its archive, its entry. Returns the version that answers in its place.

        :raises CadenceError: when it is not there or cannot be removed.
        """
        ...

    def reload(self) -> ReloadView:
        """Load every plugin anew and tell how it went."""
        ...


def services() -> Services:
    """Return the services of the current application."""
    return cast(Services, current_app.extensions[EXTENSION])
