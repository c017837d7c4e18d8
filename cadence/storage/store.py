"""The store: the folders of the extracted plugins, the archives they came from, and the staging beside each.

::

    store_plugin/                         store_archived/
    ├── math_plugin-1.0.0/                ├── math_plugin-1.0.0.zip
    ├── .staging/<install id>/tree/       ├── .staging/<install id>/upload.zip
    └── .deleted/<install id>/tree/       └── .deleted/<install id>/upload.zip

Staging lies in the same folder, thus on the same file system, so that everything comes and goes by a rename. So does
what was deleted and can be brought back: its archive, from which the folder can be made again, or else its folder.
Names that begin with a dot are never plugins.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from cadence.errors import StorageFull
from cadence.model import PluginRef
from cadence.storage import tree
from cadence.storage.names import safe_component
from cadence.storage.rename import put_in_place, take_back
from cadence.storage.staging import Staging

STAGING = ".staging"
DELETED = ".deleted"


class Store:
    """The files of all plugins of one instance.

    It keeps no state of its own. Whoever publishes or removes holds the plugin's lock.

    :param plugin_dir: the folder of the extracted plugins.
    :param archive_dir: the folder of the archives. Both are created with the first staging.
    """

    def __init__(self, plugin_dir: Path, archive_dir: Path) -> None:
        self.plugin_dir = plugin_dir
        self.archive_dir = archive_dir

    def folder(self, ref: PluginRef) -> Path:
        """Where a version's folder is, or would be.

        :raises InvalidFilename: when name and version are not the name of one folder.
        """
        return self.plugin_dir / safe_component(ref.slug)

    def archive(self, ref: PluginRef) -> Path:
        """Where a version's archive is, or would be. Raises as :meth:`folder`."""
        return self.archive_dir / f"{safe_component(ref.slug)}.zip"

    def folders(self) -> set[str]:
        """The names of the folders in the store, ``name-version`` if they are plugins. Links are not among them."""
        return {entry.name for entry in _visible(self.plugin_dir) if entry.is_dir(follow_symlinks=False)}

    def archives(self) -> set[str]:
        """The names of the archives, without ``.zip``."""
        entries = _visible(self.archive_dir)
        return {
            entry.name.removesuffix(".zip")
            for entry in entries
            if entry.name.endswith(".zip") and entry.is_file(follow_symlinks=False)
        }

    def stage(self, install_id: str) -> Staging:
        """Make room for one install that is under way.

        The install is in the index before (``start_install``): recovery sweeps away what nobody owns.

        :raises StorageFull: when the disk has no room.
        """
        staging = self._staging(install_id)
        with full_disk_in_words():
            staging.archive_root.mkdir(parents=True)
            staging.plugin_root.mkdir(parents=True)
        return staging

    def staging_of(self, install_id: str) -> Staging:
        """The staging of an install that was begun earlier; parts of it may be missing."""
        return self._staging(install_id)

    def stagings(self) -> set[str]:
        """The ids of everything that is staged."""
        return self._ids(STAGING)

    def deleted(self, install_id: str, *, has_archive: bool = True) -> Staging:
        """Where a deleted version lies, if it is kept: as the staging from which it can be published again.

        :param has_archive: as in :class:`Staging`.
        """
        return self._place(DELETED, install_id, has_archive=has_archive)

    def deleted_ids(self) -> set[str]:
        """The install ids of all deleted versions of which something lies there."""
        return self._ids(DELETED)

    def publish(self, staging: Staging, ref: PluginRef) -> None:
        """Put the staged archive and folder in their places, durably. What was there before is staged now.

        ``staging.sync()`` comes before, because it also comes before the commit.
        Either both are in place afterwards or, with the exception, neither.

        :raises StorageFull: when the disk has no room.
        """
        with full_disk_in_words(), contextlib.ExitStack() as undo:
            for new, place in self._moves(staging, ref):
                put_in_place(new, place)
                undo.callback(take_back, new, place)
            self.sync_names()
            undo.pop_all()

    def withdraw(self, staging: Staging, ref: PluginRef) -> None:
        """Undo :meth:`publish`, as long as its staging is not discarded."""
        for new, place in reversed(self._moves(staging, ref)):
            take_back(new, place)
        self.sync_names()

    def remove(self, ref: PluginRef) -> None:
        """Delete folder and archive of a version, as far as they are there.

        They are moved away first, so that a half-deleted folder is never seen.
        """
        id = self.removal_id(ref)
        self.staging_of(id).discard()  # of a removal that was killed
        staging = self.stage(id)
        for aside, place in reversed(self._moves(staging, ref)):
            if os.path.lexists(place):
                place.rename(aside)
        self.sync_names()
        staging.discard()

    def set_aside(self, ref: PluginRef, install_id: str, *, has_archive: bool) -> None:
        """As :meth:`remove`, but keep what the version can be made from again, durably. May be called once more.

        That is its archive. Where there is none, it is its folder.

        :param has_archive: whether one belongs to the version; else a file that has its name is not touched.
        """
        kept = self.deleted(install_id, has_archive=has_archive)
        archive, folder = self.archive(ref), self.folder(ref)
        if has_archive and archive.is_file() and not kept.upload.exists():
            _move(archive, kept.upload)
        if not kept.upload.exists() and folder.is_dir() and not kept.tree.exists():
            _move(folder, kept.tree)
        if has_archive:
            self.remove(ref)

    @staticmethod
    def removal_id(ref: PluginRef) -> str:
        """The id under which a removal stages what it deletes."""
        return f"removed-{safe_component(ref.slug)}"

    def snapshot(self, ref: PluginRef, into: Path) -> None:
        """A private copy of a version's folder for one worker: :func:`cadence.storage.tree.snapshot`."""
        self.snapshot_of(self.folder(ref), into)

    def snapshot_of(self, directory: Path, into: Path) -> None:
        """As :meth:`snapshot`, of any folder, such as a staged one.

        :raises StorageFull: when the disk has no room.
        """
        with full_disk_in_words():
            tree.snapshot(directory, into)

    def digest(self, ref: PluginRef) -> str:
        """A digest of a version's folder, by which an edit in place shows: :func:`cadence.storage.tree.digest`."""
        return tree.digest(self.folder(ref))

    def _staging(self, install_id: str) -> Staging:
        return self._place(STAGING, install_id)

    def _place(self, root: str, install_id: str, *, has_archive: bool = True) -> Staging:
        id = safe_component(install_id)
        return Staging(id, self.archive_dir / root / id, self.plugin_dir / root / id, has_archive=has_archive)

    def _ids(self, root: str) -> set[str]:
        return {entry.name for folder in (self.plugin_dir, self.archive_dir) for entry in _visible(folder / root)}

    def _moves(self, staging: Staging, ref: PluginRef) -> list[tuple[Path, Path]]:
        """What is staged and where it belongs, in the order in which it is put there."""
        archive, folder = (staging.upload, self.archive(ref)), (staging.tree, self.folder(ref))
        return [archive, folder] if staging.has_archive else [folder]

    def sync_names(self) -> None:
        """Make the names of what was moved durable."""
        tree.sync_path(self.archive_dir)
        tree.sync_path(self.plugin_dir)


@contextlib.contextmanager
def full_disk_in_words() -> Iterator[None]:
    """Turn the errors of a full disk or quota within the ``with`` block into :class:`StorageFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The disk of the plugin store is full. Free some space, then try again.") from error
        raise


def _move(source: Path, target: Path) -> None:
    """Move a file or a folder to where nothing is; it is durably there before anything else is changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for made in (target.parent.parent.parent, target.parent.parent):
        tree.sync_path(made)
    source.rename(target)
    tree.sync_path(target.parent)
    tree.sync_path(source.parent)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
