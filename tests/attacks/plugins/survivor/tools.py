"""Stays when its server ends, for a minute at most."""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

from cadence_sdk import tool

_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@tool
def ping() -> int:
    """Its process."""
    return os.getpid()


@tool
def stay(heartbeat: str) -> None:
    """Take back that the kernel ends it with its parent, and go on whatever happens."""
    _libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os._exit = lambda _status: time.sleep(_SECONDS)  # type: ignore[assignment]
    threading.Thread(target=_beat, args=(heartbeat,)).start()


@tool
def leave(heartbeat: str) -> None:
    """Leave a process behind that belongs to nobody: forked twice, in a session of its own."""
    child = os.fork()
    if child == 0:
        _libc.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
        if os.fork() == 0:
            _libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
            os.closerange(0, 64)
            _beat(heartbeat)
        os._exit(0)
    os.waitpid(child, 0)


def _beat(heartbeat: str) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        Path(heartbeat).write_text(str(time.monotonic()))
        time.sleep(0.05)


TOOLS = [ping, stay, leave]
