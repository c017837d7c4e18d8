"""What the pages need of the rest of the server, as one interface."""

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from flask import current_app

from cadence.comparison import Comparison, FileDifference
from cadence.expectation import ANYTHING, Expected
from cadence.history import CheckRecord
from cadence.model import InstallOptions, InstallState, Limits, PluginRef, Upload
from cadence.removal import Restored
from cadence.runtime.log_lines import LogPage
from cadence.sandbox import Sandbox
from cadence.storage.installs import InstallLine
from cadence.web.bulk import BulkAction, BulkView
from cadence.web.incoming import IncomingUpload
from cadence.web.install_views import InstallView
from cadence.web.listing import ListPage, ListQuestion
from cadence.web.logs import LogQuestion
from cadence.web.packages import Packages
from cadence.web.present import GrantsView, PluginView, ReloadView
from cadence.web.version_views import DeletedView, HealthHistory, SelfTestView, SwitchedView

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

    @property
    def safe_mode(self) -> bool:
        """Whether no plugin runs, because an operator wanted it so."""
        ...

    @property
    def deleted_retention_days(self) -> int:
        """Days in which a deleted version can be brought back."""
        ...

    def listed(self, question: ListQuestion) -> ListPage:
        """A page of the list of plugins."""
        ...

    def switch_all(self, action: BulkAction, names: Sequence[str]) -> BulkView:
        """Disable or enable plugins, or load them anew.

        :raises InvalidRequest: when there is none, or too many.
        """
        ...

    def delete_all(self, installs: Mapping[PluginRef, str]) -> BulkView:
        """Take out versions, each if it is still that install. Raises as :meth:`switch_all`."""
        ...

    def install_bytes(self, filename: str, archive: bytes) -> str:
        """Start an install of an archive that is at hand, in the background, and return its id."""
        ...

    def plugin(self, name: str) -> PluginView:
        """One plugin.

        :raises NotFound: when it is not installed.
        """
        ...

    def grants(self, name: str, *, ahead: bool = False) -> GrantsView:
        """What a plugin was granted, what it has by that, and what it asks for.

        :param ahead: whether a name is answered too of which nothing is known yet.
        :raises NotFound: when it is not installed and was granted nothing.
        """
        ...

    def grant(self, name: str, raw: Mapping[str, object], revision: int | None = None) -> GrantsView:
        """Put grants, as the API takes them, in the place of those the plugin has.

        :param revision: of the grants that these are to take the place of; None: of any.
        :raises Outdated: when there are others by now. Nothing is changed.
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

    def checked(self, check_id: str, *, force_overwrite: bool | None = None) -> tuple[Upload, InstallOptions]:
        """What a check looked at, given out once to be submitted.

        :raises CadenceError: when there is no such check, it did not pass, or its archive is not here any more.
        """
        ...

    def again(self, install_id: str, *, force_overwrite: bool | None = None) -> tuple[Upload, InstallOptions]:
        """What an install or a check looked at that did not succeed, given out once to be submitted.

        :raises CadenceError: when there is no such install, it did not fail, or its archive is not here any more.
        """
        ...

    def installs(
        self, limit: int, *, after: str | None = None, name: str | None = None, state: InstallState | None = None
    ) -> Sequence[InstallView]:
        """The latest installs and checks, newest first.

        :param after: only those that began before the one with this id.
        """
        ...

    def incoming(self) -> Sequence[IncomingUpload]:
        """The uploads that are coming in."""
        ...

    def compare(self, name: str, old: str, new: str) -> Comparison:
        """What is different between two installed versions.

        :raises CadenceError: when one of them is not installed, or they are the same.
        """
        ...

    def file_difference(self, name: str, old: str, new: str, path: str) -> FileDifference:
        """What is different in one of their files. Raises as :meth:`compare`, and when neither has it."""
        ...

    def activate(self, name: str, version: str, *, expected: Expected) -> SwitchedView:
        """Have an installed version answer, also one that was taken back.

        :param expected: what whoever decides has seen.
        :raises Outdated: when that is not so any more; nothing is done then. So do the others.
        :raises CadenceError: when it is not installed or does not load. What answers stays.
        """
        ...

    def roll_back(self, name: str, expected: Expected) -> SwitchedView:
        """Have the version answer that was active before. Raises as :meth:`activate`, and when there is none."""
        ...

    def pin(self, name: str, version: str | None, expected: Expected) -> SwitchedView:
        """Keep the active version, or another, whatever is uploaded or fails. Raises as :meth:`activate`."""
        ...

    def unpin(self, name: str, expected: Expected) -> SwitchedView:
        """Let a higher version that is uploaded take over again."""
        ...

    def disable(self, name: str, expected: Expected) -> SwitchedView:
        """Have nothing of a plugin run."""
        ...

    def enable(self, name: str, expected: Expected) -> SwitchedView:
        """Have a plugin answer again. Raises as :meth:`activate`."""
        ...

    def successor(self, ref: PluginRef) -> str | None:
        """The version that would answer if this one was deleted now; None where that changes nothing."""
        ...

    def delete(self, ref: PluginRef, expected: Expected = ANYTHING) -> str | None:
        """Take one version out. Returns the version that answers in its place.

        :raises Outdated: when it does not stand as expected; it stays then.
        :raises CadenceError: when it is not there or cannot be removed.
        """
        ...

    def deleted(self, name: str | None = None, limit: int | None = None) -> Sequence[DeletedView]:
        """What was deleted and can be brought back, of one plugin or of all, the latest first; at most so many."""
        ...

    def deleted_version(self, ref: PluginRef) -> DeletedView | None:
        """One version that was deleted and can be brought back, None where it cannot."""
        ...

    def restore(self, ref: PluginRef, install_id: str | None = None) -> Restored:
        """Bring a deleted version back.

        :param install_id: of the deleted install that is meant.
        :raises CadenceError: when it cannot be.
        """
        ...

    def health(self, name: str, before: int | None = None, limit: int = 50) -> HealthHistory:
        """How a plugin stands, with its latest checks and the calls of the last hour. Wakes nothing.

        :param before: only checks with a lower number than this.
        :param limit: so many checks at most.
        :raises NotFound: when it is not installed.
        """
        ...

    def check_health(self, name: str) -> CheckRecord:
        """Check the health of a plugin now. Raises as a call of a tool does."""
        ...

    def self_test(self, name: str) -> SelfTestView:
        """Run the examples of a plugin's tools. Raises as a call of a tool does."""
        ...

    def log(self, name: str, asked: LogQuestion) -> LogPage:
        """Lines of the log of a plugin.

        :raises NotFound: when nothing is known of it.
        :raises InvalidRequest: when what they are asked after is no cursor.
        """
        ...

    def reload(self) -> ReloadView:
        """Load every plugin anew and tell how it went."""
        ...


def services() -> Services:
    """Return the services of the current application."""
    return cast(Services, current_app.extensions[EXTENSION])
