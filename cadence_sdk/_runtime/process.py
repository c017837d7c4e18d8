"""What a freshly forked worker does to itself before it loads anything: descriptors, session, environment."""

import ctypes
import fcntl
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from types import ModuleType

from cadence_sdk._runtime.wire import WorkerSpec

CHANNEL_FD = 3
#: The stack of a thread. It counts as memory from its first moment, and what the system gives by default is 8 MiB, of
#: which a worker with many calls at once could not afford many.
STACK_BYTES = 2 * 1024 * 1024
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_M_ARENA_MAX = -8  # malloc.h
# Loaded before the fork: opening a library takes a millisecond that every worker would pay.
_libc = ctypes.CDLL(None, use_errno=True)


def keep_threads_small() -> None:
    """Have the threads of this process, and of those forked from it, take little memory each.

    Their stacks are smaller, and all allocate from one arena (mallopt(3)): the interpreter lock lets one run at a time.
    """
    threading.stack_size(STACK_BYTES)
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (prctl(2), PR_SET_PDEATHSIG).

    :param parent: process id of the parent; when it is already gone this process ends at once.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
    # 0 is a parent outside the process namespace, which cannot be told from none: its socket ends with it.
    if os.getppid() not in (parent, 0):
        os._exit(1)


def keep_standard_and(fd: int) -> socket.socket:
    """Close every descriptor but the standard ones and ``fd``, which moves to :data:`CHANNEL_FD`."""
    if fd != CHANNEL_FD:
        os.dup2(fd, CHANNEL_FD, inheritable=False)
    _close_above(CHANNEL_FD)
    return socket.socket(fileno=CHANNEL_FD)


def keep_only(channel: int, output: int, error: int, others: Sequence[int] = ()) -> socket.socket:
    """Close every descriptor but the channel, the pipes, which become standard output and error, and ``others``.

    :returns: the channel, at descriptor :data:`CHANNEL_FD`.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    # Out of the way first, so that no dup2 lands on one that is still needed.
    null, channel, output, error = (_above_standard(fd) for fd in (null, channel, output, error))
    os.dup2(null, 0, inheritable=False)
    os.dup2(output, 1, inheritable=False)
    os.dup2(error, 2, inheritable=False)
    os.dup2(channel, CHANNEL_FD, inheritable=False)
    _close_above(CHANNEL_FD, others)
    return socket.socket(fileno=CHANNEL_FD)


def _close_above(last: int, others: Sequence[int] = ()) -> None:
    for kept in sorted(others):
        os.closerange(last + 1, kept)
        last = kept
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))


def _above_standard(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)


def take_surroundings(spec: WorkerSpec) -> None:
    """Set environment, working directory and import path to what the worker is given."""
    os.environ.clear()
    os.environ.update(spec.env)
    os.chdir(spec.data)
    # The main module and the arguments were the zygote's; a process that a plugin starts anew would run that.
    sys.modules["__main__"] = ModuleType("__main__")
    sys.argv = [""]
    if spec.environment is not None:
        sys.path.insert(0, spec.environment)
