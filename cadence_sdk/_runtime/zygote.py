"""The zygote: one warm process with a single thread that forks workers.

Everything a plugin is likely to need is imported and used once before the first fork, then frozen out of the
garbage collector's sight, so that a worker starts in milliseconds and shares most of its memory. It has one thread,
because ``fork`` in a process with several copies locks that nobody will ever release. It never holds a secret of the
server: it is started with an empty environment and gets none later.

One worker is always forked ahead. It takes the memory that loading a plugin will write to, and waits, so that a plugin
that starts waits neither for the fork nor for the page faults that follow one.

A *bare* zygote is the same without the warmth: it has imported no package, see :mod:`cadence_sdk._runtime.fresh`.

Started as ``python -m cadence_sdk._runtime.zygote FD CONFINE GROUPS…``, where ``CONFINE`` is 1 or 0, ``GROUPS`` are the
folders in which workers make control groups for themselves, and ``FD`` is a ``SOCK_SEQPACKET`` socket: one message a
packet, with the worker's channel and the pipes of its standard output and error as ``SCM_RIGHTS``. It ends when that
socket closes, and its workers with it.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.lockdown import host as host_
from cadence_sdk._runtime.lockdown.confinement import Confinement, Lockdown
from cadence_sdk._runtime.membership import enter_groups
from cadence_sdk._runtime.process import die_with_parent, keep_only, keep_standard_and, take_surroundings

_MAX_PACKET_BYTES = 65536
#: What comes with a request: the channel, and the pipes of standard output and error.
_DESCRIPTORS = 3


class _Stock(NamedTuple):
    """What workers have: set up before the first fork, and taken up in each of them.

    ``take_memory`` is called in a worker that waits for its request, ``run`` once it is locked down, with the request
    as it came, and decoded.
    """

    prepare: Callable[[Lockdown | None], None]
    take_memory: Callable[[], None]
    run: Callable[[bytes, wire.WorkerSpec, socket.socket], None]


class _Spare(NamedTuple):
    """A worker that was forked ahead: its process, and the socket it waits on for its request."""

    pid: int
    pidfd: int
    socket: socket.socket


def start(arguments: Sequence[str], *, bare: bool) -> None:
    """Be the zygote that these arguments ask for, which are described above.

    :param bare: whether it is one that has imported no package.
    """
    control_fd, confine, *groups = arguments
    _main(int(control_fd), groups, confine=confine == "1", bare=bare)


def _main(control_fd: int, groups: Sequence[str], *, confine: bool, bare: bool) -> None:
    """Warm up, say so by a packet, then fork on request until the server is gone."""
    host = host_.probe(host_.enter(control_fd)) if confine else None
    lockdown = Lockdown(host, host_.interpreter_folders(packages=not bare)) if host else None
    stock = _nothing() if bare else _warmth()
    stock.prepare(lockdown)
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    control.send(
        wire.encode(wire.Ready(host_.layers(host), users=host.users, asks=host.seccomp) if host else wire.Ready())
    )
    _Zygote(control, wake_read, lockdown, groups, stock).run()


def _warmth() -> _Stock:
    from cadence_sdk._runtime import rehearsal
    from cadence_sdk._runtime.main import run

    return _Stock(rehearsal.warm_up, rehearsal.take_memory, lambda _, spec, channel: run(spec, channel))


def _nothing() -> _Stock:
    from cadence_sdk._runtime import fresh

    return _Stock(lambda _: fresh.prepare(), lambda: None, fresh.run)


class _Zygote:
    """Keeps one worker forked ahead and hands it the next request, so that a fork is never waited for."""

    def __init__(
        self, control: socket.socket, wake: int, lockdown: Lockdown | None, groups: Sequence[str], stock: _Stock
    ) -> None:
        self._control = control
        self._wake = wake
        self._lockdown = lockdown
        self._groups = groups
        self._stock = stock
        self._spare: _Spare | None = None
        self._workers: set[int] = set()

    def run(self) -> None:
        """Serve until the server closes its end; what workers started ends then too."""
        self._serve()
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _serve(self) -> None:
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            with contextlib.suppress(OSError):  # the host gives no process now: then at the next request, or not
                self._spare = self._spare or _fork_spare(self._lockdown, self._groups, self._stock)
            ready = {fd for fd, _ in poller.poll()}
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._report_exits()
            if self._control.fileno() in ready and not self._serve_next():
                return

    def _serve_next(self) -> bool:
        """Take one request and answer it. Returns False when the server closed its end."""
        packet, descriptors, _, _ = socket.recv_fds(self._control, _MAX_PACKET_BYTES, _DESCRIPTORS)
        if not packet:
            return False
        id_ = wire.decode_spawn(packet).id
        try:
            worker = self._hand_over(packet, descriptors)
        except OSError as error:
            self._control.send(wire.encode(wire.SpawnFailed(id_, str(error))))
        else:
            # A pidfd names this process and no later one with the same number: the server never kills a stranger.
            socket.send_fds(self._control, [wire.encode(wire.Spawned(id_, worker.pid))], [worker.pidfd])
            os.close(worker.pidfd)
            worker.socket.close()
            self._workers.add(worker.pid)
        for fd in descriptors:
            os.close(fd)
        return True

    def _hand_over(self, packet: bytes, descriptors: list[int]) -> _Spare:
        """Give the request to the worker forked ahead, or to a new one where that has died."""
        for spare in (self._spare, None):
            worker = spare or _fork_spare(self._lockdown, self._groups, self._stock)
            self._spare = None
            try:
                socket.send_fds(worker.socket, [packet], descriptors)
            except OSError:
                os.close(worker.pidfd)
                worker.socket.close()
                if spare is None:
                    raise
            else:
                return worker
        raise AssertionError("unreachable")

    def _report_exits(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                # What the worker started goes with it, and before it is reaped: until then its id is no one else's.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(ended.si_pid, signal.SIGKILL)
                _, status, usage = os.wait4(ended.si_pid, 0)
                self._report(ended.si_pid, status, usage.ru_maxrss)

    def _report(self, pid: int, status: int, max_rss_kb: int) -> None:
        if self._spare is not None and self._spare.pid == pid:
            os.close(self._spare.pidfd)
            self._spare.socket.close()
            self._spare = None
        else:
            self._workers.discard(pid)
            with contextlib.suppress(OSError):  # the server is gone, which is seen by its socket next
                grown_kb = max(0, max_rss_kb - resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
                self._control.send(wire.encode(wire.Exited(pid, status, grown_kb)))


def _fork_spare(lockdown: Lockdown | None, groups: Sequence[str], stock: _Stock) -> _Spare:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    zygote = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_worker(theirs.fileno(), zygote, lockdown, groups, stock)
    theirs.close()
    return _Spare(pid, os.pidfd_open(pid), ours)


def _become_worker(
    request_fd: int, zygote: int, lockdown: Lockdown | None, groups: Sequence[str], stock: _Stock
) -> None:
    try:
        die_with_parent(zygote)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        requests = keep_standard_and(request_fd)
        # Before its view of the mounts is read-only.
        outside = enter_groups(groups)
        confinement = Confinement(lockdown) if lockdown else None
        stock.take_memory()
        packet, descriptors, _, _ = socket.recv_fds(requests, _MAX_PACKET_BYTES, _DESCRIPTORS)
        if packet:
            requests.detach()
            channel_fd, output, error = descriptors
            channel = keep_only(channel_fd, output, error, confinement.descriptors if confinement else ())
            if outside is not None:
                raise outside  # not before, so that it stands in the plugin's log
            frame = wire.receive_frame(channel)
            spec = wire.decode_spec(frame)
            if confinement:
                confinement.apply(spec, channel)
            take_surroundings(spec)
            stock.run(frame, spec, channel)
    except BaseException:  # noqa: BLE001  (for the plugin's log; nobody else is left to tell)
        traceback.print_exc()
    finally:
        # Never back into the zygote's loop, whatever a plugin did to the interpreter.
        os._exit(1)


if __name__ == "__main__":
    start(sys.argv[1:], bare=False)
