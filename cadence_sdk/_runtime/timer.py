"""A timer that a thread can sleep on, armed anew by another one for the price of a system call."""

import ctypes
import os
import time

_TFD_CLOEXEC = os.O_CLOEXEC  # bits/timerfd.h


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """One timer of fixed length (timerfd_create(2)).

    The ``threading`` module has nothing like it: there, whoever sleeps has to be woken to be told to sleep until
    some later time, and waking a thread costs more than a quick tool call.

    :param seconds: how long after the last :meth:`arm` it fires; less than one second.
    """

    def __init__(self, seconds: float) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._settime = libc.timerfd_settime
        self._at_once = ctypes.byref(_Itimerspec(value=_Timespec(0, 1)))
        self._due = ctypes.byref(_Itimerspec(value=_Timespec(0, int(seconds * 1e9))))

    def arm(self) -> None:
        """Have it fire once, so many seconds from now; an earlier :meth:`arm` no longer counts."""
        self._settime(self._fd, 0, self._due, None)

    def fire(self) -> None:
        """Have it fire now."""
        self._settime(self._fd, 0, self._at_once, None)

    def wait(self) -> None:
        """Sleep until it fires.

        :raises OSError: when somebody closed its descriptor.
        """
        os.read(self._fd, 8)
