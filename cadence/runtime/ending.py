"""How a worker ended, in words."""

import os
import signal

from msgspec import Struct

from cadence.model import Limits
from cadence_sdk._runtime.limits import MEMORY_EXIT, THREADS_EXIT

#: From which share of its memory limit on a worker that crashed may have done so for want of memory. Its growth is
#: told too small by what the zygote has of files in memory and the worker has not looked at yet, some 10 MiB.
_NEAR = 0.7


class Ending(Struct, frozen=True):
    """``words`` stand after "the worker": "ended by itself with exit code 3".

    ``limit`` is there where it came to one it was set: "memory limit of 512 MiB reached". ``by_host`` is whether it
    went with something else that ended, and the plugin did nothing.
    """

    words: str
    limit: str | None = None
    by_host: bool = False


def ended_because(reason: str) -> Ending:
    """The ending of a worker that the server ended."""
    return Ending(f"was ended because {reason}")


def ended_at(limit: str) -> Ending:
    """The ending of a worker that came to a limit."""
    return Ending(f"was ended: {limit}", limit)


def ended_with(status: int | None, limits: Limits, *, grown_kb: int, memory_kills: int) -> Ending:
    """What an exit says.

    :param status: as from ``waitpid``; None when the zygote died and took it along.
    :param grown_kb: how much more memory it had at its highest than the zygote, in KiB.
    :param memory_kills: how many processes of its group the kernel ended for want of memory.
    """
    if status is None:
        return Ending("ended with the process that started it", by_host=True)
    code = os.waitstatus_to_exitcode(status)
    if code == MEMORY_EXIT or (code == -signal.SIGKILL and memory_kills):
        return ended_at(limits.memory_reached)
    if code == THREADS_EXIT:
        return ended_at(limits.threads_reached)
    words = f"ended by itself with exit code {code}" if code >= 0 else f"was ended by signal {_signal_words(-code)}"
    near = code != 0 and grown_kb * 1024 >= _NEAR * limits.memory_bytes
    return Ending(f"{words}, near its memory limit of {limits.memory_mb} MiB" if near else words)


def _signal_words(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:  # the real-time signals between the first and the last have no names
        return str(number)
