"""Made-up services of versions and health: what is decided on the pages changes values in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from cadence.errors import CadenceError, NotFound
from cadence.expectation import ANYTHING, Expected
from cadence.history import ActivationCause, CheckKind, CheckRecord, EventKind, PluginState
from cadence.model import ExampleResult, PluginRef
from cadence.removal import Restored
from cadence.web.history_views import KINDS, HistoryAsked, HistoryEntry, HistoryPage
from cadence.web.present import HealthView, LastCheck, PluginView, VersionView
from cadence.web.version_views import DeletedView, HealthHistory, SelfTestView, SwitchedView


def ago(**distance: float) -> str:
    """A moment in the past, as the index writes it."""
    return (datetime.now(UTC) - timedelta(**distance)).isoformat()


def check(version: str = "1.0.0", *, healthy: bool = True, words: str = "", **more: Any) -> CheckRecord:
    """A health check with every field filled."""
    values: dict[str, Any] = {"at": ago(minutes=3), "kind": CheckKind.SCHEDULED, "ms": 2.4}
    return CheckRecord(version=version, healthy=healthy, words=words, **(values | more))


def activated(
    version: str | None, before: str | None, cause: ActivationCause, words: str = "", **more: Any
) -> HistoryEntry:
    """An entry of the history: another version is active."""
    return HistoryEntry(
        ago(minutes=4), cause, "Activated", version, words, changed=True, previous_version=before, **more
    )


def happened(kind: EventKind, version: str | None = "1.0.0", words: str = "", **more: Any) -> HistoryEntry:
    """An entry of the history: something else."""
    return HistoryEntry(ago(minutes=5), kind, "Happened", version, words, **more)


def active_of(view: PluginView) -> str | None:
    """The version that answers."""
    return next((one.version for one in view.versions if one.active), None)


class MadeUpVersions:
    """``refuses`` is raised by whatever would change or look at something, where it is set."""

    def __init__(self, installed: Sequence[PluginView]) -> None:
        self.installed = list(installed)
        self.safe_mode = False
        self.deleted_retention_days = 7
        self.done: list[str] = []
        self.trash: dict[PluginRef, tuple[DeletedView, PluginView]] = {}
        self.checks: list[CheckRecord] = []
        self.recent: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        self.happenings: list[HistoryEntry] = []
        self.examples: list[ExampleResult] = []
        self.found = check(words="")
        self.refuses: CadenceError | None = None

    def plugin(self, name: str) -> PluginView:
        """One of what is installed."""
        for view in self.installed:
            if view.name == name:
                return view
        raise NotFound(f"No plugin {name!r} is installed.")

    def change(self, name: str, **values: Any) -> PluginView:
        """Change something about a plugin, as another operator might."""
        before = self.plugin(name)
        after = structs.replace(before, **values)
        self.installed[self.installed.index(before)] = after
        return after

    def switch(self, name: str, number: str | None) -> PluginView:
        """Have a version of a plugin be active, as another operator might."""
        before = self.plugin(name)
        versions = tuple(structs.replace(one, active=one.version == number) for one in before.versions)
        return self.change(
            name, versions=versions, version=number or versions[0].version, rollback_version=active_of(before)
        )

    def activate(self, name: str, version: str, *, expected: Expected = ANYTHING) -> SwitchedView:
        """Have a version answer, good from now on."""
        self._require(name, expected, version)
        self._do(f"activate {version}")
        if not any(one.version == version for one in self.plugin(name).versions):
            raise NotFound(f"{name} {version} is not installed.", ref=PluginRef(name, version))
        after = self.switch(name, version)
        good = [structs.replace(one, quarantine=None) if one.active else one for one in after.versions]
        return self._switched(self.change(name, versions=tuple(good), status="live"), f"{version} answers now")

    def roll_back(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Have the version answer that was active before."""
        target = self.plugin(name).rollback_version
        self._require(name, expected, target)
        expected.require_target(name, target, "a roll back")
        self._do(f"roll back to {target}")
        return self._switched(self.switch(name, target), f"{target} answers now")

    def pin(self, name: str, version: str | None = None, expected: Expected = ANYTHING) -> SwitchedView:
        """Keep what is active."""
        self._require(name, expected, version)
        self._do("pin")
        view = self.change(name, pinned=True)
        return self._switched(view, f"{view.version} is pinned")

    def unpin(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Keep it no more."""
        self._require(name, expected)
        self._do("unpin")
        return self._switched(self.change(name, pinned=False), f"{name} is not pinned any more")

    def disable(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Have nothing of it run."""
        self._require(name, expected)
        self._do("disable")
        return self._switched(self.change(name, disabled=True, status="disabled"), f"{name} is disabled")

    def enable(self, name: str, expected: Expected = ANYTHING) -> SwitchedView:
        """Have it answer again."""
        self._require(name, expected)
        self._do("enable")
        view = self.change(name, disabled=False, status="live")
        return self._switched(view, f"{name} is enabled, {view.version} answers")

    def successor(self, ref: PluginRef) -> str | None:
        """The highest good one of the others, where the active one goes."""
        view = self.plugin(ref.name)
        if active_of(view) != ref.version:
            return None
        good = (one.version for one in view.versions if one.version != ref.version and one.quarantine is None)
        return next(good, None)

    def delete(self, ref: PluginRef, expected: Expected = ANYTHING) -> str | None:
        """Delete a version; the highest that is left answers in its place."""
        if any(view.name == ref.name for view in self.installed):
            self._require(ref.name, expected, ref.version)
            expected.require_target(ref.name, self.successor(ref), f"the deletion of {ref.version}")
        for index, view in enumerate(self.installed):
            kept = [one for one in view.versions if one.version != ref.version]
            if view.name == ref.name and len(kept) < len(view.versions):
                self._keep(view, next(one for one in view.versions if one.version == ref.version))
                if kept and active_of(view) == ref.version:
                    kept[0] = structs.replace(kept[0], active=True)
                changed = structs.replace(view, versions=tuple(kept))
                changed = structs.replace(changed, version=active_of(changed) or view.version)
                self.installed[index : index + 1] = [changed] if kept else []
                return kept[0].version if kept and active_of(view) == ref.version else None
        raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)

    def deleted(self, name: str | None = None, limit: int | None = None) -> list[DeletedView]:
        """What can be brought back."""
        return [view for view, _ in reversed(self.trash.values()) if name in (None, view.name)][:limit]

    def deleted_version(self, ref: PluginRef) -> DeletedView | None:
        """One of it."""
        return self.trash[ref][0] if ref in self.trash else None

    def restore(self, ref: PluginRef, install_id: str | None = None) -> Restored:
        """Bring it back as its plugin was."""
        self._do(f"restore {ref.version}")
        if ref not in self.trash:
            raise NotFound(f"{ref.name} {ref.version} was not deleted, or so long ago that it is gone.", ref=ref)
        view, before = self.trash.pop(ref)
        self.installed[:] = [*(one for one in self.installed if one.name != ref.name), before]
        return Restored(ref, view.was_active)

    def health(self, name: str, before: int | None = None, limit: int = 50) -> HealthHistory:
        """How it stands, with the checks there are."""
        view = self.plugin(name)
        older = [one for one in self.checks if before is None or one.n < before]
        last = view.health.last_check or LastCheck(True, "", 2.4, ago(minutes=3))
        return HealthHistory(
            plugin_name=name,
            plugin_version=view.version,
            status=view.status,
            status_words=view.status_words,
            health=HealthView("healthy", last),
            is_new=view.is_new,
            checks=tuple(older[:limit]),
            next=older[limit - 1].n if len(older) > limit else None,
            restarts=view.restarts,
            recent_calls=self.recent[0],
            recent_errors=self.recent[1],
        )

    def check_health(self, name: str) -> CheckRecord:
        """Find what is to be found."""
        self._do("check")
        self.checks.insert(0, self.found)
        return self.found

    def self_test(self, name: str) -> SelfTestView:
        """Give the results there are."""
        self._do("self-test")
        failed = sum(not one.passed for one in self.examples)
        passed = len(self.examples) - failed
        message = f"{failed} of {len(self.examples)} examples failed" if failed else f"{passed} examples passed"
        return SelfTestView(name, self.plugin(name).version, passed, failed, message, tuple(self.examples))

    def history(self, name: str | None, asked: HistoryAsked, limit: int) -> HistoryPage:
        """What happened, by kind, version and origin; ``before`` is the number of entries that were shown.

        An entry of no plugin in particular happened to each.
        """
        kinds = None if asked.kind is None else KINDS[asked.kind]
        found = [
            entry
            for entry in self.happenings
            if (kinds is None or entry.kind in kinds)
            and (name is None or entry.plugin_name in (None, name))
            and asked.version in (None, entry.version, entry.previous_version)
            and asked.origin in (None, entry.origin)
        ]
        if not found and name is not None and not any(view.name == name for view in self.installed):
            raise NotFound(f"No plugin {name!r} is installed.")
        begin = int(asked.before or 0)
        older = str(begin + limit) if len(found) > begin + limit else None
        return HistoryPage(tuple(found[begin : begin + limit]), older)

    def history_versions(self, name: str) -> list[str]:
        """Of what happened."""
        return sorted({entry.version for entry in self.happenings if entry.version}, reverse=True)

    def _require(self, name: str, expected: Expected, version: str | None = None) -> None:
        view = self.plugin(name)
        expected.require_state(PluginState(name, active_of(view), view.pinned, view.disabled))
        about = version or active_of(view)
        for one in view.versions:
            if one.version == about:
                expected.require_install(PluginRef(name, one.version), one.install_id)

    def _do(self, what: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.done.append(what)

    def _keep(self, view: PluginView, version: VersionView) -> None:
        if not self.deleted_retention_days:
            return
        expires_at = (datetime.now(UTC) + timedelta(days=self.deleted_retention_days)).isoformat()
        deleted = DeletedView(
            name=view.name,
            version=version.version,
            description=view.description,
            deleted_at=ago(),
            expires_at=expires_at,
            was_active=version.active,
            size_bytes=version.size_bytes,
            install_id=version.install_id,
        )
        self.trash[PluginRef(view.name, version.version)] = deleted, view

    def _switched(self, view: PluginView, message: str) -> SwitchedView:
        return SwitchedView(view.name, active_of(view), None, view.pinned, view.disabled, message)
