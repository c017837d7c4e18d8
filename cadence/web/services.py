"""What pages and API both do, as calls on the parts: each is one function, and answers with a value to show."""

from collections.abc import Mapping
from functools import cached_property
from itertools import groupby
from typing import cast

from flask import current_app
from msgspec import structs

from cadence.comparer import Comparer
from cadence.comparison import Comparison, FileDifference
from cadence.errors import NotFound
from cadence.history import PluginState
from cadence.model import (
    Limits,
    PluginRef,
    VersionRecord,
)
from cadence.parts import Parts
from cadence.reconciler import ReloadReport
from cadence.runtime.slot import LivePlugin
from cadence.sandbox import Sandbox
from cadence.web.bulk import BulkServices
from cadence.web.catalogue import Catalogue
from cadence.web.chat import ChatServices
from cadence.web.grants import grants_view, requested, require_known, shown_version, standing, view_ahead
from cadence.web.history import HistoryServices
from cadence.web.installs import InstallServices
from cadence.web.listing import Answering, ListPage, ListQuestion
from cadence.web.logs import LogServices
from cadence.web.overview import OverviewServices
from cadence.web.packages import EnvironmentView, Packages, environment_views, packages_of
from cadence.web.present import GrantsView, PluginView, ReloadedPlugin, ReloadView, plugin_view
from cadence.web.system import SystemServices
from cadence.web.tools import ToolServices
from cadence.web.usage import UsageServices
from cadence.web.version_services import VersionServices

EXTENSION = "cadence"


def parts() -> Parts:
    """The parts of the current application."""
    return cast(Parts, current_app.extensions[EXTENSION])


