"""Changes of index and store together, in the one order in which nothing half-done can be seen.

1. Archive and folder are staged and written through to the disk.
2. **Commit**: the index notes, durably, what is to be. Everybody still sees what was there before.
3. Archive and folder go to their places, each in one step.
4. The index shows the version, and its generation rises.

Before 2, a death of the process leaves staging only. From 2 on, ``recovery`` completes the rest. A *failure* after 2,
such as a full disk, is taken back whole. A removal goes the other way: first the index, then the files.

What is removed can be kept aside. It then comes back by the same steps, from where it lies instead of from a staging:
until the commit it is deleted and can be brought back, and from then on it is installed.

Whoever calls these holds the plugin's lock (:func:`cadence.storage.locks.plugin_lock`) and has settled what an
earlier process left (:func:`cadence.storage.recovery.settle_plugin`).
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

from cadence.expectation import ANYTHING, Expected
from cadence.model import PluginRef, VersionRecord
from cadence.storage.commits import Publication
from cadence.storage.index import Index
from cadence.storage.staging import Staging
from cadence.storage.store import Store, full_disk_in_words

log = logging.getLogger(__name__)


def publish_version(
    index: Index,
    store: Store,
    staging: Staging,
    record: VersionRecord,
    activate: bool | None = None,
    before_commit: Callable[[], object] = lambda: None,
) -> Publication:
    """Install what is staged. The caller discards the staging afterwards, whatever the outcome.

    :param record: with the ``install_id`` of ``staging``.
    :param activate: as in :meth:`~cadence.storage.versions.VersionIndex.commit_version`.
    :param before_commit: is called when everything is ready for the commit, which what it raises prevents.
    :raises ValidationFailed: when another active plugin has its metadata name.
    :raises StorageFull: when the disk has no room. As with any exception, all is as it was before.
    """
    with full_disk_in_words():
        staging.sync()
    before_commit()
    index.commit_version(record, activate)
    deleted = index.deleted(record.ref)
    with _undone_by(lambda: index.abandon_publication(record.ref, record.install_id)):
        store.publish(staging, record.ref)
    with _undone_by(lambda: _take_back(index, store, staging, record)):
        publication = index.mark_published(record.ref, record.install_id)
    if deleted is not None:  # of the same version: this one is in its place
        store.deleted(deleted.record.install_id).discard()
    return publication


def adopt_version(index: Index, store: Store, record: VersionRecord, activate: bool | None = None) -> Publication:
    """Take a folder that lies in the store already into the index, as a version of source ``directory``.

    :raises ValidationFailed: when another active plugin has its metadata name.
    """
    index.commit_version(record, activate)
    deleted = index.deleted(record.ref)
    with _undone_by(lambda: index.abandon_publication(record.ref, record.install_id)):
        publication = index.mark_published(record.ref, record.install_id)
    if deleted is not None:
        store.deleted(deleted.record.install_id).discard()
    return publication


def remove_version(
    index: Index, store: Store, ref: PluginRef, retention_days: int = 0, expected: Expected = ANYTHING
) -> str | None:
    """Delete an installed version with its folder and archive, or keep aside what it can be made from again.

    Files that cannot be moved now are moved by the next recovery; the version is gone all the same.

    :param retention_days: days for which it can be brought back; 0: it cannot.
    :param expected: what whoever deletes it has seen.
    :return: the version that became active in its place, or ``None``.
    :raises NotFound: when it is not installed.
    :raises Outdated: when it does not stand as expected; it stays then.
    """
    if (record := index.version(ref)) is not None:
        store.deleted(record.install_id).discard()  # what a restoration that was killed may have left
    fallback = index.remove(ref, retention_days, expected)
    try:
        move_away(index, store, ref)
    except OSError:
        log.warning("The files of %s are not deleted yet; the next start will try again.", ref.slug, exc_info=True)
    else:
        index.mark_removed(ref)
    return fallback


def move_away(index: Index, store: Store, ref: PluginRef) -> None:
    """Let the files of a version follow its removal: aside, where it can be brought back, else away."""
    deleted = index.deleted(ref)
    if deleted is None:
        store.remove(ref)
    else:
        store.set_aside(ref, deleted.record.install_id, has_archive=deleted.record.source == "upload")


def _take_back(index: Index, store: Store, staging: Staging, record: VersionRecord) -> None:
    # Where the files cannot be put back, the commit stays: recovery then goes forward instead.
    store.withdraw(staging, record.ref)
    index.abandon_publication(record.ref, record.install_id)


@contextlib.contextmanager
def _undone_by(undo: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        undo()
        raise
