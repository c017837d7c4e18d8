"""Namespaces: processes, network and mounts of the workers' own (namespaces(7)).

The zygote enters those of processes, network and IPC once, for all workers: it is the init process of theirs, so that
the kernel ends every one of them with it. The network is empty, not even loopback is up. Each worker adds a view of
the mounts in which all but its own folders is read-only: Landlock has no say over modes, owners and times of files.
"""

import ctypes
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from struct import pack

from cadence_sdk._runtime.lockdown import kernel

# linux/sched.h
_NEWNS = 0x00020000
_NEWUTS = 0x04000000
_NEWIPC = 0x08000000
_NEWUSER = 0x10000000
_NEWPID = 0x20000000
_NEWNET = 0x40000000
# linux/mount.h
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 1 << 18
_MOUNT_ATTR_RDONLY = 0x1
_MOUNT_ATTR_NOSUID = 0x2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000


def enter_process_namespace(keep_open: int) -> bool:
    """Go on as the init process of a process namespace; the process that called waits for it and ends as it does.

    :param keep_open: a descriptor that only the one that goes on shall hold.
    :returns: whether that took a user namespace, in which this process is privileged.
    :raises OSError: when the host does not allow it.
    """
    by_user = False
    try:
        _unshare(_NEWPID)
    except PermissionError:
        _unshare(_NEWUSER | _NEWPID)
        by_user = True
    child = os.fork()
    if child:
        os.close(keep_open)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    return by_user


def enter_empty_network() -> None:
    """Leave the host's network, System V IPC and host name for empty ones.

    :raises OSError: when the host does not allow it.
    """
    _unshare(_NEWNET | _NEWIPC | _NEWUTS)


def enter_read_only_mounts(*, by_user: bool) -> None:
    """Make every file system read-only, as this process sees it.

    :param by_user: in a user namespace of its own, which also counts its threads apart from those of others.
    :raises OSError: when the host does not allow it.
    """
    _unshare(_NEWNS | (_NEWUSER if by_user else 0))
    kernel.checked(kernel.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    _set_attributes("/", _AT_RECURSIVE, set_=_MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID)


def make_writable(folders: Iterable[str]) -> None:
    """Take folders out of what :func:`enter_read_only_mounts` did."""
    for folder in folders:
        path = os.fsencode(folder)
        kernel.checked(kernel.mount(path, path, None, ctypes.c_ulong(_MS_BIND), None))
        _set_attributes(folder, 0, clear=_MOUNT_ATTR_RDONLY)


def put_over(folder: str, place: str) -> None:
    """Show ``folder`` at ``place``, another folder, to this process and those it starts."""
    source, target = os.fsencode(folder), os.fsencode(place)
    kernel.checked(kernel.mount(source, target, None, ctypes.c_ulong(_MS_BIND), None))


def why_not(error: OSError) -> str:
    """Why the host gave no namespace, in words."""
    with suppress(OSError):
        if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
            return "user.max_user_namespaces is 0 on this host"
    return (
        f"this host does not allow it ({error.strerror}): it takes root with CAP_SYS_ADMIN, or unprivileged user "
        "namespaces, which some containers and distributions switch off"
    )


def _unshare(flags: int) -> None:
    """Leave the namespaces that ``flags`` name; a new user namespace has the user and group that the old one had."""
    user, group = os.geteuid(), os.getegid()
    kernel.checked(kernel.unshare(flags))
    if flags & _NEWUSER:
        _map_ids(user, group)


def _map_ids(user: int, group: int) -> None:
    """Be the same user and group inside as outside (user_namespaces(7))."""
    for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", file).write_text(text)


def _set_attributes(path: str, flags: int, *, set_: int = 0, clear: int = 0) -> None:
    attributes = pack("=QQQQ", set_, clear, 0, 0)  # struct mount_attr
    kernel.syscall(
        kernel.MOUNT_SETATTR,
        _AT_FDCWD,
        ctypes.c_char_p(os.fsencode(path)),
        flags,
        ctypes.c_char_p(attributes),
        len(attributes),
    )
