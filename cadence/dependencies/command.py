"""One run of the ``uv`` program: its output as it comes, its end when it is cancelled or makes no progress."""

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import uv
from msgspec import Struct
from msgspec.structs import replace

from cadence.dependencies.terminal import Lines, Screen, presentable
from cadence.errors import Cancelled, StorageFull
from cadence.progress import Flag

_TETHER = Path(__file__).with_name("tether.py")
_TICK_SECONDS = 0.05
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024
# Where there is no project of anyone whose settings uv could pick up; those of the user and the system hold.
_WORKING_DIRECTORY = "/"
_COMMON = ("--no-python-downloads", "--no-sources", "--color", "never")
# Has it draw its progress whatever terminal the server was started from, or none.
_DRAWING = ("/usr/bin/env", "TERM=xterm")
# Reads from one stream before the others, and the clock, have their turn.
_MOST_READS = 64
# Python 3.11 fills this cache without a lock, and looking for uv's program from two threads at once finds it half full.
sysconfig.get_config_vars()


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
    :param python: the interpreter for which it resolves and installs; by default the server's own.
    :param builds: whether source distributions may be built, instead of only wheels taken.
    :param verify: is called after each run that uv says was good, and refuses what came of it by raising.
    """

    def __init__(
        self,
        *,
        idle_seconds: float,
        on_line: Callable[[str], None] = lambda _: None,
        on_count: Callable[[int, int], None] = lambda *_: None,
        cancelled: Flag | None = None,
        options: IndexOptions | None = None,
        python: str | None = None,
        builds: bool = False,
        verify: Callable[[], object] = lambda: None,
    ) -> None:
        self.idle_seconds = idle_seconds
        self.builds = builds
        self._verify = verify
        self._on_line = on_line
        self._on_count = on_count
        self._cancelled = cancelled
        self._options = options or IndexOptions()
        self._python = python or sys.executable

    def raise_if_cancelled(self) -> None:
        """Stop here when the install is no longer wanted.

        :raises Cancelled: then.
        """
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled

    def say(self, line: str) -> None:
        """Have a line told among those of uv."""
        self._on_line(presentable(line))

    def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
        """Run ``uv pip`` with ``arguments`` to its end.

        Nothing of it is left running when this returns or raises, nor when the server dies under it.

        :param packages: how many will be ready in the end, to count them; 0 where there is nothing to count.
        :raises Cancelled: when it was cancelled.
        :raises Ended: when it made no progress, or said more than anyone could read.
        :raises StorageFull: when there was no room on the disk.
        """
        command = [uv.find_uv_bin(), "pip", *arguments, "--python", self._python, *_COMMON, *self._options.arguments()]
        output = self._output(command, stdin, self._on_line, packages)
        if output.code != 0 and packages:
            # Frames can fall upon any part of the reason; the same without a drawing says it whole. It stays a failure:
            # what the first left half done can look done to the second.
            again = self._output(command, stdin, lambda _: None)
            output = replace(output, words=again.words) if again.code != 0 else output
        if output.code == 0:
            self._verify()
        return output

    def _output(self, command: list[str], stdin: str, on_line: Callable[[str], None], packages: int = 0) -> Output:
        """Run it once; where there are packages to count, at a terminal."""
        self.raise_if_cancelled()
        with _started(command, stdin, drawing=packages > 0) as (process, stderr, is_terminal):
            lines = Screen(on_line, self._on_count, packages) if is_terminal else Lines(on_line)
            stdout = self._follow(process, stderr, lines)
            # Seen but not yet reaped: its id has to stay its own until its group has been ended.
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        if "No space left on device" in lines.text or "Disk quota exceeded" in lines.text:
            raise StorageFull("There is no room for the packages that the plugin needs.")
        code = ended.si_status if ended is not None and ended.si_code == os.CLD_EXITED else -1
        return Output(code, stdout.decode(errors="replace"), lines.text)

    def _follow(self, process: subprocess.Popen[bytes], stderr: int, lines: Lines) -> bytes:
        """Take what it says until it closes both streams."""
        stdout = bytearray()
        progress = _Progress(process.pid, self.idle_seconds)
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            for stream, take in ((process.stdout.fileno(), stdout.extend), (stderr, lines.feed)):
                os.set_blocking(stream, False)
                selector.register(stream, selectors.EVENT_READ, take)
            while selector.get_map():
                progress.look()
                for key, _ in selector.select(_TICK_SECONDS):
                    for chunk in _chunks(key.fd):
                        key.data(chunk)
                        progress.received(len(chunk))
                        if not chunk:
                            selector.unregister(key.fd)
                self.raise_if_cancelled()
                if len(stdout) + lines.size_bytes > _MAX_OUTPUT_BYTES:
                    raise Ended("said more than anyone could read")
                progress.check(len(stdout) + lines.steps)
        return bytes(stdout)


def _chunks(stream: int) -> Iterator[bytes]:
    """What can be read now; at the end of the stream, nothing at all once."""
    for _ in range(_MOST_READS):
        try:
            chunk = os.read(stream, 65536)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            chunk = b""  # so a terminal says that nobody has it open any more (Linux, pty(7))
        yield chunk
        if not chunk:
            return


class _Progress:
    """Whether a process does anything: a download is long silent, but it writes what it gets.

    What it writes to us is not counted in, or else the spinner that it draws would be progress for ever.
    """

    def __init__(self, pid: int, idle_seconds: float) -> None:
        self._process = psutil.Process(pid)
        self._idle_seconds = idle_seconds
        self._received_bytes = 0
        self._looked = (0, 0)
        self._most = [0, 0, 0]
        self._deadline = time.monotonic() + idle_seconds

    def received(self, count: int) -> None:
        """Count what it said."""
        self._received_bytes += count

    def look(self) -> None:
        """Look at what it has read and written; before what it said is taken, lest something said be missing."""
        # Not every system tells, and no one tells of a process that has ended: then only what it says counts.
        with contextlib.suppress(psutil.Error, AttributeError, NotImplementedError):
            counters = self._process.io_counters()
            self._looked = (counters.read_chars, counters.write_chars)

    def check(self, steps: int) -> None:
        """End it when nothing has risen for too long; ``steps`` are what it said."""
        read, written = self._looked
        most = list(map(max, (steps, read, written - self._received_bytes), self._most))
        if most != self._most:
            self._most = most
            self._deadline = time.monotonic() + self._idle_seconds
        elif time.monotonic() > self._deadline:
            raise Ended(f"made no progress for {self._idle_seconds:g} seconds")


@contextlib.contextmanager
def _started(command: list[str], stdin: str, *, drawing: bool) -> Iterator[tuple[subprocess.Popen[bytes], int, bool]]:
    """A process in a session of its own, where its errors can be read, and whether that is a terminal.

    At the end there is none of that session.

    :param drawing: whether its progress is wanted, for which it needs a terminal; without one nothing is drawn into
        what it says.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(tempfile.TemporaryFile())
        source.write(stdin.encode())  # not a pipe: one would have to be written to while the output is read
        source.seek(0)
        terminal = _terminal(stack) if drawing else None
        if terminal is None:
            process = _popen([*command, "--no-progress"], source, subprocess.PIPE)
            stack.callback(_end, process)
            assert process.stderr is not None
            stderr = stack.enter_context(process.stderr).fileno()
        else:
            stderr, theirs = terminal
            process = _popen([*_DRAWING, *command], source, theirs)
            stack.callback(_end, process)
            theirs.close()  # so that it is at its end once nobody else has it open
        assert process.stdout is not None
        stack.enter_context(process.stdout)
        yield process, stderr, terminal is not None


def _terminal(stack: contextlib.ExitStack) -> tuple[int, IO[bytes]] | None:
    """Our end of a pseudo-terminal and theirs, closed by ``stack``; ``None`` where the system has none to give.

    Its window has no size, as a new one has none: uv then breaks no lines, just as it does not in a pipe.
    """
    try:
        ours, theirs = os.openpty()
    except OSError:
        return None
    stack.callback(os.close, ours)
    file = stack.enter_context(os.fdopen(theirs, "wb", buffering=0))
    tty.setraw(file.fileno())  # bytes pass as they are written
    return ours, file


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _popen(command: list[str], source: IO[bytes], stderr: int | IO[bytes]) -> subprocess.Popen[bytes]:
    tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603  (a list, no shell; what comes from a plugin travels on stdin)
        [*tether, *command],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=_WORKING_DIRECTORY,
        start_new_session=True,
    )
