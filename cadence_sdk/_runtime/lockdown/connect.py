"""Makes every ``connect`` of a worker a question to the server: seccomp user notification (seccomp_unotify(2)).

The filter here has one purpose beside the worker's list of system calls: ``connect`` is answered by whoever holds the
*listener*, a descriptor that comes with the filter, and never carried out by the kernel for the worker. The server
makes the connection itself and puts the connected socket in place of the worker's.

Such a socket belongs to the server's network namespace, also after its connection has ended. So the list of system
calls must keep refusing whatever else makes a connection out of a socket: ``bind``, ``listen``, ``MSG_FASTOPEN``.

One option of sockets is refused here too, ``SO_LINGER``: by it a worker could have the server, while both have the
socket open, wait in ``close`` for as long as the other end likes.

What lies where: ``linux/seccomp.h``, ``linux/bpf_common.h``, ``linux/audit.h``; those of the calls in
``arch/x86/entry/syscalls/syscall_64.tbl`` and ``asm-generic/unistd.h``. It takes Linux 5.9 (the server's answer does).
"""

import ctypes
import errno
import os
import platform
import socket
from struct import pack
from typing import NamedTuple

from cadence_sdk._runtime.endpoint import LISTENER_MARK
from cadence_sdk._runtime.lockdown import kernel

_SET_MODE_FILTER = 1
# Every thread of the process is filtered, or none and an error: one that is not would be a way out.
_TSYNC, _TSYNC_ESRCH = 1 << 0, 1 << 4
_NEW_LISTENER = 1 << 3
# A signal does not interrupt a connect that the server works on, which would then be made twice. Linux 5.19.
_WAIT_KILLABLE_RECV = 1 << 5
_ALLOW, _ASK, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000
# struct seccomp_data: of the arguments the lower half, which on both machines comes first
_NUMBER_AT, _ARCHITECTURE_AT, _LEVEL_AT, _OPTION_AT = 0, 4, 16 + 8, 16 + 16
# linux/bpf_common.h: load a word, jump if equal, jump if greater or equal, return
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
#: Calls of the x32 table have this bit, and the architecture of x86_64.
_X32 = 0x40000000


class _Machine(NamedTuple):
    """What a machine calls itself in ``struct seccomp_data``, and its numbers of two calls."""

    architecture: int
    connect: int
    setsockopt: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 42, 54), "aarch64": _Machine(0xC00000B7, 203, 208)}


def install() -> int:
    """Filter ``connect`` in this process and in all it will start. ``no_new_privs`` must be set.

    :returns: the listener. Until somebody answers it each connect waits; once it is closed they fail with ENOSYS.
    :raises OSError: where the kernel or the machine cannot; nothing is filtered then.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(errno.ENOSYS, f"The system calls of {platform.machine()!r} are not known")
    instructions = _instructions(machine)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = ctypes.c_char_p(pack("@HP", len(instructions) // 8, ctypes.addressof(buffer)))
    flags = _NEW_LISTENER | _TSYNC | _TSYNC_ESRCH
    number = kernel.SECCOMP[platform.machine()]
    try:
        return kernel.syscall(number, _SET_MODE_FILTER, flags | _WAIT_KILLABLE_RECV, program)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return kernel.syscall(number, _SET_MODE_FILTER, flags, program)


def send(channel: socket.socket, listener: int) -> None:
    """Hand the listener to the server, with :data:`~cadence_sdk._runtime.endpoint.LISTENER_MARK`, and close it here.

    Who holds it could answer for the server.

    :param channel: a Unix stream socket.
    """
    try:
        socket.send_fds(channel, [LISTENER_MARK], [listener])
    finally:
        os.close(listener)


def _instructions(machine: _Machine) -> bytes:
    """The filter: calls by another table do not exist, ``connect`` is asked, all else but one option is allowed."""
    unknown, asked, refused, allowed = 10, 11, 12, 13
    steps = (
        (_LOAD, None, None, _ARCHITECTURE_AT),
        (_EQUAL, 2, unknown, machine.architecture),
        (_LOAD, None, None, _NUMBER_AT),
        (_AT_LEAST, unknown, 4, _X32),
        (_EQUAL, asked, 5, machine.connect),
        (_EQUAL, 6, allowed, machine.setsockopt),
        (_LOAD, None, None, _LEVEL_AT),
        (_EQUAL, 8, allowed, socket.SOL_SOCKET),
        (_LOAD, None, None, _OPTION_AT),
        (_EQUAL, refused, allowed, socket.SO_LINGER),
        (_RETURN, None, None, _ERRNO | errno.ENOSYS),
        (_RETURN, None, None, _ASK),
        (_RETURN, None, None, _ERRNO | errno.EPERM),
        (_RETURN, None, None, _ALLOW),
    )
    # struct sock_filter: operation, how many to skip when true and when false, operand
    return b"".join(
        pack("=HBBI", code, *(0 if to is None else to - at - 1 for to in targets), operand)
        for at, (code, *targets, operand) in enumerate(steps)
    )
