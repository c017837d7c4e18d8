"""Who a worker is: no privilege, and under a root server a user of its own (credentials(7), capabilities(7))."""

import ctypes
import os
import platform
import stat
from collections.abc import Iterable
from pathlib import Path
from struct import pack

from cadence_sdk._runtime.lockdown import kernel

_VERSION_3 = 0x20080522  # linux/capability.h
_CAP_DAC_READ_SEARCH = 2
_CAP_SYS_PTRACE = 19


def become(user: int, *, read_all: bool) -> None:
    """Become a user and group, for good.

    :param read_all: keep the right to read files whoever may read them, which Landlock then bounds: where the
        interpreter or the instance lie in the home of root, nobody else could load them. Programs it starts have it
        too.
    """
    os.setgroups([])
    if read_all:
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _set_capabilities(1 << _CAP_DAC_READ_SEARCH if read_all else 0)
    if read_all:
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH)


def may_keep_reading() -> bool:
    """Whether this process has the right that ``read_all`` of :func:`become` keeps."""
    return _has(_CAP_DAC_READ_SEARCH)


def may_read_processes() -> bool:
    """Whether this process may look into those of other users."""
    return _has(_CAP_SYS_PTRACE)


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    _set_capabilities(0)


def readable_by_others(paths: Iterable[str], group: int = -1) -> bool:
    """Whether a user who owns none of these files and folders could read them.

    :param group: the one group that the user is in; -1 for none that matters.
    """
    return all(_readable(path, group) for path in paths)


def _has(capability: int) -> bool:
    """Whether this process holds a capability (proc(5), status)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return bool(int(fields["CapPrm"], 16) & 1 << capability)


def _readable(path: str, group: int) -> bool:
    status = os.stat(path)  # noqa: PTH116  (path objects would cost every worker memory of its own)
    needed = (stat.S_IROTH | stat.S_IXOTH) if stat.S_ISDIR(status.st_mode) else stat.S_IROTH
    readable = _grants(status, needed, group)
    while readable and (parent := path.rpartition("/")[0]):
        path = parent
        readable = _grants(os.stat(path), stat.S_IXOTH, group)  # noqa: PTH116  (as above)
    return readable


def _grants(status: os.stat_result, needed: int, group: int) -> bool:
    """Whether a mode gives others the bits ``needed``, or gives them to the group."""
    bits = status.st_mode >> 3 if status.st_gid == group else status.st_mode
    return bits & needed == needed


def _set_capabilities(held: int) -> None:
    header = pack("=Ii", _VERSION_3, 0)
    # Effective, permitted, inheritable: the low words, then the high ones.
    data = pack("=6I", held, held, held, 0, 0, 0)
    kernel.syscall(kernel.CAPSET[platform.machine()], ctypes.c_char_p(header), ctypes.c_char_p(data))
