"""Who may read what lies in an instance: folders and files with the modes they need, whatever the umask says.

The workers of a server that runs as root have user ids of their own (:mod:`cadence.runtime.users`). They pass through
the folders above their own, but can neither list them nor read what is not theirs.
"""

import contextlib
import os
import stat
from pathlib import Path

from cadence.errors import ConfigurationError

PASSAGE = 0o711
"""The mode of a folder that workers pass through on the way to their own."""
PRIVATE = 0o700
"""The mode of a folder that only the server uses."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_folder(path: Path, mode: int) -> None:
    """Make a folder, and those above it, where it is not there; give it ``mode`` in any case."""
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def keep_database_private(path: Path) -> None:
    """Make the file of a database, where it is not there, for its owner alone; take an old one from everybody else.

    SQLite gives the files beside it the mode it has. An old file is not opened for this: closing it would end the locks
    that other connections of this process hold on it (https://sqlite.org/howtocorrupt.html, section 2.2).

    :raises ConfigurationError: when others may read it and that cannot be changed.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(FileNotFoundError):
            _keep_private(file)


def _keep_private(file: Path) -> None:
    mode = stat.S_IMODE(file.stat().st_mode)
    if not mode & _OTHERS:
        return
    try:
        file.chmod(mode & ~_OTHERS)
    except PermissionError:
        words = f"{file} can be read by others, which this user cannot change. Have its owner run: chmod 600 {file}"
        raise ConfigurationError(words) from None
