"""The zygote: one warm process with a single thread that forks a worker for every request.

Everything a plugin is likely to need is imported and used once before the first fork, then frozen out of the
garbage collector's sight, so that a worker starts in milliseconds and shares most of its memory. It has one thread,
because ``fork`` in a process with several copies locks that nobody will ever release. It never holds a secret of the
server: it is started with an empty environment and gets none later.

Started as ``python -m cadence_sdk._runtime.zygote FD``, where ``FD`` is a ``SOCK_SEQPACKET`` socket: one message a
packet, with the worker's channel and log pipe as ``SCM_RIGHTS``. It ends when that socket closes, and its workers
with it.
"""

import asyncio
import contextlib
import gc
import os
import select
import signal
import socket
import sys
import traceback

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.process import die_with_parent, keep_only, take_surroundings

_MAX_PACKET_BYTES = 65536


def main(control_fd: int) -> None:
    """Warm up, say so by an empty packet, then fork on request until the server is gone."""
    warm_up()
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    control.send(b"ready")
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(wake_read, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poller.poll()}
        if wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, 4096)
            _report_exits(control)
        if control_fd in ready and not _spawn_next(control):
            return


def warm_up() -> None:
    """Import what plugins use and use it once: LangChain's imports are lazy, and so is much of Pydantic's work."""
    import cadence_sdk
    from cadence_sdk._runtime import main as _worker_main  # noqa: F401  (every worker runs it)
    from cadence_sdk._runtime import tool_models
    from cadence_sdk._runtime.tools import ToolCall

    tool_models.install()

    @cadence_sdk.tool
    def warm(a: int, b: str = "") -> str:
        """Warm up."""
        return f"{a}{b}"

    warm.invoke({"a": 1})
    ToolCall(warm).call({"a": 1})
    asyncio.run(warm.ainvoke({"a": 1}))
    gc.collect()
    gc.freeze()


def _spawn_next(control: socket.socket) -> bool:
    """Take one request and fork. Returns False when the server closed its end."""
    packet, descriptors, _, _ = socket.recv_fds(control, _MAX_PACKET_BYTES, 2)
    if not packet:
        return False
    request = wire.decode_spawn(packet)
    zygote = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        _close_all(descriptors)
        control.send(wire.encode(wire.SpawnFailed(request.id, str(error))))
        return True
    if pid == 0:
        _become_worker(request.spec, zygote, *descriptors)
    # A pidfd names this process and no later one with the same number, so the server can never kill a stranger.
    pidfd = os.pidfd_open(pid)
    socket.send_fds(control, [wire.encode(wire.Spawned(request.id, pid))], [pidfd])
    _close_all([*descriptors, pidfd])
    return True


def _become_worker(spec: wire.WorkerSpec, zygote: int, channel: int, log: int) -> None:
    try:
        die_with_parent(zygote)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        socket_ = keep_only(channel, log)
        take_surroundings(spec)
        from cadence_sdk._runtime.main import run

        run(spec, socket_)
    except BaseException:  # noqa: BLE001  (for the plugin's log; nobody else is left to tell)
        traceback.print_exc()
    finally:
        # Never back into the zygote's loop, whatever a plugin did to the interpreter.
        os._exit(1)


def _report_exits(control: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            # What the worker started goes with it, and before it is reaped: until then its id is no one else's.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            control.send(wire.encode(wire.Exited(ended.si_pid, status)))


def _close_all(descriptors: list[int]) -> None:
    for fd in descriptors:
        os.close(fd)


if __name__ == "__main__":
    main(int(sys.argv[1]))
