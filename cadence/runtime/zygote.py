"""The server's handle on the zygote process; see :mod:`cadence_sdk._runtime.zygote` for what runs in it."""

import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from cadence.errors import PluginUnavailable
from cadence.runtime.cgroup import Cgroups, Group
from cadence_sdk._runtime import wire
from cadence_sdk._runtime.report import Layer

log = logging.getLogger(__name__)

_MAX_PACKET_BYTES = 65536
_START_SECONDS = 60.0
_FORK_SECONDS = 30.0
_END_SECONDS = 5.0

#: Told when a worker ended: its ``waitpid`` status, or None when the zygote died and took it along; how much more
#: memory it had at its highest than the zygote, in KiB.
OnExit = Callable[[int | None, int], None]


class Forked(NamedTuple):
    """A new worker process: its number, a pidfd that the caller owns, and its control group."""

    pid: int
    pidfd: int
    group: Group


class _Request(NamedTuple):
    forked: Future[Forked]
    on_exit: OnExit


class Zygote:
    """Forks workers; starts its process when it is first needed, and again when it died.

    :param confine: whether workers lock themselves down.
    :param bare: whether workers find no package imported, for plugins that bring all of theirs.
    """

    def __init__(self, *, confine: bool = True, bare: bool = False) -> None:
        self._confine = confine
        self._bare = bare
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._stopped = False

    def start(self) -> None:
        """Make sure that the process runs and is warm. Costs about a second the first time, 0.1 s for a bare one.

        :raises PluginUnavailable: when it cannot be started.
        """
        self._running()

    @property
    def pid(self) -> int | None:
        """Process id of the zygote, None while there is none."""
        line = self._line
        return line.pid if line and line.alive else None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What this host has to confine workers; starts the process where it does not run.

        :raises PluginUnavailable: when it cannot be started.
        """
        return self._running().layers

    @property
    def confines(self) -> bool:
        """Whether workers are confined."""
        return self._confine

    @property
    def asks(self) -> bool:
        """Whether workers that may connect ask the server for each connection; otherwise as :attr:`layers`."""
        return self._running().ready.asks

    @property
    def users(self) -> bool:
        """Whether workers can be given user ids of their own; otherwise as :attr:`layers`."""
        return self._running().ready.users

    @property
    def groups(self) -> Cgroups:
        """The control groups of the workers; otherwise as :attr:`layers`."""
        return self._running().groups

    def fork(self, channel: socket.socket, output: int, error: int, on_exit: OnExit) -> Forked:
        """Fork a worker that reads its specification from ``channel``.

        The descriptors ``output`` and ``error`` become its standard output and error. ``on_exit`` is called once, from
        another thread, after the worker ended.

        :raises PluginUnavailable: when the host gives no process.
        """
        return self._running().fork(channel, output, error, on_exit)

    def stop(self) -> None:
        """End the zygote and with it every worker."""
        with self._lock:
            self._stopped = True
            if self._line is not None:
                self._line.close()

    def _running(self) -> "_Line":
        with self._lock:
            if self._stopped:
                raise PluginUnavailable("The server is shutting down.")
            if self._line is None or not self._line.alive:
                self._line = _Line(confine=self._confine, bare=self._bare)
            return self._line


class _Line:
    """One zygote process and the control socket to it."""

    def __init__(self, *, confine: bool, bare: bool) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.groups = Cgroups.open() if confine else Cgroups((), {})
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [*_program(bare=bare), str(theirs.fileno()), str(int(confine)), *self.groups.folders],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
                # An empty environment: whatever the zygote holds, every worker inherits.
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                # Ctrl-C at the terminal is for the server, which then lets the workers finish.
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.alive = True
        self._ids = itertools.count(1)
        self._sending = threading.Lock()
        self._requests: dict[int, _Request] = {}
        self._exits: dict[int, OnExit] = {}
        self.ready = self._await_ready()
        self.layers = (*self.ready.layers, self.groups.layer) if confine else ()
        threading.Thread(target=self._listen, name="zygote", daemon=True).start()

    def fork(self, channel: socket.socket, output: int, error: int, on_exit: OnExit) -> Forked:
        request = _Request(Future(), on_exit)
        with self._sending:
            id_ = next(self._ids)
            self._requests[id_] = request
            try:
                socket.send_fds(self._control, [wire.encode(wire.Spawn(id_))], [channel.fileno(), output, error])
            except OSError as error:
                del self._requests[id_]
                raise PluginUnavailable(f"No worker could be started: {error}.") from None
        try:
            return request.forked.result(_FORK_SECONDS)
        except TimeoutError:
            if not request.forked.cancel():
                return request.forked.result()  # it came at the last moment
            raise PluginUnavailable(f"No worker was started within {_FORK_SECONDS:g} s.") from None

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it died, and its socket is closed already
            self._control.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        self.groups.close()

    def _status(self) -> int:
        """How the process ended, that has closed its socket or was killed."""
        try:
            return self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _await_ready(self) -> wire.Ready:
        self._control.settimeout(_START_SECONDS)
        try:
            ready = self._control.recv(_MAX_PACKET_BYTES)
        except TimeoutError:
            ready = b""
            self._process.kill()
        self._control.settimeout(None)
        if not ready:
            status = self._status()
            self.groups.close()
            self._control.close()
            raise PluginUnavailable(
                f"The process that starts workers ended with status {status}; see the server's log."
            )
        return wire.decode_ready(ready)

    def _listen(self) -> None:
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(self._control, _MAX_PACKET_BYTES, 1)
            except OSError:
                packet = b""
            if not packet:
                break
            try:
                self._take(wire.decode_from_zygote(packet), descriptors)
            except Exception:
                # Every later start and end of a worker is told through here: one that went wrong must not end it.
                log.exception("a message of the zygote could not be taken")
        self._end()

    def _take(self, message: wire.FromZygote, descriptors: list[int]) -> None:
        if isinstance(message, wire.Spawned):
            request = self._requests.pop(message.id)
            self._exits[message.pid] = request.on_exit
            (pidfd,) = descriptors
            if request.forked.set_running_or_notify_cancel():
                group = self.groups.group(str(message.pid))
                request.forked.set_result(Forked(_pid_here(pidfd), pidfd, group))
            else:  # nobody waits for it any more
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                os.close(pidfd)
        elif isinstance(message, wire.SpawnFailed):
            words = f"No worker could be started: {message.error}."
            self._requests.pop(message.id).forked.set_exception(PluginUnavailable(words))
        else:
            # Unknown is one that died before it was given anything to do.
            on_exit = self._exits.pop(message.pid, None)
            if on_exit is not None:
                on_exit(message.status, message.grown_kb)

    def _end(self) -> None:
        """The zygote is gone, and the kernel has killed its workers."""
        with self._sending:
            self.alive = False
            self._control.close()
            requests = list(self._requests.values())
            self._requests.clear()
        self._process.wait()
        for request in requests:
            if request.forked.set_running_or_notify_cancel():
                request.forked.set_exception(PluginUnavailable("The process that starts workers ended; try again."))
        for on_exit in list(self._exits.values()):
            on_exit(None, 0)
        self.groups.close()


def _program(*, bare: bool) -> list[str]:
    # Isolated (-I): neither variables nor the working directory decide what is imported. Without site (-S) the packages
    # of the server are not found either.
    python = [sys.executable, "-I", "-B"]
    if bare:
        return [*python, "-S", str(Path(wire.__file__).with_name("bare") / "zygote.py")]
    return [*python, "-m", "cadence_sdk._runtime.zygote"]


def _pid_here(pidfd: int) -> int:
    """The process id as this process sees it: the zygote may count them in a namespace of its own (proc(5), fdinfo)."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines())
    return int(fields["Pid"])
