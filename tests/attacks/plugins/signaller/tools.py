"""Reaches for other processes: to end them, to look into them, to change how they run."""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct

from cadence_sdk import tool

_libc = ctypes.CDLL(None, use_errno=True)

# x86_64 and aarch64 share these.
_PIDFD_GETFD = 438
_F_SETSIG, _F_SETOWN_EX = 10, 15
_PTRACE_ATTACH, _PTRACE_DETACH, _PTRACE_PEEKDATA = 16, 17, 2


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@tool
def ping() -> int:
    """Its process."""
    return os.getpid()


@tool
def kill(pid: int, number: int) -> None:
    """Send a signal; with number 0, see whether one could be sent."""
    os.kill(pid, number)


@tool
def kill_thread(pid: int, number: int) -> None:
    """Send a signal to a thread (tgkill(2))."""
    numbers = {"x86_64": 234, "aarch64": 131}
    _checked(_libc.syscall(numbers[os.uname().machine], pid, pid, number))


@tool
def kill_group(pid: int, number: int) -> None:
    """Send a signal to a process group."""
    os.killpg(pid, number)


@tool
def queue_signal(pid: int, number: int) -> None:
    """Send a signal with a value (sigqueue(3))."""
    _checked(_libc.sigqueue(pid, number, None))


@tool
def kill_by_descriptor(pid: int, number: int) -> None:
    """Send a signal through a descriptor of the process."""
    signal.pidfd_send_signal(os.pidfd_open(pid), number)


@tool
def kill_by_folder(pid: int, number: int) -> None:
    """Send a signal through the process's folder in /proc, which serves as one."""
    signal.pidfd_send_signal(os.open(f"/proc/{pid}", os.O_DIRECTORY), number)


@tool
def kill_as_owner(pid: int, number: int) -> None:
    """Make a process the owner of a socket, and have the kernel send it the signal that data came."""
    ours, theirs = socket.socketpair()
    fcntl.fcntl(ours, _F_SETSIG, number)
    fcntl.fcntl(ours, _F_SETOWN_EX, struct.pack("ii", 1, pid))
    flags = fcntl.fcntl(ours, fcntl.F_GETFL)
    fcntl.fcntl(ours, fcntl.F_SETFL, flags | os.O_ASYNC)
    theirs.send(b"now")
    ours.recv(3)


@tool
def take_descriptor(pid: int) -> str:
    """Take a process's standard input out of it (pidfd_getfd(2)), and read what it reads."""
    descriptor = _checked(_libc.syscall(_PIDFD_GETFD, os.pidfd_open(pid), 0, 0))
    return os.pread(descriptor, 4096, 0).decode("latin-1")


@tool
def open_descriptor(pid: int) -> str:
    """Open a process's standard input by its name in /proc."""
    with open(f"/proc/{pid}/fd/0", "rb") as file:
        return file.read(4096).decode("latin-1")


@tool
def trace(pid: int, address: int, length: int) -> str:
    """Stop a process as a debugger does, and read its memory word by word."""
    ptrace = _libc.ptrace
    ptrace.restype = ctypes.c_long
    ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    _checked(ptrace(_PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0)
    words = [ptrace(_PTRACE_PEEKDATA, pid, address + offset, None) for offset in range(0, length, 8)]
    ptrace(_PTRACE_DETACH, pid, None, None)
    return struct.pack(f"{len(words)}q", *words).decode("latin-1")


@tool
def read_memory(pid: int, address: int, length: int) -> str:
    """Read a process's memory (process_vm_readv(2))."""
    buffer = ctypes.create_string_buffer(length)
    here = struct.pack("PN", ctypes.addressof(buffer), length)
    there = struct.pack("PN", address, length)
    transferred = _checked(_libc.process_vm_readv(pid, here, 1, there, 1, 0))
    return buffer.raw[:transferred].decode("latin-1")


@tool
def renice(pid: int, value: int) -> None:
    """Have a process wait for all others."""
    os.setpriority(os.PRIO_PROCESS, pid, value)


@tool
def pin(pid: int) -> None:
    """Have a process run on one processor only."""
    os.sched_setaffinity(pid, {min(os.sched_getaffinity(pid))})


@tool
def make_idle(pid: int) -> None:
    """Have a process run when nobody else does."""
    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))


@tool
def limit(pid: int, open_files: int) -> None:
    """Take files away from a process."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files, open_files))


TOOLS = [
    ping,
    kill,
    kill_thread,
    kill_group,
    queue_signal,
    kill_by_descriptor,
    kill_by_folder,
    kill_as_owner,
    take_descriptor,
    open_descriptor,
    trace,
    read_memory,
    renice,
    pin,
    make_idle,
    limit,
]
