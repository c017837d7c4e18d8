"""How a worker enters the control groups that bound it, before there is a plugin (cgroups(7))."""

import os
from collections.abc import Iterable


def enter_groups(folders: Iterable[str]) -> OSError | None:
    """Make a group named for this process in each folder, and enter it. This process must have a single thread.

    :returns: what went wrong, for whoever can tell the server; the worker must not load a plugin then.
    """
    try:
        for folder in folders:
            group = f"{folder}/{os.getpid()}"
            os.makedirs(group, exist_ok=True)  # noqa: PTH103  (of a worker's start every microsecond counts)
            # In version 1 the kernel does not have to wait for anyone when a thread moves only itself; version 2 has
            # no such file.
            tasks = f"{group}/tasks"
            _write(tasks if os.path.exists(tasks) else f"{group}/cgroup.procs", b"0")  # noqa: PTH110
    except OSError as error:
        return error
    return None


def _write(path: str, value: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value)
    finally:
        os.close(descriptor)
