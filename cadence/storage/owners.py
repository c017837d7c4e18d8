"""Owners: the processes that install. An owner lives for as long as the kernel keeps its lock, and no longer."""

import os
import secrets
from pathlib import Path
from typing import Self

from cadence.storage.folders import PRIVATE, make_folder
from cadence.storage.locks import Busy, try_lock
from cadence.storage.names import safe_component


class Owner:
    """One server process or one run of the command line, known by ``id`` to all others of the instance."""

    def __init__(self, id: str, path: Path, descriptor: int) -> None:
        self.id = id
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, instance: Path) -> Self:
        """Become an owner until :meth:`release`, or until the process dies, by ``SIGKILL`` too.

        :param instance: the folder of the instance; the lock is ``owners/<id>.lock`` in it.
        """
        folder = instance / "owners"
        make_folder(folder, PRIVATE)
        id = secrets.token_hex(8)
        path = folder / f"{id}.lock"
        descriptor = try_lock(path)
        if descriptor is None:  # only if two processes drew the same 64 random bits
            raise Busy("Another process has the same id. Start again.")
        return cls(id, path, descriptor)

    def release(self) -> None:
        """Stop being an owner. A second call does nothing."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_alive(instance: Path, id: str) -> bool:
    """Whether the owner ``id`` of this instance still runs. An owner that was never heard of does not."""
    path = instance / "owners" / f"{safe_component(id)}.lock"
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    # Nobody holds it: its process died without a word. An id is never used twice, so the file can go.
    path.unlink(missing_ok=True)
    os.close(descriptor)
    return False


def forget_dead(instance: Path) -> None:
    """Remove the lock files of owners that died."""
    for path in (instance / "owners").glob("*.lock"):
        is_alive(instance, path.stem)
