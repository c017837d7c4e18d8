"""Taking versions out, and bringing them back for a while.

What is deleted lies aside (:mod:`cadence.storage.store`) until its time is over or the same version is installed again.
It comes back by the way of an install, but for the trial: what is unpacked is the archive that passed it.
"""

import contextlib
from collections.abc import Callable, Iterator

from msgspec import Struct

from cadence.checking import is_installed
from cadence.errors import CadenceError, NotFound, PluginExists
from cadence.expectation import ANYTHING, Expected, outdated
from cadence.history import DeletedVersion
from cadence.intake.disk import full_disk_refused
from cadence.model import PluginRef, VersionRecord
from cadence.runtime.live_set import LiveSet
from cadence.storage.commits import Publication
from cadence.storage.index import Index
from cadence.storage.locks import Busy, plugin_lock
from cadence.storage.publication import publish_version, remove_version
from cadence.storage.recovery import Rebuild, settle_plugin
from cadence.storage.staging import Staging
from cadence.storage.store import Store
from cadence.storage.trash import Deleted
from cadence.storage.tree import file_digest, remove_tree

#: How long a restoration waits for an install or another change of the same plugin, in seconds.
WAIT_SECONDS = 60.0


class Restored(Struct, frozen=True):
    """A version that was brought back, and whether it answers."""

    ref: PluginRef
    activated: bool


class Remover:
    """Deletes and restores versions.

    :param rebuild: unpacks the archive of a version that was accepted once.
    :param retention_days: days for which what was deleted is kept; 0: it is gone at once.
    :param tidy: is called when something may have become superfluous.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        live_set: LiveSet,
        rebuild: Rebuild,
        retention_days: int,
        tidy: Callable[[], object],
    ) -> None:
        self._index = index
        self._store = store
        self._live_set = live_set
        self._rebuild = rebuild
        self._retention_days = retention_days
        self._tidy = tidy

    def delete(self, ref: PluginRef, expected: Expected = ANYTHING) -> str | None:
        """Take a version out: from what answers, from the index, the store and the archive.

        :param expected: what whoever deletes it has seen; its install is the one that goes, its target what was said
            to answer in its place.
        :returns: the version that answers in its place, None where there is none or it did not answer before.
        :raises NotFound: when it is not installed.
        :raises Outdated: when it does not stand as expected; it stays then.
        """
        if self._index.version(ref) is None:  # before a lock is made for a name that no plugin can have
            raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
        with self._changing(ref.name, timeout=None):
            before = self._index.active_of(ref.name)
            fallback = remove_version(self._index, self._store, ref, self._retention_days, expected)
            generation = self._index.generation()
            remaining = self._index.active_of(ref.name)
            if remaining is None:
                self._live_set.remove(ref.name, generation)
        if remaining is not None and (before is None or before.install_id != remaining.install_id):
            self._live_set.follow(remaining, generation)
        self._tidy()
        return fallback

    def restore(self, ref: PluginRef, install_id: str | None = None) -> Restored:
        """Bring the deleted version back as it was; it answers again where it did when it was deleted.

        It does not answer where another version was pinned meanwhile, or another plugin has its metadata name.

        :param install_id: of the deleted install that is meant; ``None``: whichever was deleted last.
        :raises NotFound: when it was not deleted, or so long ago that it is gone.
        :raises PluginExists: when the same version was installed again meanwhile.
        :raises Outdated: when it was, and was deleted too: what lies there is another install.
        :raises Busy: when the plugin is installed, or changed otherwise, at this moment and for long.
        """
        self._require_restorable(ref)  # before a lock is made for a name that no plugin can have
        with self._changing(ref.name, timeout=WAIT_SECONDS):
            deleted = self._require_restorable(ref)
            if install_id not in (None, deleted.record.install_id):
                raise outdated(ref.name, f"what was deleted last of {ref.version} is another install of it")
            self._require_no_folder(ref)
            with full_disk_refused("bring the plugin back"):
                publication = self._publish(deleted)
            record = self._index.active_of(ref.name)
        if record is not None and publication.activated:
            self._live_set.follow(record, publication.generation)
        self._tidy()
        return Restored(ref, publication.activated and not publication.disabled)

    def deleted(self, name: str | None = None) -> list[DeletedVersion]:
        """What can be brought back, the latest first."""
        return self._index.deleted_versions(name)

    def purge(self) -> list[PluginRef]:
        """Remove for good what was deleted longer ago than the retention. Returns what is gone.

        A plugin that is changed at this moment is left for the next time.
        """
        gone = []
        for ref in self._index.expired(self._retention_days):
            with contextlib.suppress(Busy), plugin_lock(self._index.instance, ref.name, timeout=0):
                settle_plugin(self._index, self._store, self._rebuild, ref.name)
                if ref in self._index.expired(self._retention_days):
                    self._forget(ref)
                    gone.append(ref)
        return gone

    def _forget(self, ref: PluginRef) -> None:
        deleted = self._index.deleted(ref)
        assert deleted is not None
        self._index.forget_deleted(ref)
        self._store.deleted(deleted.record.install_id).discard()

    @contextlib.contextmanager
    def _changing(self, name: str, timeout: float | None) -> Iterator[None]:
        with plugin_lock(self._index.instance, name, timeout=timeout), self._live_set.changing(name):
            settle_plugin(self._index, self._store, self._rebuild, name)
            yield

    def _require_restorable(self, ref: PluginRef) -> Deleted:
        if self._index.version(ref) is not None:
            raise PluginExists(f"{ref.name} {ref.version} is installed: it was uploaded or brought back.", ref=ref)
        deleted = self._index.deleted(ref)
        if deleted is None or deleted.expired:
            raise NotFound(f"{ref.name} {ref.version} was not deleted, or too long ago to be brought back.", ref=ref)
        return deleted

    def _require_no_folder(self, ref: PluginRef) -> None:
        if is_installed(self._index, self._store, ref):
            raise PluginExists(f"There is a folder {ref.slug} in the store. Move it away to bring it back.", ref=ref)

    def _publish(self, deleted: Deleted) -> Publication:
        aside = self._store.deleted(deleted.record.install_id)
        if aside.upload.is_file():
            self._unpack(deleted.record, aside)
        elif aside.tree.is_dir():
            aside.has_archive = False
        else:
            raise NotFound(f"What was kept of {deleted.record.ref.slug} is gone. Upload it again.")
        activate = self._may_activate(deleted)
        return publish_version(self._index, self._store, aside, deleted.record, activate)

    def _unpack(self, record: VersionRecord, aside: Staging) -> None:
        if file_digest(aside.upload) != record.sha256:
            raise NotFound(f"The archive that was kept of {record.ref.slug} was changed. Upload it again.")
        remove_tree(aside.tree)  # of a restoration that was killed
        aside.plugin_root.mkdir(parents=True, exist_ok=True)
        try:
            self._rebuild(aside.upload, record.ref, aside.tree)
        except BaseException:
            remove_tree(aside.tree)
            raise

    def _may_activate(self, deleted: Deleted) -> bool:
        ref, state = deleted.record.ref, self._index.plugin_state(deleted.record.ref.name)
        if not deleted.was_active or (state is not None and state.pinned):
            return False
        try:
            return self._index.would_activate(ref, True, deleted.record.report.metadata.name)
        except CadenceError:  # another plugin has its name by now
            return False
