"""What plugins write: the pipes of all workers, read by one thread, kept as lines within a bound per plugin.

A plugin can write faster than anyone can read, and while this thread runs all others of the server wait for the
interpreter. So it reads in rounds, from each pipe its share and no more, and rests longer than a round took, whatever
is written and by how many: a plugin that writes more waits. What came is kept as it came; it is cut into lines when
somebody wants to see them.
"""

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct

_WAKE_BYTES = 4096
_MAX_LINE_BYTES = 8192
#: What a line costs beside its text, so that a flood of empty ones is bounded too.
_LINE_COST_BYTES = 64
#: A byte that is no text is shown as four characters (``\xff``).
_ESCAPE_BYTES = 4
#: How long the rest after a round is, in seconds, and how many times the processor time that the round took.
_REST_SECONDS = 0.004
_REST_FACTOR = 15


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
        self.drained = threading.Event()
        self._partial = b""
        self._dropped = 0

    def take(self, data: bytes) -> bytes | None:
        """The lines that are whole with ``data``, without the last one's end; None where none is.

        The beginning of a line that is too long is given at once; of the rest, when it ends, only the size.
        """
        lines = []
        if self._dropped:
            rest, newline, data = data.partition(b"\n")
            self._dropped += len(rest)
            if not newline:
                return None
            lines = [self._rest_of_line()]
        whole, newline, self._partial = (self._partial + data).rpartition(b"\n")
        if newline:
            lines.append(whole)
        if len(self._partial) > _MAX_LINE_BYTES:
            lines.append(self._partial[:_MAX_LINE_BYTES])
            self._dropped = len(self._partial) - _MAX_LINE_BYTES
            self._partial = b""
        return b"\n".join(lines) if lines else None

    def finish(self) -> bytes | None:
        """The line that was never ended, or None."""
        return self._rest_of_line() if self._dropped else self._partial or None

    def _rest_of_line(self) -> bytes:
        dropped, self._dropped = self._dropped, 0
        return b"(%d more bytes of this line were dropped)" % dropped


class _Chunk(NamedTuple):
    """Lines of one version that came at once, without the last one's end."""

    at: str
    version: str
    text: bytes

    @property
    def cost(self) -> int:
        """What they take, in bytes: at least as much as once they are shown."""
        size = len(self.text) * (1 if _is_text(self.text) else _ESCAPE_BYTES)
        return size + _LINE_COST_BYTES * (self.text.count(b"\n") + 1)


class _PluginLog:
    """The last chunks of one plugin.

    :ivar lost: how many bytes there were before them.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._chunks: deque[tuple[_Chunk, int]] = deque()
        self._size = 0

    def add(self, chunk: _Chunk, max_bytes: int) -> None:
        """Keep the chunk, and of what there was before it so much as has room beside it."""
        cost = chunk.cost
        self._chunks.append((chunk, cost))
        self._size += cost
        while self._size > max_bytes:
            self._lose(self._size - max_bytes)

    def chunks(self) -> list[_Chunk]:
        """All of them, oldest first."""
        return [chunk for chunk, _ in self._chunks]

    def _lose(self, excess: int) -> None:
        """Drop lines of the oldest chunk, at least one, for about so much room."""
        oldest, cost = self._chunks.popleft()
        self._size -= cost
        self.lost += len(oldest.text) + 1
        # Where the cut comes is reckoned, not searched: to go line by line would cost as much as to keep them.
        cut = oldest.text.find(b"\n", len(oldest.text) * excess // cost) if excess < cost else -1
        if cut >= 0:
            rest = oldest._replace(text=oldest.text[cut + 1 :])
            self._chunks.appendleft((rest, rest.cost))
            self._size += rest.cost
            self.lost -= len(rest.text) + 1


class Logs:
    """The last lines of every plugin.

    :param max_bytes: how much text is kept for each plugin.
    :param max_bytes_per_second: how much is read from each worker.
    """

    def __init__(self, max_bytes: int, max_bytes_per_second: int) -> None:
        self._max_bytes = max_bytes
        self._share_bytes = max(1, int(max_bytes_per_second * _REST_SECONDS))
        self._logs: dict[str, _PluginLog] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._new: deque[tuple[int, _Source]] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._pump, name="logs", daemon=True)
        self._thread.start()

    def attach(self, name: str, version: str, pipe: int) -> threading.Event:
        """Read a worker's log from the descriptor ``pipe``, which is closed at its end.

        :returns: an event that is set once everything the worker wrote has been taken in.
        """
        source = _Source(name, version)
        os.set_blocking(pipe, False)
        with self._lock:
            if self._closing.is_set():
                os.close(pipe)
                source.drained.set()
                return source.drained
            self._new.append((pipe, source))
            self._wake()
        return source.drained

    def note(self, name: str, version: str, text: str) -> None:
        """Add a line of the server's own about a version of a plugin."""
        self._keep(_Source(name, version), text.encode())

    def tail(self, name: str, count: int = 200, version: str | None = None) -> tuple[LogLine, ...]:
        """The last ``count`` lines of a plugin, oldest first; of one version only where it is given.

        Where that is all that is kept and there was more, the first line says how much.
        """
        with self._lock:
            log = self._logs.get(name)
            chunks, lost = (log.chunks(), log.lost) if log else ([], 0)
        lines: deque[LogLine] = deque()
        for at, of, text in reversed(chunks):
            wanted = count - len(lines)
            if wanted <= 0:
                break
            if version in (None, of):
                lines.extendleft(
                    LogLine(at, of, _shown(line)) for line in reversed(text.rsplit(b"\n", wanted)[-wanted:])
                )
        if lost and lines and len(lines) < count:
            lines.appendleft(LogLine(lines[0].at, lines[0].version, f"({lost} bytes before this are not kept)"))
        return tuple(lines)

    def close(self) -> None:
        """Stop reading and close every pipe."""
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
            self._wake()
        self._thread.join()
        # Not by the reading thread: it may see that it is to end before it was woken for it.
        os.close(self._wake_write)

    def _wake(self) -> None:
        # Awake anyhow: with a byte that waits already, or because it has seen by itself that it is to end.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._wake_write, b"\0")

    def _pump(self) -> None:
        while not self._closing.is_set():
            ready = self._selector.select()
            began = time.thread_time()
            for key, _ in ready:
                if key.data is None:
                    self._take_new()
                else:
                    self._read(key.fd, key.data)
            self._closing.wait(max(_REST_SECONDS, _REST_FACTOR * (time.thread_time() - began)))
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        while self._new:
            os.close(self._new.popleft()[0])
        self._selector.close()

    def _take_new(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, _WAKE_BYTES)
        while self._new:
            pipe, source = self._new.popleft()
            self._selector.register(pipe, selectors.EVENT_READ, source)

    def _read(self, pipe: int, source: _Source) -> None:
        try:
            data = os.read(pipe, self._share_bytes)
        except BlockingIOError:
            return
        self._keep(source, source.take(data) if data else source.finish())
        if not data:
            self._selector.unregister(pipe)
            os.close(pipe)
            source.drained.set()

    def _keep(self, source: _Source, text: bytes | None) -> None:
        if text is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            log = self._logs.setdefault(source.name, _PluginLog())
            log.add(_Chunk(now, source.version, text), self._max_bytes)


def _is_text(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _shown(line: bytes) -> str:
    text = line[:_MAX_LINE_BYTES].decode("utf-8", "backslashreplace")
    more = len(line) - _MAX_LINE_BYTES
    return f"{text} ({more} more bytes)" if more > 0 else text
