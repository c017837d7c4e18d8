"""The parts of one Cadence process, put together from its settings: what web pages and command line work with.

Opening costs a few milliseconds and starts nothing, so that a command that only lists does no more than that.
Starting makes this process an owner, recovers what an earlier one left half done, and readies the runtime.
"""

import os
import threading
from collections.abc import Callable
from importlib.metadata import version as distribution_version
from multiprocessing.util import Finalize

from cadence.config import Settings
from cadence.dependencies.environment import Environments
from cadence.errors import ConfigurationError
from cadence.running import Running
from cadence.runtime.log_files import LogFiles
from cadence.runtime.zygote import Zygote
from cadence.sandbox import Sandbox, at_first
from cadence.storage.folders import PASSAGE, PRIVATE, make_folder
from cadence.storage.index import Index
from cadence.storage.owners import is_alive
from cadence.storage.store import Store

__all__ = ["Parts", "Running"]


class Parts:
    """Index and store, there at once, and the runtime, there once :meth:`start` was called.

    :param zygote: one that is used but not ended, so that several applications in one process can share it; by default
        an own one.
    """

    def __init__(self, settings: Settings, zygote: Zygote | None = None) -> None:
        self.settings = settings
        self._zygote = zygote
        self.version = distribution_version("cadence")
        _require_folders(settings)
        self.index = Index.open(settings.instance / "index.db")
        self.store = Store(settings.plugin_dir, settings.archive_dir)
        self.environments = Environments(settings.instance / "environments")
        self.log_files = LogFiles(settings.instance / "logs", settings.max_log_bytes)
        self._starting = threading.Lock()
        self._running: Running | None = None

    @property
    def serving(self) -> Running:
        """The runtime of a server process; starts it with the first request where ``flask serve`` has not."""
        return self._running or self.start(serve=True)

    @property
    def running(self) -> "Running | None":
        """The runtime, None where none was started. Asking starts nothing."""
        return self._running

    @property
    def sandbox(self) -> Sandbox | None:
        """How plugins are confined here, None while that is not known yet. Asking starts nothing."""
        return self._running.sandbox.known if self._running else at_first(self.settings.sandbox)

    def start(self, *, serve: bool = False, announce: Callable[[str], None] = lambda _: None) -> Running:
        """Start the runtime, once; a second call returns the same.

        :param serve: whether this process is a server, which keeps every active plugin live and answers for itself
            in the index; the command line only borrows the runtime.
        :param announce: is given a line about the sandbox once a server knows it.
        """
        with self._starting:
            if self._running is None:
                running = Running(self.settings, self.index, self.store, self.environments, self._zygote)
                if serve:
                    running.serve(announce)
                self._running = running
                # Unlike what atexit has, this is run in a forked server process too (granian's are).
                Finalize(None, self.close, exitpriority=10)
            return self._running

    def close(self) -> None:
        """End everything that was started and close the index. Calls in flight get a short while to finish."""
        with self._starting:
            if self._running is not None:
                self._running.close()
                self._running = None
        self.index.close()

    def servers(self) -> dict[str, int]:
        """The server processes that are alive: process id by server id."""
        return {s.id: s.pid for s in self.index.servers() if is_alive(self.settings.instance, s.id)}


def _require_folders(settings: Settings) -> None:
    """Make the folders that are set. One that was there keeps its mode, but for those in the instance, which are ours.

    :raises ConfigurationError: in one sentence that names the variable, where one cannot be used.
    """
    folders = {
        "CADENCE_INSTANCE": (settings.instance, PASSAGE),
        "CADENCE_STORE_PLUGIN": (settings.plugin_dir, PRIVATE),
        "CADENCE_STORE_ARCHIVED": (settings.archive_dir, PRIVATE),
    }
    for variable, (folder, mode) in folders.items():
        try:
            if settings.instance in folder.parents or not folder.is_dir():
                make_folder(folder, mode)
        except OSError as error:
            raise ConfigurationError(f"{variable} {folder} cannot be used as a folder: {error.strerror}.") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{variable} {folder} cannot be written to by this user.")
