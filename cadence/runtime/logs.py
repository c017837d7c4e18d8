"""What plugins write: the pipes of all workers, read by one thread, kept as lines within a bound per plugin.

Each worker has two, standard output and standard error. What comes at once is in the order of their reading: with a
few milliseconds between the two a line of the one stands before one of the other that was written earlier.

A plugin can write faster than anyone can read, and while this thread runs all others of the server wait for the
interpreter. So it reads in rounds, from each pipe its share and no more, and rests longer than a round took, whatever
is written and by how many: a plugin that writes more waits. What came is kept as it came; it is cut into lines when
somebody wants to see them. Another thread takes it to the disk (:mod:`cadence.runtime.log_writing`).
"""

import contextlib
import os
import selectors
import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Container
from datetime import UTC, datetime

from cadence.runtime.log_files import LogFiles
from cadence.runtime.log_lines import (
    MAX_LINE_BYTES,
    Context,
    Level,
    LogLine,
    Stream,
    beginning,
    contexts,
    shown,
)
from cadence.runtime.log_memory import Chunk, PluginLog
from cadence.runtime.log_writing import LogWriter, Taken

__all__ = ["LogLine", "Logs"]

_WAKE_BYTES = 4096
#: How many each worker has.
_PIPES = 2
#: Of how many plugins that are not installed the logs are kept.
_MOST_OTHERS = 20
#: How far back it is looked, in lines, for what the next line of a stream belongs to.
_LOOK_BACK = 64
#: How long the rest after a round is, in seconds, and how many times the processor time that the round took.
_REST_SECONDS = 0.004
_REST_FACTOR = 15


class _Source:
    """One of a worker's pipes and the part of a line that has come so far."""

    def __init__(self, name: str, version: str, stream: Stream = Stream.STDOUT) -> None:
        self.name = name
        self.version = version
        self.stream = stream
        self.drained = threading.Event()
        self._partial = b""
        self._dropped = 0
        self._context = beginning(stream)

    def context(self, text: bytes) -> Context:
        """What the first of these lines finds, and remember what the line after them will."""
        before = self._context
        *_, self._context = contexts(text.rsplit(b"\n", _LOOK_BACK)[-_LOOK_BACK:], self.stream, before)
        return before

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
        if len(self._partial) > MAX_LINE_BYTES:
            lines.append(self._partial[:MAX_LINE_BYTES])
            self._dropped = len(self._partial) - MAX_LINE_BYTES
            self._partial = b""
        return b"\n".join(lines) if lines else None

    def finish(self) -> bytes | None:
        """The line that was never ended, or None."""
        return self._rest_of_line() if self._dropped else self._partial or None

    def _rest_of_line(self) -> bytes:
        dropped, self._dropped = self._dropped, 0
        return b"(%d more bytes of this line were dropped)" % dropped


