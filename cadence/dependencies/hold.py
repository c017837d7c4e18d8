"""Holds on names, between threads and processes: ``flock`` on small files, gone with whoever held them.

flock(2) belongs to the open file, so that threads exclude each other too. A shared hold keeps a thing as it is, an
exclusive one is taken to make or remove it. The file of a name can be removed by who holds it alone: whoever waited
for it finds that it is no longer the one in the folder, and opens the new one.
"""

import fcntl
import os
from pathlib import Path


class Holds:
    """Holds on names, in a folder that is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> set[str]:
        """The names that have a file, whether held or not."""
        return {entry.name for entry in self._folder.glob("*")}

    def take(self, name: str, *, alone: bool) -> int | None:
        """Take a hold if that is free, without waiting.

        :returns: a file descriptor that holds it until it is closed; ``None`` when somebody else's stands against it.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return None
            except BaseException:
                os.close(file)
                raise
            if self._is_current(name, file):
                return file
            os.close(file)

    def share(self, name: str, file: int) -> bool:
        """Turn an exclusive hold into a shared one.

        :returns: whether nobody had it in between, as somebody may (flock(2)); else it may hold nothing any more.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return self._is_current(name, file)

    def forget(self, name: str) -> None:
        """Remove the file of a name. The caller holds it alone."""
        (self._folder / name).unlink(missing_ok=True)

    def _is_current(self, name: str, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), (self._folder / name).stat())
        except FileNotFoundError:
            return False
