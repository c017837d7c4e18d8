"""What the kernel counts for one process or one user (getrlimit(2))."""

import os
import resource

from cadence_sdk._runtime.limits import Limits

_PAGE_BYTES = resource.getpagesize()
_LOCKED_BYTES = 64 * 1024
#: The process itself, the thread that stands by and the event loop's: not the plugin's.
_OWN_THREADS = 3


def set_limits(limits: Limits, *, counted_apart: bool, counted_twice: bool) -> None:
    """Take limits upon this process, for good.

    :param counted_apart: whether the kernel counts this worker's threads apart from other processes'.
    :param counted_twice: whether those of the worker that it is to replace count too.
    """
    tasks = (limits.threads + limits.processes + _OWN_THREADS) * (2 if counted_twice else 1)
    values = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: _data_bytes() + limits.memory_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.data_bytes,
        resource.RLIMIT_MEMLOCK: _LOCKED_BYTES,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_NICE: 0,
    }
    if counted_apart:
        values[resource.RLIMIT_NPROC] = tasks
    for kind, value in values.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _data_bytes() -> int:
    """The private memory this process may write to now, used or not (proc(5), statm)."""
    # By system calls alone: a file object would cost every worker memory of its own.
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    pages = int(os.read(statm, 256).split()[5])
    os.close(statm)
    return pages * _PAGE_BYTES
