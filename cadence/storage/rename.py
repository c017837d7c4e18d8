"""Renames that swap: what was in place and what takes its place change places in one step.

Python's ``os.replace`` cannot put a folder where a folder is, and two renames leave a moment, and after a crash a
state, in which there is neither. Linux has ``renameat2`` with ``RENAME_EXCHANGE`` for that (rename(2), since 3.15;
ext4, XFS, Btrfs, tmpfs and overlayfs have it). Python does not offer it, so the C library is asked.
"""

import contextlib
import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LACKING = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})

_libc = ctypes.CDLL(None, use_errno=True)


def put_in_place(new: Path, place: Path) -> None:
    """Move ``new`` to ``place``; what was there before, if anything, is at ``new`` afterwards.

    Both are files or both are folders, on one file system. On an error nothing has moved.
    """
    if not os.path.lexists(place):
        new.rename(place)
    elif not exchange(new, place):
        _swap_in_two_steps(new, place)


def take_back(new: Path, place: Path) -> None:
    """Undo :func:`put_in_place`."""
    if os.path.lexists(new):
        put_in_place(new, place)
    else:
        place.rename(new)


def exchange(one: Path, other: Path) -> bool:
    """Let two existing paths change places in one step.

    :return: ``False``, and nothing done, where kernel, C library or file system cannot do it.
    """
    if not hasattr(_libc, "renameat2"):
        return False
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _LACKING:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def _swap_in_two_steps(new: Path, place: Path) -> None:
    """The same with renames alone. Between the first and the second, nothing is in place: recovery mends that."""
    aside = new.with_name(f"{new.name}.aside")
    with contextlib.ExitStack() as undo:
        place.rename(aside)
        undo.callback(aside.rename, place)
        new.rename(place)
        undo.callback(place.rename, new)
        aside.rename(new)
        undo.pop_all()
