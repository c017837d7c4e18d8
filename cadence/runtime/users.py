"""User ids for the workers of a server that runs as root: one per plugin, that of the owner of its data directory."""

import os
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

#: Ids that systemd names as unused, so that no account has them (https://systemd.io/UIDS-GIDS/).
_PREFERRED = range(1_879_048_192, 1_879_048_192 + 0x10000)
#: How many are taken from the end of what is mapped, where those are not: in a container.
_FALLBACK_COUNT = 4096


class Users:
    """Gives every plugin a user id, and keeps it as the owner of its data directory.

    :param data_dir: the folder that holds one data directory per plugin.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._ids = _usable_ids()
        self._choosing = threading.Lock()

    def own(self, data: Path) -> int:
        """The id for the plugin whose data directory this is; what lies in it is given to that user.

        :raises PermissionError: when this process may not give files away.
        """
        owner = data.stat().st_uid
        if owner in self._ids:
            return owner
        with self._choosing:
            taken = {folder.stat().st_uid for folder in self._data_dir.iterdir()}
            chosen = next(user for user in self._ids if user not in taken)
            # The folder itself last: then all that is in it has been given away before.
            for path in chain(_entries(data), [data]):
                os.chown(path, chosen, chosen, follow_symlinks=False)
        return chosen

    def release(self, data: Path) -> None:
        """Take the directory back for this process' own user, so that :meth:`own` looks through it again.

        What an unconfined plugin of a root server writes belongs to root: the plugin's own user could not change it.
        """
        if os.geteuid() == 0:
            os.chown(data, 0, 0, follow_symlinks=False)


def _entries(folder: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(directory, name)


def _usable_ids() -> range:
    """Ids that exist here, as far as this process' user namespace has them (user_namespaces(7), uid_map)."""
    spans = [tuple(int(n) for n in line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    if any(first <= _PREFERRED.start and _PREFERRED.stop <= first + count for first, _, count in spans):
        return _PREFERRED
    end = max(first + count for first, _, count in spans)
    # The very last one stands for nobody, and so does 65534.
    return range(max(1, min(end, 65534) - _FALLBACK_COUNT), max(1, min(end, 65534) - 1))
