"""What a freshly forked worker does to itself before it loads anything: descriptors, session, environment."""

import ctypes
import fcntl
import os
import signal
import socket
import sys

from cadence_sdk._runtime.wire import WorkerSpec

CHANNEL_FD = 3
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Loaded before the fork: opening a library takes a millisecond that every worker would pay.
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (prctl(2), PR_SET_PDEATHSIG).

    :param parent: process id of the parent; when it is already gone this process ends at once.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        os._exit(1)


def keep_standard_and(fd: int) -> socket.socket:
    """Close every descriptor but the standard ones and ``fd``, which moves to :data:`CHANNEL_FD`."""
    if fd != CHANNEL_FD:
        os.dup2(fd, CHANNEL_FD, inheritable=False)
    os.closerange(CHANNEL_FD + 1, os.sysconf("SC_OPEN_MAX"))
    return socket.socket(fileno=CHANNEL_FD)


def keep_only(channel: int, log: int) -> socket.socket:
    """Close every descriptor but the channel and the log pipe, which becomes standard output and error.

    :returns: the channel, at descriptor :data:`CHANNEL_FD`.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    # Out of the way first, so that no dup2 lands on one that is still needed.
    null, channel, log = (_above_standard(fd) for fd in (null, channel, log))
    os.dup2(null, 0, inheritable=False)
    os.dup2(log, 1, inheritable=False)
    os.dup2(log, 2, inheritable=False)
    os.dup2(channel, CHANNEL_FD, inheritable=False)
    os.closerange(CHANNEL_FD + 1, os.sysconf("SC_OPEN_MAX"))
    return socket.socket(fileno=CHANNEL_FD)


def _above_standard(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)


def take_surroundings(spec: WorkerSpec) -> None:
    """Set environment, working directory and import path to what the worker is given."""
    os.environ.clear()
    os.environ.update(spec.env)
    os.chdir(spec.data)
    if spec.environment is not None:
        sys.path.insert(0, spec.environment)
