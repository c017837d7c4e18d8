"""Processes that die: a child that is killed with ``SIGKILL`` just before one change to the disk."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Cursor
from typing import Any

import pytest

from cadence.storage import rename
from cadence.storage.database import IndexDatabase

CHANGES = frozenset({"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir"})


def killed_before_change(number: int, action: Callable[[], object]) -> bool:
    """Run ``action`` in a child that dies before the ``number``-th change that it makes to the disk.

    A change is a rename, a swap, a link, a folder made or deleted, a file opened for writing or deleted, and a commit
    of SQLite. (A write-through is none: what a killed process has written stays.)

    :return: whether it died so; ``False`` when it came to its end with fewer changes.
    :raises AssertionError: when it failed.
    """
    child = os.fork()
    if child == 0:
        _die_in(number, action)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the action failed in the child"
    return False


def _die_in(number: int, action: Callable[[], object]) -> None:
    left = number

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        _watch(count)
        action()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the child must never come back into the test run
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def _watch(count: Callable[[], None]) -> None:
    """Call ``count`` before each change from now on; there is no way back, so this is for the child."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or writes:
            count()

    exchange, execute = rename.exchange, IndexDatabase.execute

    def counted_exchange(one: Path, other: Path) -> bool:
        count()
        return exchange(one, other)

    def counted_execute(self: IndexDatabase, sql: str, *parameters: Any) -> Cursor:
        if sql == "COMMIT":
            count()
        return execute(self, sql, *parameters)

    sys.addaudithook(audit)
    patch = pytest.MonkeyPatch()
    patch.setattr(rename, "exchange", counted_exchange)
    patch.setattr(IndexDatabase, "execute", counted_execute)
