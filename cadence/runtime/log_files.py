"""The logs of all plugins on the disk: one folder for each, which every process of the instance writes to and reads.

Whoever writes holds a lock, so that there is one order of lines for all, and the bound holds for all together. Readers
need none. Nothing is synchronised with the disk: what a process wrote is safe from its own death, not from that of
the machine.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from cadence.runtime.log_appending import Appender, Known
from cadence.runtime.log_lines import LogFilter, LogPage
from cadence.runtime.log_reading import read_after, read_last
from cadence.runtime.log_segments import Cursor

_PRIVATE = 0o700
_POLL_SECONDS = 0.005
_EVERY_LINE = LogFilter()


class LogFilesBusy(OSError):
    """Another process was writing for longer than this one would wait."""


class LogFiles:
    """Opening costs nothing, and makes no folder before the first line is written.

    :param folder: where the folders of the plugins are.
    :param max_bytes: how much is kept of each plugin.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._folder = folder
        #: What each log's end was when this process last wrote to it.
        self._known: dict[str, Known] = {}

    def read(self, name: str, after: str | None, limit: int, wanted: LogFilter = _EVERY_LINE) -> LogPage:
        """Lines of one plugin, whichever process wrote them, in the order of time.

        :param after: the cursor of an earlier page, for the next lines: none of them twice, and none left out but by
            what the page's ``gap`` tells. ``"0"`` is for the first lines that are kept, None for the last.
        :param limit: how many at most.
        :raises InvalidRequest: when ``after`` is no cursor.
        """
        if after is None:
            return read_last(self._of(name), limit, wanted)
        return read_after(self._of(name), Cursor.parse(after), limit, wanted)

    def names(self) -> set[str]:
        """The plugins of which there is a log."""
        try:
            return {path.name for path in self._folder.iterdir() if path.is_dir()}
        except FileNotFoundError:
            return set()

    def forget(self, name: str) -> None:
        """Remove the log of a plugin. A process that writes to it just now begins a new one."""
        folder = self._of(name)
        self._known.pop(name, None)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in folder.iterdir():
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def forget_others(self, known: Collection[str], most: int) -> None:
        """Forget the plugins that are not ``known``, but for the ``most`` of them that were written last."""
        others = sorted(self.names() - set(known), key=self._written_at)
        for name in others[: max(0, len(others) - most)]:
            self.forget(name)

    @contextlib.contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        """Hold the right to write.

        :param timeout: seconds to wait for it at most.
        :raises LogFilesBusy: after that.
        :raises OSError: when there is no room for the file of the lock.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout
        try:
            while not _locked(descriptor):
                if time.monotonic() >= deadline:
                    raise LogFilesBusy(errno.EAGAIN, "Another process writes there, and does not stop")
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def appending(self, name: str) -> Iterator[Appender]:
        """The end of a plugin's log, for one that holds the lock.

        :raises OSError: when the log cannot be written.
        """
        folder = self._of(name)
        folder.mkdir(exist_ok=True, mode=_PRIVATE)
        appender = Appender(folder, self.max_bytes, self._known.get(name))
        try:
            yield appender
        finally:
            appender.close()
            if known := appender.known:
                self._known[name] = known

    def _of(self, name: str) -> Path:
        if name.startswith(".") or not name.isprintable() or {"/", "\\"} & set(name) or not name:
            raise ValueError(f"{name!r} is no plugin's name")
        return self._folder / name

    def _written_at(self, name: str) -> float:
        try:
            return self._of(name).stat().st_mtime
        except FileNotFoundError:
            return 0.0


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
