"""What the kernel says and takes about a worker's ``connect``: seccomp user notification (seccomp_unotify(2)).

Numbers and layouts are those of ``linux/seccomp.h`` (``struct seccomp_notif``, ``seccomp_notif_resp``,
``seccomp_notif_addfd``), with the ioctl numbers that ``asm-generic/ioctl.h`` makes of them; both are the same on x86_64
and on 64-bit ARM. The worker is hostile: what is read of it here may be anything, and may change at once.
"""

import errno
import fcntl
import os
import socket
from pathlib import Path
from struct import Struct as Layout
from types import TracebackType
from typing import NamedTuple, Self

from cadence_sdk._runtime.endpoint import LISTENER_MARK

# id, pid, flags; struct seccomp_data: number, architecture, instruction pointer, six arguments
_NOTIFICATION = Layout("=QIIiIQ6Q")
# id, value, error, flags
_RESPONSE = Layout("=QqiI")
# id, flags, our descriptor, theirs, its flags
_ADDFD = Layout("=QIIII")
_ID = Layout("=Q")
_SETFD = 1
# _IOWR('!', 0 …): direction, size, magic, number
_RECEIVE = 3 << 30 | _NOTIFICATION.size << 16 | ord("!") << 8 | 0
_SEND = 3 << 30 | _RESPONSE.size << 16 | ord("!") << 8 | 1
_ID_VALID = 1 << 30 | _ID.size << 16 | ord("!") << 8 | 2
_ADD = 1 << 30 | _ADDFD.size << 16 | ord("!") << 8 | 3
#: More than any kernel's ``struct seccomp_notif``, which it writes whole; as large as ``fcntl.ioctl`` takes.
_BUFFER_BYTES = 1024
_LISTENER = "anon_inode:seccomp notify"
_MAX_FDINFO_BYTES = 4096


class Notification(NamedTuple):
    """One ``connect`` that waits for an answer: its caller's thread id, and the three arguments."""

    id: int
    pid: int
    fd: int
    address_at: int
    address_bytes: int


class Target(NamedTuple):
    """The socket that is to be connected: which one it is, and how its descriptor is set."""

    identity: str
    nonblocking: bool
    close_on_exec: bool


def receive_listener(channel: socket.socket, timeout: float) -> int:
    """Take a worker's listener from its channel, before anything else is read from it.

    :returns: the descriptor, which the caller owns.
    :raises OSError: when the worker ended, or sent something else.
    :raises TimeoutError: when it sent nothing for ``timeout`` seconds.
    """
    before = channel.gettimeout()
    channel.settimeout(timeout)
    try:
        mark, descriptors, _, _ = socket.recv_fds(channel, len(LISTENER_MARK), 1, socket.MSG_CMSG_CLOEXEC)
    finally:
        channel.settimeout(before)
    if mark == LISTENER_MARK and descriptors and str(Path(f"/proc/self/fd/{descriptors[0]}").readlink()) == _LISTENER:
        return descriptors[0]
    for descriptor in descriptors:
        os.close(descriptor)
    raise OSError(errno.EPROTO, "The worker did not say how to answer its connections")


def receive(listener: int) -> Notification | None:
    """The next connect that waits, None where its caller is gone already. Call it when the listener is readable.

    :raises OSError: when the listener cannot be used.
    """
    buffer = bytearray(_BUFFER_BYTES)  # the kernel insists on zeros
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except FileNotFoundError:
        return None
    id_, pid, _, _, _, _, fd, address_at, address_bytes, *_ = _NOTIFICATION.unpack_from(buffer)
    # The kernel takes the first and the third argument as int: of a register only the lower half counts.
    return Notification(id_, pid, _int(fd), address_at, _int(address_bytes))


def is_waiting(listener: int, id_: int) -> bool:
    """Whether the caller still waits; so its process id has named no other process until now."""
    try:
        fcntl.ioctl(listener, _ID_VALID, _ID.pack(id_))
    except OSError:
        return False
    return True


def replace(listener: int, notification: Notification, ours: int, *, close_on_exec: bool) -> None:
    """Put our descriptor, as a copy, in place of the one the caller wants to connect.

    :raises OSError: when it is gone (ENOENT), or cannot have that descriptor.
    """
    flags = os.O_CLOEXEC if close_on_exec else 0
    fcntl.ioctl(listener, _ADD, _ADDFD.pack(notification.id, _SETFD, ours, notification.fd, flags))


def answer(listener: int, id_: int, error: int) -> None:
    """Let the caller go on: with 0 as connected, else with that errno.

    :raises FileNotFoundError: when it is gone.
    """
    fcntl.ioctl(listener, _SEND, bytearray(_RESPONSE.pack(id_, 0, -error, 0)))


class Caller:
    """The thread that made a connect, by its folder in ``/proc``.

    The folder is opened once and names this thread, and no later one with its number, from then on. None of its
    descriptors is ever copied: whoever is the last to close a socket may be held up by it.

    :raises OSError: when it is gone.
    """

    def __init__(self, pid: int) -> None:
        self._folder = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._folder)

    def memory(self, start: int, size: int) -> bytes:
        """Some bytes of its memory. By ``/proc/PID/mem``, which does not wait for memory served by the caller itself.

        :raises PermissionError: when the server may not look into it.
        :raises OSError: with EFAULT, when that is no memory of it.
        """
        descriptor = os.open("mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            data = os.pread(descriptor, size, start)
        except (OSError, OverflowError):
            data = b""
        finally:
            os.close(descriptor)
        if len(data) != size:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        return data

    def socket(self, fd: int) -> Target:
        """What its descriptor ``fd`` is.

        :raises PermissionError: when the server may not look into it.
        :raises OSError: with the errno that ``connect`` has for what is not open, no socket, or not one of TCP.
        """
        try:
            identity = os.readlink(f"fd/{fd}", dir_fd=self._folder)
        except FileNotFoundError:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None
        if not identity.startswith("socket:["):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        # The name of its protocol is an attribute of every socket (net/socket.c, sockfs_xattr_get).
        protocol = os.getxattr(f"/proc/self/fd/{self._folder}/fd/{fd}", "system.sockprotoname")
        if protocol.rstrip(b"\0") not in (b"TCP", b"TCPv6"):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        flags = self._flags(fd)
        return Target(identity, bool(flags & os.O_NONBLOCK), bool(flags & os.O_CLOEXEC))

    def is_still(self, fd: int, target: Target) -> bool:
        """Whether the descriptor is still that socket."""
        try:
            return os.readlink(f"fd/{fd}", dir_fd=self._folder) == target.identity
        except OSError:
            return False

    def _flags(self, fd: int) -> int:
        descriptor = os.open(f"fdinfo/{fd}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            lines = os.read(descriptor, _MAX_FDINFO_BYTES).split(b"\n")
        finally:
            os.close(descriptor)
        return next(int(line.split()[1], 8) for line in lines if line.startswith(b"flags:"))


def _int(register: int) -> int:
    low = register & 0xFFFFFFFF
    return low - (1 << 32) if low >= 1 << 31 else low