class Logs:
    """The last lines of every plugin.

    :param max_bytes: how much text is kept for each plugin.
    :param max_bytes_per_second: how much is read from each worker, half of it from each of its pipes.
    :param files: where it is kept beyond this process; without, it is kept in memory only.
    """

    def __init__(self, max_bytes: int, max_bytes_per_second: int, files: LogFiles | None = None) -> None:
        self._max_bytes = max_bytes
        self._share_bytes = max(1, int(max_bytes_per_second * _REST_SECONDS / _PIPES))
        self._logs: dict[str, PluginLog] = {}
        #: How many pipes of each plugin are read.
        self._open = Counter[str]()
        #: The plugins with something that is not on the disk.
        self._unwritten: set[str] = set()
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._new: deque[tuple[int, _Source]] = deque()
        self._closing = threading.Event()
        self._files = files
        self._writer = LogWriter(files, self._take) if files else None
        self._thread = threading.Thread(target=self._pump, name="logs", daemon=True)
        self._thread.start()

    def attach(self, name: str, version: str, pipe: int, stream: Stream = Stream.STDOUT) -> threading.Event:
        """Read what a worker writes from the descriptor ``pipe``, which is closed at its end.

        :returns: an event that is set once everything the worker wrote there has been taken in.
        """
        source = _Source(name, version, stream)
        os.set_blocking(pipe, False)
        with self._lock:
            if self._closing.is_set():
                os.close(pipe)
                source.drained.set()
                return source.drained
            self._open[name] += 1
            self._new.append((pipe, source))
            self._wake()
        return source.drained

    def note(self, name: str, version: str, text: str, level: Level = Level.WARNING) -> None:
        """Add a line of the server's own about a version of a plugin."""
        self._keep(name, version, Stream.CADENCE, Context(level), text.encode("utf-8", "backslashreplace"))

    def tail(
        self, name: str, count: int = 200, version: str | None = None, streams: Container[Stream] = tuple(Stream)
    ) -> tuple[LogLine, ...]:
        """The last ``count`` lines of a plugin in this process, oldest first; of one version where it is given.

        Where that is all that is kept and there was more, the first line says how much.
        """
        with self._lock:
            log = self._logs.get(name)
            chunks, lost = (log.chunks(), log.lost) if log else ([], 0)
        lines: deque[LogLine] = deque()
        for chunk in reversed(chunks):
            wanted = count - len(lines)
            if wanted <= 0:
                break
            if version in (None, chunk.version) and chunk.stream in streams:
                lines.extendleft(reversed(_lines_of(chunk, wanted)))
        if lost and lines and len(lines) < count:
            words = f"({lost} bytes before this are not kept)"
            lines.appendleft(LogLine(lines[0].at, lines[0].version, words, Stream.CADENCE, Level.WARNING))
        return tuple(lines)

    def forget(self, name: str) -> None:
        """Remove the log of a plugin that is gone for good, here and on the disk."""
        with self._lock:
            self._logs.pop(name, None)
            self._unwritten.discard(name)
        if self._files:
            self._files.forget(name)

    def tidy(self, known: Collection[str]) -> None:
        """Remove what nobody will miss: from memory what is on the disk of plugins that do not run, and old logs.

        :param known: the plugins that are installed, or can be. What never was has a log too where its trial failed;
            of such the latest :data:`_MOST_OTHERS` are kept.
        """
        if not self._files:
            return
        with self._lock:
            for name in self._logs.keys() - self._unwritten:
                if not self._open[name]:
                    del self._logs[name], self._open[name]
        self._files.forget_others(known, _MOST_OTHERS)

    def close(self) -> None:
        """Stop reading, close every pipe, and write what there is."""
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
            self._wake()
        self._thread.join()
        # Not by the reading thread: it may see that it is to end before it was woken for it.
        os.close(self._wake_write)
        if self._writer:
            self._writer.close()

    def _wake(self) -> None:
        # Awake anyhow: with a byte that waits already, or because it has seen by itself that it is to end.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._wake_write, b"\0")

    def _pump(self) -> None:
        while not self._closing.is_set():
            ready = self._selector.select()
            began = time.thread_time()
            for key in sorted((key for key, _ in ready), key=_turn):
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
        text = source.take(data) if data else source.finish()
        if text is not None:
            self._keep(source.name, source.version, source.stream, source.context(text), text)
        if not data:
            self._selector.unregister(pipe)
            os.close(pipe)
            with self._lock:
                self._open[source.name] -= 1
            source.drained.set()

    def _keep(self, name: str, version: str, stream: Stream, before: Context, text: bytes) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            log = self._logs.setdefault(name, PluginLog())
            log.add(Chunk(now, version, stream, before, text), self._max_bytes)
            if self._writer:
                self._unwritten.add(name)
        if self._writer:
            self._writer.wake()

    def _take(self, share: int) -> tuple[list[Taken], bool]:
        """Of each plugin what is not written yet, up to ``share`` bytes; and whether that is all there is."""
        taken = []
        with self._lock:
            for name in tuple(self._unwritten):
                log = self._logs[name]
                lost = log.lost_untaken
                taken.append(Taken(name, log.take(share), lost))
                if not log.untaken:
                    self._unwritten.discard(name)
            return taken, not self._unwritten


def _turn(key: selectors.SelectorKey) -> bool:
    """Standard error comes last: of what came with the death of a worker it has the reason."""
    return isinstance(key.data, _Source) and key.data.stream is Stream.STDERR


def _lines_of(chunk: Chunk, count: int) -> list[LogLine]:
    """The last lines of a chunk."""
    lines = chunk.text.rsplit(b"\n", count)[-count:]
    following = contexts(lines, chunk.stream, chunk.before)
    return [
        LogLine(chunk.at, chunk.version, shown(line), chunk.stream, context.level)
        for line, context in zip(lines, following, strict=True)
    ]
