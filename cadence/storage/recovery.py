"""What start-up does about the processes that died: finish what they had decided, sweep away what they had not.

What is found, and what becomes of it:

===================================  ==================================================================
a commit whose files did not follow  completed from its archive, staged or in place; given up when that is lost
a removal whose files did not follow completed: they go, or lie aside, where it can be brought back
a version without its folder         the folder is unpacked again from the archive, if that is unchanged
… and without a usable archive       the version is taken out of the index
a version without its archive        kept: it works; a warning
a folder no version knows            left alone and listed: it may be a plugin put there by hand
an archive no version knows          left alone and listed; it is never installed by itself
a deletion whose restoration began   still deleted and complete: what was unpacked for it is deleted
… and was committed                  completed, as any commit, from what lies aside
a deleted version without its files  forgotten: it cannot be brought back; a warning
files aside of what nobody knows     deleted: it was restored, installed again, or kept long enough
an install whose owner died          ``interrupted``, its staging deleted
staging no living install owns       deleted
===================================  ==================================================================

Nothing is unpacked into place: a folder is made whole in staging and then swapped in. Processes that are alive and at
work meanwhile are left in peace: their plugins' locks are taken, and their owners live.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from cadence.errors import CadenceError
from cadence.model import InstallState, PluginRef, VersionRecord
from cadence.origin import BY_ITSELF, acting_for
from cadence.storage.index import Index
from cadence.storage.locks import Busy, file_lock, plugin_lock
from cadence.storage.owners import forget_dead, is_alive
from cadence.storage.publication import move_away
from cadence.storage.rename import put_in_place
from cadence.storage.staging import Staging
from cadence.storage.store import Store, full_disk_in_words
from cadence.storage.tree import file_digest, remove_tree, sync_tree

RECOVERY_SECONDS = 120.0
"""How long a start waits for the recovery that another process is at."""

Rebuild = Callable[[Path, PluginRef, Path], None]
"""Unpacks an archive: where it is, what it holds, and the folder to make. It may raise any error of Cadence."""

log = logging.getLogger(__name__)


class RecoveryReport(Struct, frozen=True):
    """What recovery found and did. ``clean`` when there was nothing."""

    completed: tuple[PluginRef, ...] = ()
    """Commits whose files were put in place."""
    removed: tuple[PluginRef, ...] = ()
    """Removals whose files were deleted."""
    rebuilt: tuple[PluginRef, ...] = ()
    """Versions whose folder was unpacked again."""
    lost: tuple[PluginRef, ...] = ()
    """Versions and commits taken out of the index, because neither folder nor archive is left."""
    interrupted: tuple[str, ...] = ()
    """The ids of installs whose process died."""
    unknown_folders: tuple[str, ...] = ()
    """Folders in the store that no version knows."""
    unknown_archives: tuple[str, ...] = ()
    """Archives, without ``.zip``, that no version knows."""
    warnings: tuple[str, ...] = ()
    """Sentences for the operator."""

    @property
    def clean(self) -> bool:
        """Whether there is nothing to tell."""
        return self == RecoveryReport()


def recover(index: Index, store: Store, rebuild: Rebuild) -> RecoveryReport:
    """Bring index and store to agreement. Run at each start, before plugins are loaded; it can be run at any time.

    :param rebuild: unpacks an archive (of an install that was accepted once) into a folder that does not exist yet.
    :raises Busy: when the recovery of another process does not end.
    """
    busy = "Another process recovers the same instance and does not end. Stop it, then start again."
    lock = file_lock(index.instance / "recovery.lock", timeout=RECOVERY_SECONDS, busy=busy)
    with lock, acting_for(BY_ITSELF):  # though it may be somebody's request that started the server
        report = _Recovery(index, store, rebuild).run()
    for sentence in report.warnings:
        log.warning("%s", sentence)
    return report


def settle_plugin(index: Index, store: Store, rebuild: Rebuild, name: str) -> None:
    """Finish what a process that died had decided about one plugin, before it is changed again.

    The caller holds the plugin's lock. Costs one query where there is nothing to finish.
    """
    recovery = _Recovery(index, store, rebuild)
    for change in index.pending_changes():
        if change.ref.name == name:
            recovery.settle(change.ref)


class _Recovery:
    """One run: collects what it finds."""

    def __init__(self, index: Index, store: Store, rebuild: Rebuild) -> None:
        self._index = index
        self._store = store
        self._rebuild = rebuild
        self._completed: list[PluginRef] = []
        self._removed: list[PluginRef] = []
        self._rebuilt: list[PluginRef] = []
        self._lost: list[PluginRef] = []
        self._warnings: list[str] = []

    def run(self) -> RecoveryReport:
        # Files are listed before rows are read: whoever is at work meanwhile writes the row before the file appears.
        staged, folders, archives = self._store.stagings(), self._store.folders(), self._store.archives()
        aside = self._store.deleted_ids()
        self._settle_all()
        self._mend_all(folders, archives)
        interrupted = self._end_dead_installs()
        self._sweep(staged)
        self._sweep_deleted(aside)
        self._forget_dead_servers()
        known = self._known_slugs()
        return RecoveryReport(
            completed=tuple(self._completed),
            removed=tuple(self._removed),
            rebuilt=tuple(self._rebuilt),
            lost=tuple(self._lost),
            interrupted=tuple(interrupted),
            unknown_folders=tuple(sorted((folders & self._store.folders()) - known)),
            unknown_archives=tuple(sorted((archives & self._store.archives()) - known)),
            warnings=tuple(self._warnings),
        )

    def settle(self, ref: PluginRef) -> None:
        """Finish the change of one version that waits, if there still is one. The plugin's lock is held."""
        change = self._index.pending_change(ref)
        if change is None:
            return
        with self._failure_told(f"What was begun with {ref.slug} could not be finished"):
            if change.record is None:
                move_away(self._index, self._store, ref)
                self._index.mark_removed(ref)
                self._removed.append(ref)
            elif change.record.source == "directory":
                self._settle_adoption(change.record)
            else:
                self._settle_publication(change.record)

    def _settle_all(self) -> None:
        for change in self._index.pending_changes():
            self._unless_busy(change.ref, self.settle)

    def _settle_adoption(self, record: VersionRecord) -> None:
        folder, aside = self._store.folder(record.ref), self._store.deleted(record.install_id, has_archive=False)
        if aside.tree.is_dir() and not folder.exists():
            put_in_place(aside.tree, folder)
            self._store.sync_names()
        if folder.is_dir():
            self._complete(record)
        else:
            self._give_up(record, "its folder is gone")

    def _settle_publication(self, record: VersionRecord) -> None:
        staging, aside = self._store.staging_of(record.install_id), self._store.deleted(record.install_id)
        archive = self._find_archive(record, staging, aside)
        if archive is None:
            self._settle_without_archive(record)
        else:
            rebuilt = staging.plugin_root / "rebuilt"
            self._make_folder(record.ref, archive, rebuilt)
            if archive != self._store.archive(record.ref):
                put_in_place(archive, self._store.archive(record.ref))
            self._swap_folder(record.ref, rebuilt)
            self._complete(record)
        staging.discard()

    def _settle_without_archive(self, record: VersionRecord) -> None:
        deleted = self._index.deleted(record.ref)
        if deleted is not None and deleted.record.install_id == record.install_id:
            self._settle_adoption(record)  # it had none when it was deleted either, so its folder was kept
        else:
            self._give_up(record, "its archive is gone")

    def _find_archive(self, record: VersionRecord, staging: Staging, aside: Staging) -> Path | None:
        """The archive of a commit, wherever the dead process had brought it: known by its digest."""
        staged = [path for root in (staging, aside) for path in sorted(root.archive_root.glob("upload.zip*"))]
        candidates = [self._store.archive(record.ref), *staged]
        return next((path for path in candidates if path.is_file() and file_digest(path) == record.sha256), None)

    def _complete(self, record: VersionRecord) -> None:
        self._index.mark_published(record.ref, record.install_id)
        self._completed.append(record.ref)

    def _give_up(self, record: VersionRecord, reason: str) -> None:
        self._index.abandon_publication(record.ref, record.install_id)
        self._lost.append(record.ref)
        self._warnings.append(f"The install of {record.ref.slug} could not be completed: {reason}. Upload it again.")

    def _mend_all(self, folders: set[str], archives: set[str]) -> None:
        for record in self._index.versions():
            slug = record.ref.slug
            if slug not in folders or (slug not in archives and record.source == "upload"):
                self._unless_busy(record.ref, self._mend)

    def _mend(self, ref: PluginRef) -> None:
        record = self._index.version(ref)
        if record is None:
            return
        archive = self._store.archive(ref)
        if self._store.folder(ref).is_dir():
            if record.source == "upload" and not archive.is_file():
                self._warnings.append(f"The archive of {ref.slug} is missing from the store; its folder is complete.")
        elif record.source == "upload" and archive.is_file() and file_digest(archive) == record.sha256:
            self._unpack_again(ref, archive)
        else:
            self._take_out(ref, "and its archive was changed" if archive.is_file() else "and so is any archive of it")

    def _unpack_again(self, ref: PluginRef, archive: Path) -> None:
        with self._failure_told(f"The folder of {ref.slug} is missing and could not be made again"):
            rebuilt = self._store.staging_of(f"rebuilt-{ref.slug}")
            self._make_folder(ref, archive, rebuilt.tree)
            self._swap_folder(ref, rebuilt.tree)
            rebuilt.discard()
            self._rebuilt.append(ref)

    def _take_out(self, ref: PluginRef, reason: str) -> None:
        fallback = self._index.forget(ref)
        self._lost.append(ref)
        instead = f" Version {fallback} is active in its place." if fallback else ""
        self._warnings.append(
            f"The folder of {ref.slug} is gone from the store, {reason}: it is no longer installed.{instead}"
        )

    def _make_folder(self, ref: PluginRef, archive: Path, folder: Path) -> None:
        remove_tree(folder)  # of a recovery that was killed
        folder.parent.mkdir(parents=True, exist_ok=True)
        with full_disk_in_words():
            self._rebuild(archive, ref, folder)
            sync_tree(folder)

    def _swap_folder(self, ref: PluginRef, folder: Path) -> None:
        put_in_place(folder, self._store.folder(ref))
        self._store.sync_names()

    def _end_dead_installs(self) -> list[str]:
        installed = {record.install_id: record.ref for record in self._index.versions()}
        dead = [run.id for run in self._index.running_installs() if not is_alive(self._index.instance, run.owner)]
        for id in dead:
            outcome = interrupted_outcome(installed.get(id))
            self._index.finish_install(id, InstallState.INTERRUPTED, 500, outcome)
        return dead

    def _sweep(self, staged: set[str]) -> None:
        kept = {run.id for run in self._index.running_installs()}
        for change in self._index.pending_changes():
            kept.add(change.record.install_id if change.record else self._store.removal_id(change.ref))
        for id in staged - kept:
            self._store.staging_of(id).discard()

    def _sweep_deleted(self, aside: set[str]) -> None:
        # In this order: what is deleted at this moment is in the one or in the other.
        installed = {record.install_id: record.ref for record in self._index.versions()}
        deleted = self._index.deleted_installs()
        for id in aside - deleted.keys():
            if id in installed:
                self._unless_busy(installed[id], partial(self._sweep_one_deleted, id))
            else:
                self._store.deleted(id).discard()
        for ref in deleted.values():
            self._unless_busy(ref, self._mend_deleted)

    def _sweep_one_deleted(self, id: str, _: PluginRef) -> None:
        if id not in self._index.deleted_installs():
            self._store.deleted(id).discard()

    def _mend_deleted(self, ref: PluginRef) -> None:
        deleted = self._index.deleted(ref)
        if deleted is None or self._index.pending_change(ref) is not None:
            return
        aside = self._store.deleted(deleted.record.install_id)
        if aside.upload.is_file():
            remove_tree(aside.tree)
        elif not aside.tree.is_dir():
            self._index.forget_deleted(ref)
            self._warnings.append(f"{ref.slug} was deleted, and cannot be brought back: what was kept of it is gone.")

    def _forget_dead_servers(self) -> None:
        for server in self._index.servers():
            if not is_alive(self._index.instance, server.id):
                self._index.unregister_server(server.id)
        forget_dead(self._index.instance)

    def _known_slugs(self) -> set[str]:
        refs = [record.ref for record in self._index.versions()]
        refs += [change.ref for change in self._index.pending_changes()]
        return {ref.slug for ref in refs}

    @contextlib.contextmanager
    def _failure_told(self, what: str) -> Iterator[None]:
        """One plugin that cannot be mended keeps nobody from the others."""
        try:
            yield
        except (CadenceError, OSError) as error:
            self._warnings.append(f"{what}, and will be tried again at the next start: {error}")

    def _unless_busy(self, ref: PluginRef, act: Callable[[PluginRef], None]) -> None:
        """Act under the plugin's lock; where somebody alive holds it, it is theirs to finish."""
        with contextlib.suppress(Busy), plugin_lock(self._index.instance, ref.name, timeout=0):
            act(ref)


def interrupted_outcome(installed: PluginRef | None) -> dict[str, object]:
    """The JSON outcome of an install whose server died; ``installed`` is its plugin where it is there all the same."""
    if installed is None:
        details = "The server ended during the install. Nothing was changed; upload the plugin again."
        return {"success": False, "message": "Install interrupted", "details": details}
    return {
        "success": False,
        "message": "Install interrupted",
        "plugin_name": installed.name,
        "plugin_version": installed.version,
        "details": "The server ended before it could answer. The plugin is installed.",
    }
