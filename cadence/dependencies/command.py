"""One run of the ``uv`` program: its output as it comes, its end when it is cancelled or makes no progress."""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import uv
from msgspec import Struct

from cadence.errors import Cancelled, StorageFull
from cadence.progress import Flag

_TETHER = Path(__file__).with_name("tether.py")
_TICK_SECONDS = 0.05
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024
# Where there is no project of anyone whose settings uv could pick up; those of the user and the system hold.
_WORKING_DIRECTORY = "/"
_COMMON = ("--python", sys.executable, "--no-python-downloads", "--no-sources", "--no-progress", "--color", "never")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s`'\"<>]+")
_FOLDERS = re.compile(r"(?<![\w.:])/(?:[^\s`'\"/]+/)+")


class Ended(Exception):
    """uv was ended before it was done; the words say why, to stand after "it"."""


class Output(Struct, frozen=True):
    """What a run of uv left: its exit code, its standard output, and its words, without addresses and folders."""

    code: int
    stdout: str
    words: str


class IndexOptions(Struct, frozen=True):
    """Where packages come from. By default that is what the host's own uv settings say.

    ``index`` is the address of an index that replaces the configured one (credentials belong into uv's settings:
    an argument can be read by every process of the host). ``find_links`` are folders of wheels. With ``no_index``
    only those count, with ``offline`` only they and what is cached. ``cache`` is uv's cache folder.
    """

    index: str | None = None
    find_links: tuple[Path, ...] = ()
    no_index: bool = False
    offline: bool = False
    cache: Path | None = None

    def arguments(self) -> list[str]:
        """The same as options of ``uv pip``."""
        given = ["--default-index", self.index] if self.index is not None else []
        for folder in self.find_links:
            given += ["--find-links", str(folder)]
        if self.cache is not None:
            given += ["--cache-dir", str(self.cache)]
        return given + ["--no-index"] * self.no_index + ["--offline"] * self.offline


class Uv:
    """Runs uv for one install.

    :param idle_seconds: a run that neither says nor writes anything for so long is ended.
    :param on_line: is given every line that uv says while it runs, without addresses, folders and control characters.
    :param on_count: is given how many packages are ready, and of how many, while they are fetched and installed.
    :param cancelled: ends the run when it is set.
    :param options: where packages come from.
    """

    def __init__(
        self,
        *,
        idle_seconds: float,
        on_line: Callable[[str], None] = lambda _: None,
        on_count: Callable[[int, int], None] = lambda *_: None,
        cancelled: Flag | None = None,
        options: IndexOptions | None = None,
    ) -> None:
        self.idle_seconds = idle_seconds
        self._on_line = on_line
        self._on_count = on_count
        self._cancelled = cancelled
        self._options = options or IndexOptions()

    def raise_if_cancelled(self) -> None:
        """Stop here when the install is no longer wanted.

        :raises Cancelled: then.
        """
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled

    def run(self, *arguments: str, stdin: str) -> Output:
        """Run ``uv pip`` with ``arguments`` to its end, for the server's own Python.

        Nothing of it is left running when this returns or raises, nor when the server dies under it.

        :raises Cancelled: when it was cancelled.
        :raises Ended: when it made no progress, or said more than anyone could read.
        :raises StorageFull: when there was no room on the disk.
        """
        self.raise_if_cancelled()
        command = [uv.find_uv_bin(), "pip", *arguments, *_COMMON, *self._options.arguments()]
        with _started(command, stdin) as process:
            lines = _Lines(self._on_line)
            stdout = self._follow(process, lines)
            # Seen but not yet reaped: its id has to stay its own until its group has been ended.
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        if "No space left on device" in lines.text or "Disk quota exceeded" in lines.text:
            raise StorageFull("There is no room for the packages that the plugin needs.")
        code = ended.si_status if ended is not None and ended.si_code == os.CLD_EXITED else -1
        return Output(code, stdout.decode(errors="replace"), lines.text)

    def _follow(self, process: subprocess.Popen[bytes], lines: "_Lines") -> bytes:
        """Take what it says until it closes both pipes."""
        stdout = bytearray()
        progress = _Progress(process.pid, self.idle_seconds)
        with selectors.DefaultSelector() as selector:
            for stream, take in ((process.stdout, stdout.extend), (process.stderr, lines.feed)):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ, take)
            while selector.get_map():
                for key, _ in selector.select(_TICK_SECONDS):
                    chunk = os.read(key.fd, 65536)
                    key.data(chunk)
                    progress.received(len(chunk))
                    if not chunk:
                        selector.unregister(key.fileobj)
                self.raise_if_cancelled()
                progress.check()
        return bytes(stdout)


class _Progress:
    """Whether a process does anything: a download is long silent, but it writes what it gets."""

    def __init__(self, pid: int, idle_seconds: float) -> None:
        self._process = psutil.Process(pid)
        self._idle_seconds = idle_seconds
        self._received_bytes = 0
        self._seen = (0, 0)
        self._deadline = time.monotonic() + idle_seconds

    def received(self, count: int) -> None:
        self._received_bytes += count

    def check(self) -> None:
        if self._received_bytes > _MAX_OUTPUT_BYTES:
            raise Ended("said more than anyone could read")
        seen = (self._received_bytes, self._written_bytes())
        if seen != self._seen:
            self._seen = seen
            self._deadline = time.monotonic() + self._idle_seconds
        elif time.monotonic() > self._deadline:
            raise Ended(f"made no progress for {self._idle_seconds:g} seconds")

    def _written_bytes(self) -> int:
        # Not every system tells, and no one tells of a process that has ended: then only the output counts.
        with contextlib.suppress(psutil.Error, AttributeError, NotImplementedError):
            return int(self._process.io_counters().write_chars)
        return 0


class _Lines:
    """Bytes to lines that may be shown: passed on as they come, and kept."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self._kept: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(self._kept)

    def feed(self, chunk: bytes) -> None:
        """Take more bytes; none at all means that no more will come."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk and self._rest:
            whole.append(self._rest)
        for line in whole:
            shown = presentable(line.decode(errors="replace"))
            self._kept.append(shown)
            if shown:
                self._on_line(shown)


def presentable(line: str) -> str:
    """A line without addresses (they name hosts and can hold credentials), folders and control characters."""
    without = _FOLDERS.sub("", _ADDRESS.sub("the package index", line))
    return "".join(character if character.isprintable() else " " for character in without).rstrip()


@contextlib.contextmanager
def _started(command: list[str], stdin: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, and at the end none of that session."""
    with tempfile.TemporaryFile() as source:  # not a pipe: one would have to be written to while the output is read
        source.write(stdin.encode())
        source.seek(0)
        process = _popen(command, source)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def _popen(command: list[str], source: IO[bytes]) -> subprocess.Popen[bytes]:
    tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603  (a list, no shell; what comes from a plugin travels on stdin)
        [*tether, *command],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_WORKING_DIRECTORY,
        start_new_session=True,
    )
