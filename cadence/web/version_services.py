"""What pages and API do with versions and health: activate, go back, pin, disable, delete, restore, check."""

from collections.abc import Callable
from pathlib import Path

from cadence.errors import NotFound
from cadence.expectation import ANYTHING, Expected
from cadence.history import CheckRecord, PluginState
from cadence.model import PluginRef, VersionRecord
from cadence.parts import Parts, Running
from cadence.removal import Restored
from cadence.runtime.slot import LivePlugin
from cadence.storage.search import VersionPage
from cadence.switching import Switched
from cadence.web import version_views as views
from cadence.web.present import STATUS_LABELS, PluginStatus
from cadence.web.version_views import (
    DeletedView,
    HealthHistory,
    SelfTestView,
    Standing,
    SwitchedView,
    deleted_view,
    self_test_view,
    standing_of,
    switched_view,
)

RECENT_CHECKS = 50


class VersionServices:
    """The doings behind the pages and addresses of versions and health.

    Each decision takes what whoever decides has seen, and raises :class:`~cadence.expectation.Outdated` where that is
    not so any more.
    """

    def __init__(self, all_parts: Parts) -> None:
        self._parts = all_parts

    @property
    def running(self) -> Running:
        """The runtime, started where it was not."""
        return self._parts.serving

    def find_versions(self, words: str, limit: int, after: PluginRef | None = None) -> VersionPage:
        """The versions that have all the words in what they say of themselves, by name, the highest first.

        :param limit: how many at most.
        :param after: only what comes after this one.
        """
        return self._parts.index.find_versions(words, limit, after)

    def version(self, ref: PluginRef) -> VersionRecord:
        """One installed version.

        :raises NotFound: when it is not installed.
        """
        record = self._parts.index.version(ref)
        if record is None:
            raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
        return record

    def archive(self, ref: PluginRef) -> Path:
        """The archive that a version was installed from.

        :raises NotFound: when it is not installed, or was put into the store as a folder.
        """
        record = self.version(ref)
        if record.source == "directory":
            words = f"{ref.name} {ref.version} was put into the store as a folder, so there is no archive of it."
            raise NotFound(f"{words} flask plugins pack makes one.", ref=ref)
        return self._parts.store.archive(ref)

    def activate(self, name: str, version: str, *, pin: bool = False, expected: Expected = ANYTHING) -> SwitchedView:
        """Have an installed version answer. Raises as :meth:`Switcher.activate`."""
        switched = self.running.switcher.activate(name, version, trial=self._tries, pin=pin, expected=expected)
        return switched_view(switched, (views.pinned_words if pin else views.activated_words)(switched))

    def roll_back(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Have the version answer that was active before. Raises as :meth:`Switcher.roll_back`."""
        switched = self.running.switcher.roll_back(name, trial=self._tries, expected=expected)
        return _said(switched, views.activated_words)

    def pin(self, name: str, version: str | None = None, expected: Expected = ANYTHING) -> SwitchedView:
        """Keep the active version, or ``version``, active. Raises as :meth:`Switcher.pin`."""
        switched = self.running.switcher.pin(name, version, trial=self._tries, expected=expected)
        return _said(switched, views.pinned_words)

    def unpin(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Let a higher version that is uploaded take over again. Raises as :meth:`Switcher.unpin`."""
        return _said(self.running.switcher.unpin(name, expected), views.unpinned_words)

    def disable(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Have nothing of a plugin run. Raises as :meth:`Switcher.disable`."""
        return _said(self.running.switcher.disable(name, expected), views.disabled_words)

    def enable(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Have a plugin answer again. Raises as :meth:`Switcher.enable`."""
        switched = self.running.switcher.enable(name, trial=self._tries, expected=expected)
        return _said(switched, views.enabled_words)

    def successor(self, ref: PluginRef) -> str | None:
        """The version that would answer if this one was deleted now; None where that changes nothing."""
        return self._parts.index.successor_of(ref)

    def delete(self, ref: PluginRef, expected: Expected = ANYTHING) -> str | None:
        """Take one version out; returns the version that answers in its place. Raises as :meth:`Remover.delete`."""
        return self.running.remover.delete(ref, expected)

    def restore(self, ref: PluginRef, install_id: str | None = None) -> Restored:
        """Bring a deleted version back. Raises as :meth:`Remover.restore`."""
        return self.running.remover.restore(ref, install_id)

    def deleted(self, name: str | None = None, limit: int | None = None) -> list[DeletedView]:
        """What was deleted and can be brought back, of one plugin or of all, the latest first; at most so many."""
        return [deleted_view(one) for one in self._parts.index.deleted_versions(name, limit)]

    def deleted_version(self, ref: PluginRef) -> DeletedView | None:
        """One version that was deleted and can be brought back, None where it cannot."""
        return next((one for one in self.deleted(ref.name) if one.version == ref.version), None)

    def health(self, name: str, before: int | None = None, limit: int = RECENT_CHECKS) -> HealthHistory:
        """How a plugin stands, with its latest checks and the calls of the last hour. Wakes nothing.

        :param before: only checks with a lower number than this.
        :param limit: so many checks at most.
        :raises NotFound: when it is not installed.
        """
        records, live = self._records(name), self.running.live_set.plugin(name)
        standing = self._standing(records, live, self._parts.index.plugin_state(name))
        shown = live.record if live else next((one for one in records if one.active), records[0])
        checks = self._parts.index.checks(name, limit + 1, before)
        return HealthHistory(
            plugin_name=name,
            plugin_version=shown.ref.version,
            status=standing.status,
            status_words=standing.words,
            health=standing.health,
            is_new=live is not None and live.is_new,
            checks=tuple(checks[:limit]),
            next=checks[limit - 1].n if len(checks) > limit else None,
            restarts=live.restarts if live else 0,
            recent_calls=live.tally.recent if live else (),
            recent_errors=live.tally.recent_errors if live else (),
        )

    def check_health(self, name: str) -> CheckRecord:
        """Check the health of a plugin now; wakes it. Raises as a call of a tool does."""
        return self.running.guardian.check(name)

    def self_test(self, name: str) -> SelfTestView:
        """Run the examples of a plugin's tools; wakes it. Raises as a call of a tool does."""
        examples = self.running.live_set.self_test(name)
        live = self.running.live_set.plugin(name)
        return self_test_view(name, live.record.ref.version if live else "", examples)

    def counts(self) -> dict[PluginStatus, int]:
        """How many plugins stand how, as this process sees them."""
        counts: dict[PluginStatus, int] = dict.fromkeys(STATUS_LABELS, 0)
        for plugin in self.running.live_set.plugins():
            counts["stopped" if self._parts.settings.safe_mode else plugin.status] += 1
        silent = self._parts.index.plugins_without_answer()
        return counts | {status: counts[status] + silent.get(status, 0) for status in counts}

    @property
    def _tries(self) -> bool:
        """Whether what is to answer is tried out first. In safe mode nothing can be, and only the index is changed."""
        return not self._parts.settings.safe_mode

    def _records(self, name: str) -> list[VersionRecord]:
        records = self._parts.index.versions_of(name)
        if not records:
            raise NotFound(f"No plugin {name!r} is installed.")
        return records

    def _standing(self, records: list[VersionRecord], live: LivePlugin | None, state: PluginState | None) -> Standing:
        found = state or PluginState(records[0].ref.name, None)
        return standing_of(records, live, found, safe_mode=self._parts.settings.safe_mode)


def _said(switched: Switched, words: Callable[[Switched], str]) -> SwitchedView:
    return switched_view(switched, words(switched))
