"""Locks between processes: ``flock`` on small files that the kernel releases when their holder dies.

``flock`` belongs to the open file, so it works between the threads of one process as well, and it is not lost when
the file is opened and closed elsewhere in the process, as POSIX record locks are. Python opens files close-on-exec,
so a program that is started does not hold on to a lock; a child that is forked without ``exec`` would.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from cadence.errors import Cancelled, Refused
from cadence.progress import Flag
from cadence.storage.folders import PRIVATE, make_folder
from cadence.storage.names import safe_component

SHORTEST_POLL_SECONDS = 0.001
LONGEST_POLL_SECONDS = 0.05


class Busy(Refused):
    """Somebody else works on the same thing, and went on for longer than the caller would wait."""

    status = 409
    message = "Busy"


def try_lock(path: Path) -> int | None:
    """Take the lock at ``path`` if it is free, and create its file where there is none.

    :return: a file descriptor that holds the lock until it is closed, or ``None`` when the lock is taken.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_still_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # unlinked between our open and our lock: this one excludes nobody


@contextlib.contextmanager
def file_lock(
    path: Path, *, timeout: float | None = None, cancel: Flag | None = None, busy: str = "Try again later."
) -> Iterator[None]:
    """Hold the lock at ``path`` for the length of a ``with`` block.

    :param timeout: seconds to wait for it at most; ``None`` waits as long as it takes, 0 does not wait.
    :param cancel: ends the wait at once when it is set.
    :param busy: the sentence for a wait that was too long.
    :raises Busy: after ``timeout`` seconds.
    :raises Cancelled: when ``cancel`` was set first.
    """
    descriptor = _wait_for_lock(path, timeout, cancel or threading.Event(), busy)
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def plugin_lock(
    instance: Path, name: str, *, timeout: float | None = None, cancel: Flag | None = None
) -> Iterator[None]:
    """Hold the right to change one plugin, against the other threads and processes of this instance.

    Whoever commits, publishes, activates or removes a version holds it; recovery leaves a plugin alone whose lock
    is taken. It is not re-entrant.

    :param instance: the folder of the instance; the lock is ``locks/<name>.lock`` in it.
    :param timeout: seconds to wait at most; ``None`` queues for as long as it takes.
    :raises Busy: after ``timeout`` seconds.
    :raises Cancelled: when ``cancel`` is set while it waits.
    """
    folder = instance / "locks"
    make_folder(folder, PRIVATE)
    busy = f"Another change of {name} is under way. Wait for it to end, then try again."
    with file_lock(folder / f"{safe_component(name)}.lock", timeout=timeout, cancel=cancel, busy=busy):
        yield


def _wait_for_lock(path: Path, timeout: float | None, cancel: Flag, busy: str) -> int:
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = SHORTEST_POLL_SECONDS
    while (descriptor := try_lock(path)) is None:
        # flock has no timed wait, and a blocked one cannot be cancelled from another thread: so it is polled.
        if deadline is not None and time.monotonic() >= deadline:
            raise Busy(busy)
        if cancel.wait(pause):
            raise Cancelled("It was cancelled while it waited for another change of the same plugin.")
        pause = min(pause * 2, LONGEST_POLL_SECONDS)
    return descriptor


def _is_still_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
