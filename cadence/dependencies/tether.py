"""Runs a program that cannot outlive the thread that asked for it.

Started by its path as ``python -I -S tether.py PARENT PROGRAM ARGUMENT…``, where ``PARENT`` is the process id of the
one who asks. It replaces itself by the program. ``PR_SET_PDEATHSIG`` (prctl(2)) survives ``execve`` and is set here,
in a process with one thread, because running Python between ``fork`` and ``exec`` of a server with many threads can
deadlock. The kernel sends the signal when the *thread* that started this process ends; that thread waits for the
program anyway. It imports nothing of cadence, so that it costs 10 ms.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, program: str, *arguments: str) -> None:
    """Tie this process to ``parent`` and become ``program``."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before the kernel could be told
        return
    # It would send the bytecode that uv compiles to a place where no worker looks for it.
    os.unsetenv("PYTHONPYCACHEPREFIX")
    # It would have uv break its lines at the width of the terminal that the server was started from.
    os.unsetenv("COLUMNS")
    # It would keep uv from drawing the progress that is read for its counts.
    os.unsetenv("UV_NO_PROGRESS")
    os.execv(program, [program, *arguments])  # noqa: S606  (no shell is what is wanted)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
