"""The staging of one install: everything it has on the disk before anybody can see it."""

import contextlib
import threading
from concurrent.futures import Future
from pathlib import Path

from cadence.storage.tree import remove_tree, sync_path, sync_tree


class Staging:
    """Where one install puts its files: the archive at ``upload``, the extracted plugin at ``tree``.

    Neither exists at first. After publication they hold what was in place before.

    :param has_archive: False for a version that came without one, by hand.
    """

    def __init__(self, install_id: str, archive_root: Path, plugin_root: Path, *, has_archive: bool = True) -> None:
        self.install_id = install_id
        self.has_archive = has_archive
        self.archive_root = archive_root
        self.plugin_root = plugin_root
        self.upload = archive_root / "upload.zip"
        self.tree = plugin_root / "tree"
        self._synced: Future[None] | None = None

    def begin_sync(self) -> None:
        """Start to write archive and tree through to the disk, in a thread: both are complete.

        An install has other things to do meanwhile. The trial takes longer than the disk does, so that
        :meth:`sync` then costs nothing.
        """
        if self._synced is None:
            self._synced = Future()
            threading.Thread(target=_write_through, args=(self._synced, self), name=f"sync-{self.install_id}").start()

    def sync(self) -> None:
        """Archive and tree are on the disk when this returns.

        :raises OSError: when they cannot be written, also if that happened after :meth:`begin_sync`. The kernel
            tells of a failed write once only, so a second try would be no proof.
        """
        if self._synced is None:
            self._synced = Future()
            _write_through(self._synced, self)
        self._synced.result()

    def discard(self) -> None:
        """Delete everything that is staged. A second call does nothing."""
        if self._synced is not None:
            with contextlib.suppress(OSError):
                self._synced.result()
        remove_tree(self.archive_root)
        remove_tree(self.plugin_root)


def _write_through(done: Future[None], staging: Staging) -> None:
    try:
        if staging.has_archive:
            sync_path(staging.upload)
            sync_path(staging.archive_root)
            sync_path(staging.archive_root.parent)
        sync_tree(staging.tree)
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks for the result
        done.set_exception(error)
    else:
        done.set_result(None)