class PluginServices(
    VersionServices,
    HistoryServices,
    InstallServices,
    BulkServices,
    OverviewServices,
    LogServices,
    ChatServices,
    ToolServices,
    SystemServices,
    UsageServices,
):
    """The doings behind pages and API."""

    @property
    def max_upload_bytes(self) -> int:
        """The largest archive that is taken, in bytes."""
        return self._parts.settings.max_upload_bytes

    @property
    def default_limits(self) -> Limits:
        """What a plugin gets that was granted nothing."""
        return self._parts.settings.limits

    @property
    def safe_mode(self) -> bool:
        """Whether no plugin runs, because an operator wanted it so."""
        return self._parts.settings.safe_mode

    @property
    def deleted_retention_days(self) -> int:
        """Days in which a deleted version can be brought back."""
        return self._parts.settings.deleted_retention_days

    @property
    def sandbox(self) -> Sandbox | None:
        """How plugins are confined, ``None`` while that is not known yet. Asking starts nothing."""
        return self._parts.sandbox

    def versions(self) -> list[VersionRecord]:
        """Every installed version, by name, the highest first."""
        return self._parts.index.versions()

    def directory(self, ref: PluginRef) -> str:
        """Where the files of a version lie."""
        return str(self._parts.store.folder(ref))

    def plugins(self) -> list[PluginView]:
        """Every installed plugin, by name."""
        live = {plugin.record.ref.name: plugin for plugin in self.running.live_set.plugins()}
        states = self._parts.index.plugin_states()
        by_name = groupby(self._parts.index.versions(), key=lambda record: record.ref.name)
        return [self._view(list(records), live.get(name), states.get(name)) for name, records in by_name]

    def listed(self, question: ListQuestion) -> ListPage:
        """A page of the list of plugins."""
        return self._catalogue.page(question)

    def names(self) -> frozenset[str]:
        """Every installed plugin."""
        return self._catalogue.names()

    def answering(self) -> list[Answering]:
        """The plugins that can answer a call, perhaps after a while, by name."""
        return self._catalogue.answering()

    @cached_property
    def _catalogue(self) -> Catalogue:
        safe_mode = self._parts.settings.safe_mode
        return Catalogue(self._parts.index, lambda: self.running.live_set, safe_mode=safe_mode)

    def plugin(self, name: str) -> PluginView:
        """One plugin.

        :raises NotFound: when it is not installed.
        """
        records = self._records(name)
        return self._view(records, self.running.live_set.plugin(name), self._parts.index.plugin_state(name))

    def compare(self, name: str, old: str, new: str) -> Comparison:
        """What is different between two installed versions. Raises as :class:`Comparer` does."""
        return Comparer(self._parts.index, self._parts.store).installed(name, old, new)

    def file_difference(self, name: str, old: str, new: str, path: str) -> FileDifference:
        """What is different in one of their files. Raises as :class:`Comparer` does."""
        return Comparer(self._parts.index, self._parts.store).file(name, old, new, path)

    def packages(self, ref: PluginRef) -> Packages:
        """The packages that one version brings.

        :raises NotFound: when it is not installed.
        """
        record = self._parts.index.version(ref)
        if record is None:
            raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
        return packages_of(self._parts.index, self._parts.environments, record)

    def environments(self) -> list[EnvironmentView]:
        """Every environment of packages there is, the largest first."""
        return environment_views(self._parts.environments.usage(), self.versions())

    def reload(self) -> ReloadView:
        """Load every plugin anew."""
        return reload_view(self.running.reconciler.reload())

    def grants(self, name: str, *, ahead: bool = False) -> GrantsView:
        """What a plugin was granted, what it has by that, and what it asks for.

        :param ahead: whether a name is answered too of which nothing is known yet.
        :raises NotFound: when it is not installed, and nothing was granted ahead to its name.
        """
        if not ahead:
            require_known(self._parts.index, name)
        return self._grants(name)

    def _grants(self, name: str) -> GrantsView:
        granted, defaults = self._parts.index.granted(name), self._parts.settings.limits
        records = self._parts.index.versions_of(name)
        if not records:
            return view_ahead(name, granted, defaults)
        live = self.running.live_set.plugin(name)
        in_force, message = standing(name, granted, live)
        metadata = (live or shown_version(records)).report.metadata
        return grants_view(name, metadata, granted, defaults, in_force=in_force, message=message)

    def grant(self, name: str, raw: Mapping[str, object], revision: int | None = None) -> GrantsView:
        """Put grants in the place of those the plugin has; returns once this server runs it with them.

        :param name: of a plugin, or of one that is not installed yet, whose first install is tried with them.
        :param raw: as the JSON API takes it; what is left out is not granted, and null in ``env`` keeps a value.
        :param revision: of the grants that these are to take the place of; None: of any.
        :raises Outdated: when there are others by now. Nothing is changed.
        :raises InvalidRequest: when no plugin can have this name.
        :raises InvalidGrants: with every fault, or with why the plugin does not start with them. Nothing is changed.
        """
        self.running.granter.grant(name, lambda _: raw, revision)
        return self._grants(name)

    def _view(self, records: list[VersionRecord], live: LivePlugin | None, state: PluginState | None) -> PluginView:
        standing = self._standing(records, live, state)
        view = plugin_view(records, standing.status, standing.words, directory_of=self.directory)
        view = structs.replace(
            view,
            health=standing.health,
            pinned=state is not None and state.pinned,
            disabled=state is not None and state.disabled,
            # With one version there is nothing to ask for, and a thousand plugins are shown at once.
            rollback_version=self._parts.index.rollback_target(view.name) if len(records) > 1 else None,
        )
        return view if live is None else _with_live(view, live)


def _with_live(view: PluginView, live: LivePlugin) -> PluginView:
    tally = live.tally
    view = structs.replace(
        view,
        is_new=live.is_new,
        last_called_at=tally.last_called_at,
        calls=tally.calls,
        errors=tally.errors,
        restarts=live.restarts,
    )
    if live.record.ref.version != view.version:
        return view
    # What the running worker says of itself is newer than what the index kept of the install.
    metadata = live.report.metadata
    return structs.replace(
        view,
        description=metadata.description,
        capabilities=metadata.capabilities,
        tools=live.report.tools,
        requested=requested(metadata),
    )


def reload_view(report: ReloadReport) -> ReloadView:
    """A reload as it is shown."""
    plugins = tuple(ReloadedPlugin(done.name, done.version, done.ms, done.error) for done in report.plugins)
    return ReloadView(report.loaded, report.healthy, report.failed, plugins)
