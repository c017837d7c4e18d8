"""Opens files, up to a number that a host survives."""

import os
import resource

from cadence_sdk import tool

_held: list[int] = []


@tool
def open_endlessly(most: int) -> int:
    """Open a file again and again."""
    try:
        while len(_held) < most:
            _held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        release.func()
        raise
    return len(_held)


@tool
def raise_limits(most: int) -> int:
    """Allow itself more, in every way there is, then open files."""
    for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE):
        for value in (resource.RLIM_INFINITY, 2**62, resource.getrlimit(kind)[1]):
            for change in (_set, _set_by_number):
                try:
                    change(kind, value)
                except (OSError, ValueError) as error:
                    print(error)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    print(f"files: {soft} {hard}")
    return int(open_endlessly.func(most))


def _set(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def _set_by_number(kind: int, value: int) -> None:
    resource.prlimit(os.getpid(), kind, (value, value))


@tool
def release() -> int:
    """Close them."""
    count = len(_held)
    while _held:
        os.close(_held.pop())
    return count


TOOLS = [open_endlessly, raise_limits, release]
