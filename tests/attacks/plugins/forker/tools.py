"""Multiplies, up to a number that a host survives."""

import ctypes
import os
import signal
import struct
import subprocess
import sys

from cadence_sdk import tool

_libc = ctypes.CDLL(None, use_errno=True)
_children: list[int] = []


@tool
def fork_bomb(most: int) -> int:
    """Fork, again and again."""
    while len(_children) < most:
        pid = os.fork()
        if pid == 0:
            while True:
                signal.pause()
        _children.append(pid)
    return len(_children)


@tool
def vfork() -> int:
    """Start a program as subprocess does."""
    child = subprocess.Popen(["sleep", "60"])
    _children.append(child.pid)
    return child.pid


@tool
def spawn() -> int:
    """Start a program by posix_spawn(3)."""
    pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    _children.append(pid)
    return pid


@tool
def clone3() -> int:
    """Fork by the newest call, whose arguments no filter can see."""
    arguments = struct.pack("QQQQQQQQ", 0, 0, 0, 0, int(signal.SIGCHLD), 0, 0, 0)
    pid = _libc.syscall(ctypes.c_long(435), arguments, ctypes.c_size_t(len(arguments)))
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if pid == 0:
        while True:
            _libc.pause()
    _children.append(pid)
    return int(pid)


@tool
def multiprocess() -> int:
    """Start a process as multiprocessing does, by a fresh interpreter."""
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
    _children.append(child.pid)
    return child.pid


@tool
def release() -> int:
    """End them all."""
    count = len(_children)
    while _children:
        pid = _children.pop()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return count


TOOLS = [fork_bomb, vfork, spawn, clone3, multiprocess, release]
