"""What plugins write: the pipes of all workers, read by one thread, kept as lines within a bound per plugin."""

import contextlib
import os
import selectors
import threading
from collections import deque
from datetime import UTC, datetime

from msgspec import Struct

_CHUNK_BYTES = 65536
_MAX_LINE_BYTES = 8192
#: What a line costs beside its text, so that a flood of empty ones is bounded too.
_LINE_COST_BYTES = 64


class LogLine(Struct, frozen=True):
    """One line: when it came (UTC, ISO 8601), from which version of the plugin, and its text."""

    at: str
    version: str
    text: str


class _Source:
    """One worker's pipe and the part of a line that has come so far."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version
        self.partial = b""
        self.drained = threading.Event()


class Logs:
    """The last lines of every plugin.

    :param max_bytes: how much text is kept for each plugin.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lines: dict[str, deque[LogLine]] = {}
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._new: deque[tuple[int, _Source]] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._pump, name="logs", daemon=True)
        self._thread.start()

    def attach(self, name: str, version: str, pipe: int) -> threading.Event:
        """Read a worker's log from the descriptor ``pipe``, which is closed at its end.

        :returns: an event that is set once everything the worker wrote has been taken in.
        """
        source = _Source(name, version)
        os.set_blocking(pipe, False)
        with self._lock:
            if self._closing:
                os.close(pipe)
                source.drained.set()
                return source.drained
            self._new.append((pipe, source))
            self._wake()
        return source.drained

    def tail(self, name: str, count: int = 200, version: str | None = None) -> tuple[LogLine, ...]:
        """The last ``count`` lines of a plugin, oldest first; of one version only where it is given."""
        with self._lock:
            lines = [line for line in self._lines.get(name, ()) if version in (None, line.version)]
        return tuple(lines[-count:]) if count > 0 else ()

    def close(self) -> None:
        """Stop reading and close every pipe."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._wake()
        self._thread.join()
        # Not by the reading thread: it may see that it is to end before it was woken for it.
        os.close(self._wake_write)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def _pump(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._take_new()
                else:
                    self._read(key.fd, key.data)
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        while self._new:
            os.close(self._new.popleft()[0])
        self._selector.close()

    def _take_new(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, _CHUNK_BYTES)
        while self._new:
            pipe, source = self._new.popleft()
            self._selector.register(pipe, selectors.EVENT_READ, source)

    def _read(self, pipe: int, source: _Source) -> None:
        try:
            chunk = os.read(pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return
        *whole, source.partial = (source.partial + chunk).split(b"\n")
        if len(source.partial) > _MAX_LINE_BYTES or (source.partial and not chunk):
            whole.append(source.partial)
            source.partial = b""
        self._keep(source, whole)
        if not chunk:
            self._selector.unregister(pipe)
            os.close(pipe)
            source.drained.set()

    def _keep(self, source: _Source, texts: list[bytes]) -> None:
        if not texts:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            lines = self._lines.setdefault(source.name, deque())
            size = self._sizes.get(source.name, 0)
            for text in texts:
                line = LogLine(now, source.version, text[:_MAX_LINE_BYTES].decode("utf-8", "backslashreplace"))
                lines.append(line)
                size += _cost(line)
            while size > self._max_bytes and lines:
                size -= _cost(lines.popleft())
            self._sizes[source.name] = size


def _cost(line: LogLine) -> int:
    return len(line.text.encode()) + _LINE_COST_BYTES
