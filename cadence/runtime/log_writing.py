"""Writes behind what plugins wrote: a thread that takes it from memory to the disk, and rests.

Nobody waits for it. In a round it takes of each plugin its share and no more: in a second at most as much as is kept
of that plugin in all, so that whatever is written, no more comes to the disk. What comes faster washes away what waits
in memory, and that is told in the log. The rest after a round is longer than the processor time it took, as that of
the thread that reads is.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from cadence.runtime.log_files import LogFiles, LogFilesBusy
from cadence.runtime.log_memory import Chunk
from cadence.runtime.log_segments import note

log = logging.getLogger(__name__)

#: How long the rest after a round is, in seconds, and how many times the processor time that the round took.
_REST_SECONDS = 0.25
_REST_FACTOR = 15
#: How long to wait for other processes that write, in seconds; and at the end.
_LOCK_SECONDS = 0.5
_LAST_LOCK_SECONDS = 2.0


class Taken(NamedTuple):
    """What is to be written of one plugin, and how many bytes there were before it that never can be."""

    name: str
    chunks: list[Chunk]
    lost: int


class LogWriter:
    """The thread.

    :param take: gives of each plugin what is not written yet, up to so many bytes, and whether that is all.
    """

    def __init__(self, files: LogFiles, take: Callable[[int], tuple[list[Taken], bool]]) -> None:
        self._files = files
        self._take = take
        self._work = threading.Event()
        self._pending = False
        self._closing = threading.Event()
        #: Bytes that could not be written, by plugin, until the log itself says so.
        self._lost: dict[str, int] = {}
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to write."""
        self._pending = True
        self._work.set()

    def close(self) -> None:
        """Write all there is, and end."""
        self._closing.set()
        self._work.set()
        self._thread.join()

    def _run(self) -> None:
        share = max(1, int(self._files.max_bytes * _REST_SECONDS))
        while not self._closing.is_set():
            self._work.wait()
            began = time.thread_time()
            self._round(share, _LOCK_SECONDS)
            self._closing.wait(max(_REST_SECONDS, _REST_FACTOR * (time.thread_time() - began)))
        self._round(2 * self._files.max_bytes, _LAST_LOCK_SECONDS)

    def _round(self, share: int, patience: float) -> None:
        self._work.clear()
        if not self._pending:
            return  # woken to end, with nothing to leave behind
        self._pending = False
        try:
            with self._files.lock(patience):
                taken, is_all = self._take(share)
                errors = [self._write(one) for one in taken]
        except LogFilesBusy:
            errors, is_all = [], False  # all of it is in memory still
        except OSError as error:
            # What waits is let go: it would only wash away what comes.
            taken, is_all = self._take(share)
            errors = [error]
            for one in taken:
                self._lose(one.name, one.lost, one.chunks)
        self._tell(errors)
        if not is_all:
            self.wake()

    def _write(self, taken: Taken) -> OSError | None:
        """Write what was taken; gives what was in the way."""
        waiting = deque(taken.chunks)
        lost = taken.lost + self._lost.pop(taken.name, 0)
        try:
            with self._files.appending(taken.name) as log_file:
                if lost and waiting:
                    words = f"({lost} bytes before this are lost: they came too fast to be written, or could not be)"
                    log_file.append(note(waiting[0].at, waiting[0].version, words))
                    lost = 0
                while waiting:
                    log_file.append(waiting[0])
                    waiting.popleft()
        except OSError as error:
            self._lose(taken.name, lost, waiting)
            return error
        return None

    def _lose(self, name: str, lost: int, chunks: Iterable[Chunk]) -> None:
        self._lost[name] = self._lost.get(name, 0) + lost + sum(len(chunk.text) + 1 for chunk in chunks)

    def _tell(self, errors: Sequence[OSError | None]) -> None:
        """Say it in the server's own log when writing begins to fail, and not again until it went well."""
        failed = next((error for error in errors if error), None)
        if failed and not self._failing:
            log.warning("What plugins write cannot be kept, and is lost until it can: %s.", failed.strerror)
        if errors:
            self._failing = failed is not None
