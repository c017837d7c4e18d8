"""Watches a build from outside, until it ends or has had enough: memory, disk, output.

The process that watches is the one that uv started. When it ends the build does, and it ends when uv does.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cadence_sdk._runtime.limits import MIB, Limits

_LOOK_SECONDS = 0.25
_CHUNK_BYTES = 65536
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: Where fields begin that follow the name in /proc/<pid>/stat (proc(5)): the session, the resident pages.
_SESSION, _RESIDENT = 6 - 3, 24 - 3


class BuildLimits(Struct, frozen=True):
    """What one call of a build may take, all its processes together.

    ``memory_mb`` and ``disk_mb`` are in MiB. Of what it says ``output_bytes`` are kept for each of its two outputs, of
    a line ``line_bytes``. ``tasks`` are its processes and threads.
    """

    memory_mb: int = 3072
    disk_mb: int = 4096
    output_bytes: int = 256 * 1024
    line_bytes: int = 1000
    tasks: int = 256
    open_files: int = 1024

    @property
    def of_a_process(self) -> Limits:
        """The same, as the kernel counts it for one."""
        return Limits(
            memory_mb=self.memory_mb,
            threads=self.tasks // 2,
            processes=self.tasks // 2,
            open_files=self.open_files,
            data_mb=self.disk_mb,
        )


class Exceeded(Exception):
    """A build came to a limit; the words name it."""


class Said:
    """What a build said by one of its outputs: the beginning and the end, where it is much.

    uv keeps all that it gets, until it shows it as the reason why a build failed.
    """

    def __init__(self, most: int) -> None:
        self._most = most // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, chunk: bytes) -> None:
        """Take what it says next."""
        room = self._most - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        surplus = max(0, len(self._tail) - self._most)
        del self._tail[:surplus]
        self._left_out += surplus

    def shown(self, line_bytes: int | None) -> bytes:
        """All that was kept, with lines cut to a length."""
        gap = b"\n[%d bytes are left out here]\n" % self._left_out if self._left_out else b""
        whole = bytes(self._head) + gap + bytes(self._tail)
        return whole if line_bytes is None else b"\n".join(line[:line_bytes] for line in whole.split(b"\n"))


class Watch:
    """One build, by the process that it descends from, which leads a session that none of it can leave.

    :param outputs: the descriptors from which to read what it says, and where to keep that.
    :param disk_bytes: how much the build has on the disk.
    """

    def __init__(
        self,
        pid: int,
        outputs: dict[int, Said],
        limits: BuildLimits,
        disk_bytes: Callable[[], int],
    ) -> None:
        self._pid = pid
        self._outputs = dict(outputs)
        self._limits = limits
        self._disk_bytes = disk_bytes
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def until_end(self, parent: int) -> int:
        """Wait for the build to end; returns its exit code. It has ended also when this raises.

        :param parent: a pidfd of uv.
        :raises Exceeded: when it had to be ended.
        """
        pidfd = os.pidfd_open(self._pid)
        try:
            while not self._ended(pidfd, parent):
                self._look()
        except BaseException:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            raise
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _ended(self, pidfd: int, parent: int) -> bool:
        """Take what it says for a moment. Whether it has ended and has said all; ends it where uv has ended."""
        poller = select.poll()
        for descriptor in (pidfd, parent, *self._outputs):
            poller.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(_LOOK_SECONDS * 1000)}
        if parent in ready:
            raise Exceeded("uv was ended")
        spoke = [self._take(descriptor) for descriptor in ready & self._outputs.keys()]
        return pidfd in ready and not any(spoke)

    def _take(self, descriptor: int) -> bool:
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if chunk:
            self._outputs[descriptor].add(chunk)
        else:
            del self._outputs[descriptor]
        return bool(chunk)

    def _look(self) -> None:
        if time.monotonic() < self._next_look:
            return
        started = time.monotonic()
        if self._disk_bytes() > self._limits.disk_mb * MIB:
            raise Exceeded(f"disk limit of {self._limits.disk_mb} MiB reached")
        if resident_bytes(self._pid) > self._limits.memory_mb * MIB:
            raise Exceeded(f"memory limit of {self._limits.memory_mb} MiB reached")
        ended = time.monotonic()
        # A large tree takes long to measure: not all of the time.
        self._next_look = ended + max(_LOOK_SECONDS, 8 * (ended - started))


def resident_bytes(session: int) -> int:
    """The memory of all processes of a session; what they share counts for each."""
    total = 0
    for name in os.listdir("/proc"):  # noqa: PTH208  (often)
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123  (often)
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[_SESSION]) == session:
                total += int(fields[_RESIDENT]) * _PAGE_BYTES
    return total


def connect_gateway(path: Path) -> socket.socket:
    """A connection to the server, for the listener of one build's connects."""
    gateway = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # By way of its folder: an address holds no more than 107 bytes (unix(7)).
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        gateway.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    return gateway
