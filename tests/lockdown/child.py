"""Runs what cannot be taken back in a child process, and tells what came of it."""

import ctypes
import errno
import os
import pickle
from collections.abc import Callable
from typing import Any, TypeVar, cast

from cadence_sdk._runtime.lockdown import kernel

T = TypeVar("T")


def result_of(act: Callable[[], T]) -> T:
    """What ``act`` returns in a child, or raises."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                answer: object = act()
            except BaseException as error:  # noqa: BLE001  (raised again in the parent)
                answer = error
            os.write(writer, pickle.dumps(answer))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        sent = pipe.read()
    os.waitpid(pid, 0)
    assert sent, "the child was killed"
    received: Any = pickle.loads(sent)
    if isinstance(received, BaseException):
        raise received
    return cast(T, received)


def status_of(act: Callable[[], object]) -> int:
    """How a child ends in which ``act`` is run: its ``waitpid`` status."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def errno_of(number: int, *arguments: int) -> str:
    """The name of the error that a system call gives here, ``OK`` for none."""
    result = kernel.LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(one) for one in arguments))
    return "OK" if result >= 0 else errno.errorcode[ctypes.get_errno()]
