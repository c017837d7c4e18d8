"""Leaves the namespaces it was put into."""

import ctypes
import os

from cadence_sdk import tool

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@tool
def unshare_network() -> None:
    """Make a network of its own."""
    _checked(_libc.unshare(_CLONE_NEWNET))


@tool
def join(pid: int, kind: str) -> None:
    """Enter the namespace of another process."""
    with open(f"/proc/{pid}/ns/{kind}", "rb") as namespace:
        _checked(_libc.setns(namespace.fileno(), 0))


TOOLS = [unshare_network, join]
